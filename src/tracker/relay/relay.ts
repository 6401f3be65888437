import { type Millis, readU16, readU32, writeU32 } from '../../base/index.ts';
import {
  decodeWsRequest,
  encodeWsResponse,
  type TrackerRefusal,
  type WsAnnounceRequest,
  type WsAnswerRequest,
  type WsRequest,
  type WsScrapeRequest,
  type WsUnreadable,
} from '../../wire/index.ts';
import type { AddressLimits } from '../address-limits.ts';
import { AnnounceCall, ScrapeCall } from '../calls.ts';
import { type CounterRow, counter } from '../counters.ts';
import type { TrackerLogic } from '../logic.ts';
import type { Offenders } from '../offenders.ts';
import { placeOfRefusal, refusalReason } from '../refusals.ts';
import type { SwarmStore } from '../swarm-store.ts';
import { type Membership, RelayConnection, type RelayLink } from './connection.ts';
import { HandedOffers } from './handed-offers.ts';
import type { RelayLimits } from './limits.ts';

/** Bytes of a peer of the store: number of the connection, port. */
const PEER_BYTES = 6;

export interface RelayOptions {
  readonly logic: TrackerLogic;
  /** The one of `logic`: told directly of peers that are gone where a hook would not hear of it. */
  readonly store: SwarmStore;
  readonly limits: RelayLimits;
  /** Written: announces, scrapes, offers, answers, refusals. */
  readonly counts: CounterRow;
  /** Default: addresses may ask as much as they like. */
  readonly addressLimits?: AddressLimits;
  /** Told of addresses that ask too much. */
  readonly offenders?: Offenders;
}

/**
 * Brings WebTorrent peers together: they cannot be dialled, so the tracker hands their offers to others of the swarm and carries the
 * answers back. A peer is a connection (a number of 32 bits) and a port that stands for one of the peer ids the connection announces;
 * so the store counts and chooses them as it does the others.
 *
 * Knows messages and no sockets. Nothing is kept of a connection after `disconnect`.
 */
export class WebRelay {
  readonly #logic: TrackerLogic;
  readonly #store: SwarmStore;
  readonly #limits: RelayLimits;
  readonly #counts: CounterRow;
  readonly #addressLimits: AddressLimits | undefined;
  readonly #offenders: Offenders | undefined;
  readonly #connections = new Map<number, RelayConnection>();
  readonly #handed: HandedOffers;
  readonly #call = new AnnounceCall();
  readonly #scrapeCall = new ScrapeCall();
  #nextNumber = 1;
  /** Peers of all connections in all swarms. */
  #memberCount = 0;

  constructor(options: RelayOptions) {
    this.#logic = options.logic;
    this.#store = options.store;
    this.#limits = options.limits;
    this.#counts = options.counts;
    this.#addressLimits = options.addressLimits;
    this.#offenders = options.offenders;
    this.#handed = new HandedOffers(options.limits);
    const call = this.#call;
    call.via = 'ws';
    call.network = 'web';
    call.families = 'web';
    call.peersMax = options.limits.offersPerAnnounceMax;
    call.hashBytes = new Uint8Array(20);
    call.peerIdBytes = new Uint8Array(20);
    call.peerBytes = new Uint8Array(4);
    call.out = new Uint8Array(options.limits.offersPerAnnounceMax * PEER_BYTES);
  }

  get connectionCount(): number {
    return this.#connections.size;
  }

  /** Offers that may still be answered. */
  get waitingOfferCount(): number {
    return this.#handed.count;
  }

  /**
   * @param from.source 4 or 16 bytes, kept
   * @param from.target path and query the connection was opened with
   */
  connect(link: RelayLink, from: { source: Uint8Array; target: string }): RelayConnection {
    // Numbers come round after 2^32 connections, when an old one may still be there. What is left of a number in the store is harmless:
    // whoever is chosen must be in the swarm by our own book too.
    while (this.#connections.has(this.#nextNumber)) this.#nextNumber = (this.#nextNumber + 1) >>> 0;
    const connection = new RelayConnection(this.#nextNumber, link, from);
    this.#nextNumber = (this.#nextNumber + 1) >>> 0;
    this.#connections.set(connection.number, connection);
    return connection;
  }

  /** Takes a message; what is to be said goes to the links before this returns. @param text bounded by who received it */
  receive(now: Millis, connection: RelayConnection, text: string): void {
    // Before it is read: reading is what costs.
    if (!this.#takeRequest(now, connection)) return;
    const request = decodeWsRequest(text);
    if (request.kind === 'unreadable') {
      this.#refuse(connection, toAddressee(request), request, counter.wsRefusedInvalid);
      return;
    }
    switch (request.kind) {
      case 'announce':
        this.#announce(now, connection, request);
        return;
      case 'answer':
        this.#answer(now, connection, request);
        return;
      case 'scrape':
        this.#scrape(now, connection, request);
    }
  }

  /**
   * The connection is gone: its peers leave their swarms. At most `swarmsPerConnectionMax` of them.
   *
   * @throws what a hook has thrown, when all of them have left
   */
  disconnect(now: Millis, connection: RelayConnection): void {
    if (!this.#connections.delete(connection.number)) return;
    const bugs: unknown[] = [];
    for (const membership of connection.memberships()) {
      try {
        this.#leave(now, connection, membership);
      } catch (bug) {
        bugs.push(bug);
        this.#store.announce(now, this.#call);
      }
    }
    this.#memberCount -= connection.swarmCount;
    connection.leaveAll();
    if (bugs.length > 0) throw bugs[0];
  }

  /** A bounded step of forgetting offers; call it every few seconds. */
  sweep(now: Millis): void {
    this.#handed.sweep(now);
  }

  #announce(now: Millis, connection: RelayConnection, r: WsAnnounceRequest): void {
    const { infoHash, peerId } = r;
    const port = connection.portOf(peerId, this.#limits.peerIdsPerConnectionMax);
    const isNew = port !== undefined && r.event !== 'stopped' && connection.memberAt(infoHash, port) === undefined;
    if (port === undefined || (isNew && connection.swarmCount >= this.#limits.swarmsPerConnectionMax)) {
      const what = port === undefined ? 'peer ids' : 'torrents';
      const refusal = { reason: `too many ${what} on one connection` };
      this.#refuse(connection, toAddressee(r), refusal, counter.wsRefusedLimited);
      return;
    }
    if (isNew && this.#memberCount >= this.#limits.membersMax) {
      this.#refuse(connection, toAddressee(r), this.#logic.fullRefusal, counter.wsRefusedFull);
      return;
    }
    const call = this.#call;
    this.#setWho(connection, infoHash, peerId, port);
    call.uploaded = r.uploaded;
    call.downloadedBytes = r.downloaded;
    call.left = r.left;
    call.event = r.event;
    const wanted = r.numWant < 0 ? r.offers.length : Math.min(r.numWant, r.offers.length);
    call.numWant = wanted;
    const refusal = this.#logic.announce(now, call);
    if (refusal !== undefined) {
      this.#refuse(connection, toAddressee(r), refusal, placeOfRefusal('ws', refusal, call.isStored));
      return;
    }
    this.#counts[counter.wsAnnounces]!++;
    const before = connection.swarmCount;
    if (r.event === 'stopped') connection.leave(infoHash, port);
    else connection.enter(r, port);
    this.#memberCount += connection.swarmCount - before;
    connection.link.sendText(
      encodeWsResponse({
        kind: 'announce',
        infoHash,
        intervalSec: Math.max(1, Math.ceil(call.intervalSec / this.#limits.intervalDivisor)),
        complete: call.complete,
        incomplete: call.incomplete,
        downloaded: call.downloaded,
        ...(call.warning === '' ? {} : { warning: call.warning }),
      }),
    );
    this.#handOut(now, connection, r);
  }

  #leave(now: Millis, connection: RelayConnection, from: Membership): void {
    const call = this.#call;
    this.#setWho(connection, from.infoHash, from.peerId, from.port);
    call.uploaded = from.uploaded;
    call.downloadedBytes = from.downloaded;
    call.left = from.left;
    call.event = 'stopped';
    call.numWant = 0;
    // A hook that turns it away (an expired passkey, say) must not keep the peer in the swarm.
    if (this.#logic.announce(now, call) !== undefined) this.#store.announce(now, call);
  }

  /** One offer to each of the peers the store has chosen. */
  #handOut(now: Millis, connection: RelayConnection, r: WsAnnounceRequest): void {
    const { out, outAt, peerCountWeb } = this.#call;
    const { infoHash, peerId } = r;
    let used = 0;
    for (let i = 0; i < peerCountWeb && used < r.offers.length; i++) {
      const at = outAt + i * PEER_BYTES;
      const to = this.#connections.get(readU32(out, at));
      const member = to?.memberAt(infoHash, readU16(out, at + 4));
      const offer = r.offers[used];
      // Gone without a word, or of an earlier life of the tracker.
      if (to === undefined || member === undefined || offer === undefined || to.link.isBusy === true) continue;
      // Two seeders have nothing for each other.
      if (r.left === 0 && member.left === 0) continue;
      const name = { infoHash, offerId: offer.offerId, fromPeerId: peerId, to: to.number, toPeerId: member.peerId };
      used++;
      if (!this.#handed.add(now, name, connection.number)) continue;
      this.#counts[counter.wsOffersRelayed]!++;
      to.link.sendText(encodeWsResponse({ kind: 'offer', infoHash, peerId, offerId: offer.offerId, sdp: offer.sdp }));
    }
  }

  /** Is not answered itself, as nobody expects it. */
  #answer(now: Millis, connection: RelayConnection, r: WsAnswerRequest): void {
    const { infoHash, peerId, offerId, sdp } = r;
    const name = { infoHash, offerId, fromPeerId: r.toPeerId, to: connection.number, toPeerId: peerId };
    const from = this.#handed.take(now, name);
    const offerer = from === undefined ? undefined : this.#connections.get(from);
    if (offerer?.link.isBusy === true) return;
    if (offerer === undefined) {
      this.#counts[counter.wsUnsolicited]!++;
      return;
    }
    this.#counts[counter.wsAnswersRelayed]!++;
    offerer.link.sendText(encodeWsResponse({ kind: 'answer', infoHash, peerId, offerId, sdp }));
  }

  #scrape(now: Millis, connection: RelayConnection, r: WsScrapeRequest): void {
    const { infoHashes } = r;
    if (infoHashes.length === 0) {
      const refusal = { reason: refusalReason.noHashes };
      this.#refuse(connection, toAddressee(r), refusal, counter.wsRefusedInvalid);
      return;
    }
    const call = this.#scrapeCall;
    call.ask(infoHashes.map(toBytes), { via: 'ws', source: connection.source, target: connection.target });
    const refusal = this.#logic.scrape(now, call);
    if (refusal !== undefined) {
      this.#refuse(connection, toAddressee(r), refusal, placeOfRefusal('ws', refusal, true));
      return;
    }
    this.#counts[counter.wsScrapes]!++;
    const files = infoHashes.slice(0, call.count).map((infoHash, i) => ({ infoHash, counts: call.rowAt(i) }));
    connection.link.sendText(encodeWsResponse({ kind: 'scrape', files }));
  }

  #refuse(
    connection: RelayConnection,
    to: { action: 'announce' | 'scrape'; infoHash: string },
    refusal: TrackerRefusal,
    countedAs: number,
  ): void {
    this.#counts[countedAs]!++;
    const { reason, retryInSec } = refusal;
    const retry = retryInSec === undefined ? {} : { retryInSec };
    connection.link.sendText(encodeWsResponse({ kind: 'failure', ...to, reason, ...retry }));
  }

  /** @returns whether the address of the connection may go on asking; if not, it has been told */
  #takeRequest(now: Millis, connection: RelayConnection): boolean {
    const limits = this.#addressLimits;
    const { source } = connection;
    const length = source.length === 4 ? 4 : 16;
    if (limits === undefined || limits.takeRequest(now, source, 0, length)) return true;
    this.#offenders?.note(source, 0, length, 'limited');
    const refusal = { reason: refusalReason.limited, retryInSec: limits.retryInSec(now) };
    this.#refuse(connection, { action: 'announce', infoHash: '' }, refusal, counter.wsRefusedLimited);
    return false;
  }

  #setWho(connection: RelayConnection, infoHash: string, peerId: string, port: number): void {
    const call = this.#call;
    const { source } = connection;
    writeBytes(call.hashBytes, infoHash);
    writeBytes(call.peerIdBytes, peerId);
    call.sourceBytes = source;
    call.sourceAt = 0;
    call.sourceLength = source.length === 4 ? 4 : 16;
    call.target = connection.target;
    call.port = port;
    call.key = 0;
    call.namedIp = '';
    call.isStored = true;
    // A hook may have changed what belongs to us.
    call.network = 'web';
    call.families = 'web';
    call.peersMax = this.#limits.offersPerAnnounceMax;
    writeU32(call.peerBytes, 0, connection.number);
  }
}

/** Whom a failure tells what it is about. */
function toAddressee(r: WsRequest | WsUnreadable): { action: 'announce' | 'scrape'; infoHash: string } {
  if (r.kind === 'unreadable') return { action: r.action, infoHash: r.infoHash };
  if (r.kind !== 'scrape') return { action: 'announce', infoHash: r.infoHash };
  return { action: 'scrape', infoHash: r.infoHashes.length === 1 ? (r.infoHashes[0] as string) : '' };
}

function toBytes(text: string): Uint8Array {
  const bytes = new Uint8Array(text.length);
  writeBytes(bytes, text);
  return bytes;
}

/** @param text one character a byte */
function writeBytes(out: Uint8Array, text: string): void {
  for (let i = 0; i < text.length; i++) out[i] = text.charCodeAt(i);
}

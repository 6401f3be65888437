import { FRACTION_ZERO, type PeerAddress, reachOf } from '../../base/index.ts';
import { decodePex, encodeMessage, encodePex, extensionNames, pexFlags } from '../../wire/index.ts';
import type { SwarmContext } from '../context.ts';
import { limits } from '../limits.ts';
import type { Peer } from '../peer.ts';
import type { Extension } from './extension.ts';

/** What PEX knows of a peer: as one to be told of, and as one to tell. */
interface Link {
  readonly peer: Peer;
  /** Where others are told it is, under which number it came; 0 = nowhere that we know of. */
  address: PeerAddress | undefined;
  number: number;
  /** What to send with; 0 = it does not speak PEX. */
  id: number;
  /** It was told of everybody up to this number, */
  toldTo: number;
  /** and of everybody who had left by then. */
  toldLeft: number;
  nextAt: number;
  lastInAt: number;
}

/** Somebody who was told of, and is not to be any more. Undefined address: back again. */
interface Departure {
  readonly number: number;
  address: PeerAddress | undefined;
}

const nearness = { public: 0, local: 1, loopback: 2 } as const;

/**
 * BEP 11: peers tell each other whom they are connected to, at most once a minute and 50 addresses at a time. Never in private torrents
 * (BEP 27). What comes in is a rumour: it goes to the peer book, which is bounded.
 *
 * Who can be told of is numbered as it comes, so that what a peer was told is two numbers and not a list for each.
 */
export class PexExtension implements Extension {
  readonly name: string = extensionNames.pex;
  readonly localId = 2;
  readonly #ctx: SwarmContext;
  readonly #o: { isPrivate: () => boolean; onPeers: (peers: readonly PeerAddress[], from: Peer) => void };
  readonly #links = new Map<Peer, Link>();
  /** Those with an address, by number. */
  readonly #here: Link[] = [];
  /** The last ones who left, in order; `#leftCount` counts all there ever were. */
  readonly #left: Departure[] = [];
  #leftCount = 0;
  #lastNumber = 0;

  constructor(
    ctx: SwarmContext,
    options: { isPrivate: () => boolean; onPeers: (peers: readonly PeerAddress[], from: Peer) => void },
  ) {
    this.#ctx = ctx;
    this.#o = options;
  }

  isOffered(): boolean {
    return !this.#o.isPrivate();
  }

  onHandshake(peer: Peer, theirId: number | undefined): void {
    if (this.#o.isPrivate()) return;
    const link = this.#link(peer);
    link.id = theirId ?? 0;
    // The first list goes out soon: a newcomer knows nobody. Spread a little, so that a busy seed does not answer all in one turn.
    if (link.nextAt === 0) link.nextAt = this.#ctx.now + 1_000 + this.#ctx.rng.below(2_000);
  }

  onGone(peer: Peer): void {
    const link = this.#links.get(peer);
    if (link === undefined) return;
    this.#links.delete(peer);
    this.#depart(link);
  }

  onMessage(peer: Peer, payload: Uint8Array): void {
    const link = this.#links.get(peer);
    if (link === undefined || link.id === 0) return;
    if (this.#ctx.now - link.lastInAt < limits.extension.pexMinMs) return;
    link.lastInAt = this.#ctx.now;
    const told = decodePex(payload).added.slice(0, limits.extension.pexMax * 2);
    // Strangers from afar know nobody on this machine or in its network: they would have us knock at doors that are shut to them.
    const nearest = nearness[reachOf(peer.address.host)];
    this.#o.onPeers(
      told.filter(({ host }) => nearness[reachOf(host)] <= nearest),
      peer,
    );
  }

  onTick(): void {
    if (this.#o.isPrivate()) return;
    for (const peer of this.#ctx.peers.values()) if (peer.listenAddress !== undefined) this.#arrive(this.#link(peer));
    for (const link of this.#links.values()) {
      if (link.id === 0 || this.#ctx.now < link.nextAt) continue;
      link.nextAt = this.#ctx.now + limits.extension.pexMs;
      this.#tell(link);
    }
  }

  #link(peer: Peer): Link {
    let link = this.#links.get(peer);
    if (link === undefined) {
      // Who comes is not told who left before.
      const toldLeft = this.#leftCount;
      const lastInAt = Number.NEGATIVE_INFINITY;
      link = { peer, address: undefined, number: 0, id: 0, toldTo: 0, toldLeft, nextAt: FRACTION_ZERO, lastInAt };
      this.#links.set(peer, link);
    }
    return link;
  }

  /** Others can be told of it from now on. */
  #arrive(link: Link): void {
    const address = link.peer.listenAddress as PeerAddress;
    if (isSame(link.address, address)) return;
    this.#depart(link);
    // It is back before all have heard that it left.
    for (const gone of this.#left) if (isSame(gone.address, address)) gone.address = undefined;
    link.address = address;
    link.number = ++this.#lastNumber;
    this.#here.push(link);
  }

  #depart(link: Link): void {
    if (link.number === 0) return;
    this.#here.splice(this.#placeAfter(link.number) - 1, 1);
    this.#left.push({ number: link.number, address: link.address });
    this.#leftCount++;
    if (this.#left.length > limits.extension.pexLeftMax) this.#left.shift();
    link.number = 0;
    link.address = undefined;
  }

  /** Index of the first in `#here` with a higher number. */
  #placeAfter(number: number): number {
    let from = 0;
    let to = this.#here.length;
    while (from < to) {
      const middle = (from + to) >> 1;
      if ((this.#here[middle] as Link).number <= number) from = middle + 1;
      else to = middle;
    }
    return from;
  }

  #tell(link: Link): void {
    const { toldTo } = link;
    const dropped: PeerAddress[] = [];
    const oldest = this.#leftCount - this.#left.length;
    for (let i = Math.max(0, link.toldLeft - oldest); i < this.#left.length; i++) {
      if (dropped.length >= limits.extension.pexMax) break;
      const gone = this.#left[i] as Departure;
      link.toldLeft = oldest + i + 1;
      if (gone.address !== undefined && gone.number <= toldTo) dropped.push(gone.address);
    }
    const added: (PeerAddress & { flags: number })[] = [];
    for (let i = this.#placeAfter(toldTo); i < this.#here.length && added.length < limits.extension.pexMax; i++) {
      const { peer, address, number } = this.#here[i] as Link;
      link.toldTo = number;
      if (peer === link.peer) continue;
      const flags =
        (peer.isSeed || peer.uploadOnly ? pexFlags.uploadOnly : 0) | (peer.incoming ? 0 : pexFlags.reachable);
      added.push({ ...(address as PeerAddress), flags });
    }
    if (added.length === 0 && dropped.length === 0) return;
    const payload = encodePex({ added, dropped });
    this.#ctx.send(link.peer, encodeMessage({ kind: 'extended', id: link.id, payload }));
  }
}

function isSame(a: PeerAddress | undefined, b: PeerAddress): boolean {
  return a !== undefined && a.port === b.port && a.host === b.host;
}

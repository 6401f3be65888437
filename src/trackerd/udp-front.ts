import { BtError, type Millis, type PeerAddress, parseIp } from '../base/index.ts';
import { openUdp, type UdpSocket } from '../node/index.ts';
import { AnnounceCall, type ConnectionIds, ScrapeCall, type TrackerLogic } from '../tracker/index.ts';
import {
  compactPeerBytes,
  decodeUdpAnnounceRequest,
  decodeUdpScrapeRequest,
  encodeUdpAnnounceResponse,
  encodeUdpConnectResponse,
  encodeUdpErrorResponse,
  encodeUdpScrapeResponse,
  readUdpRequestHeader,
  udpAction,
} from '../wire/index.ts';
import type { FrontLimits } from './limits.ts';
import type { UdpCounts } from './stats.ts';

export interface UdpFrontOptions {
  readonly logic: TrackerLogic;
  readonly ids: ConnectionIds;
  readonly counts: UdpCounts;
  readonly limits: FrontLimits;
  readonly now: () => Millis;
  /** A bug of ours or of a hook. */
  readonly onBug: (error: unknown) => void;
}

/**
 * The UDP side of a tracker: one datagram in, at most one out.
 *
 * Who has not shown a connection id of ours may be anybody's address: nobody gets more bytes from us than were sent in its name, and
 * what is no request at all gets silence.
 */
export class UdpFront {
  readonly #o: UdpFrontOptions;
  readonly #announceCall = new AnnounceCall();
  readonly #scrapeCall = new ScrapeCall();
  readonly #peers: Uint8Array;
  #socket: UdpSocket | undefined;

  constructor(options: UdpFrontOptions) {
    this.#o = options;
    this.#peers = new Uint8Array(options.limits.udpAnswerBytesMax);
  }

  /** @throws BtError `net/port-in-use`, `net/listen` */
  async listen(at: PeerAddress): Promise<PeerAddress> {
    this.#socket = await openUdp({
      ...at,
      receiveBufferBytes: this.#o.limits.udpReceiveBufferBytes,
      handlers: { onDatagram: (bytes, from) => this.#onDatagram(bytes, from) },
    });
    return this.#socket.local;
  }

  async close(): Promise<void> {
    await this.#socket?.close();
  }

  #onDatagram(bytes: Uint8Array, from: PeerAddress): void {
    const answer = this.answer(this.#o.now(), bytes, parseIp(from.host) as Uint8Array);
    if (answer !== undefined) this.#socket?.send(answer, from);
  }

  /** @param source 4 or 16 bytes. @returns undefined where silence is due */
  answer(now: Millis, bytes: Uint8Array, source: Uint8Array): Uint8Array | undefined {
    const { counts, ids } = this.#o;
    const header = readUdpRequestHeader(bytes);
    if (header === undefined || header.action > udpAction.scrape) {
      counts.malformed++;
      return undefined;
    }
    const { transactionId } = header;
    if (header.action === udpAction.connect) {
      counts.connects++;
      return encodeUdpConnectResponse({ transactionId, connectionId: ids.issue(now, source) });
    }
    const verdict = ids.verify(now, source, bytes.subarray(0, 8));
    if (verdict !== 'ok') {
      if (verdict === 'expired') counts.expiredIds++;
      else counts.forgedIds++;
      // Clients that keep an id too long learn at once that they must connect again, instead of waiting for a time-out.
      return encodeUdpErrorResponse({
        transactionId,
        reason: 'connection id is not valid, connect again',
        bytesMax: bytes.length,
      });
    }
    try {
      return header.action === udpAction.announce
        ? this.#announce(now, bytes, source)
        : this.#scrape(now, bytes, source);
    } catch (error) {
      if (!BtError.is(error)) this.#o.onBug(error);
      return this.#refuse(transactionId, BtError.is(error) ? error.message : 'the tracker has failed');
    }
  }

  #announce(now: Millis, bytes: Uint8Array, source: Uint8Array): Uint8Array {
    const { transactionId, request, urlData } = decodeUdpAnnounceRequest(bytes);
    const family = source.length === 4 ? 4 : 6;
    const call = this.#announceCall;
    call.ask(request, {
      via: 'udp',
      source,
      families: family,
      peersMax: Math.floor((this.#o.limits.udpAnswerBytesMax - 20) / compactPeerBytes[family]),
      out: this.#peers,
      ...(urlData === undefined ? {} : { target: urlData }),
    });
    const refusal = this.#o.logic.announce(now, call);
    if (refusal !== undefined) return this.#refuse(transactionId, refusal.reason);
    this.#o.counts.announces++;
    const { intervalSec, complete, incomplete, peers4, peers6 } = call;
    return encodeUdpAnnounceResponse({
      transactionId,
      intervalSec,
      complete,
      incomplete,
      peers: family === 4 ? peers4 : peers6,
    });
  }

  #scrape(now: Millis, bytes: Uint8Array, source: Uint8Array): Uint8Array {
    const { transactionId, infoHashes } = decodeUdpScrapeRequest(bytes);
    const call = this.#scrapeCall;
    call.ask(infoHashes, { via: 'udp', source });
    const refusal = this.#o.logic.scrape(now, call);
    if (refusal !== undefined) return this.#refuse(transactionId, refusal.reason);
    this.#o.counts.scrapes++;
    return encodeUdpScrapeResponse({
      transactionId,
      rows: Array.from({ length: call.count }, (_, i) => call.rowAt(i)),
    });
  }

  #refuse(transactionId: number, reason: string): Uint8Array {
    this.#o.counts.refused++;
    return encodeUdpErrorResponse({ transactionId, reason, bytesMax: this.#o.limits.udpAnswerBytesMax });
  }
}

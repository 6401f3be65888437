// Hot path: tracker-udp
import { encodeUtf8, type Millis } from '../../base/index.ts';
import {
  type AddressLimits,
  AnnounceCall,
  type ConnectionIds,
  type CounterRow,
  counter,
  type Offenders,
  placeOfRefusal,
  refusalReason,
  ScrapeCall,
  type TrackerLogic,
} from '../../tracker/index.ts';
import {
  compactPeerBytes,
  decodeUdpUrlData,
  isUdpConnect,
  readUdpAction,
  readUdpAnnounce,
  type TrackerRefusal,
  trackerWireLimits,
  udpAction,
  udpAnnounceAt,
  udpBytes,
  writeUdpAnnounceCounts,
  writeUdpErrorText,
  writeUdpHead,
  writeUdpScrapeRows,
} from '../../wire/index.ts';

export interface UdpAnswererOptions {
  /** Where requests lie. */
  readonly input: Uint8Array;
  /** Where answers are written: `answerBytesMax` bytes must be there behind every place given. */
  readonly output: Uint8Array;
  /** Where the addresses of senders lie. */
  readonly sources: Uint8Array;
  readonly logic: TrackerLogic;
  readonly ids: ConnectionIds;
  readonly counts: CounterRow;
  readonly limits?: AddressLimits | undefined;
  readonly offenders?: Offenders | undefined;
  /** Bytes of an answer, at most 65,507. */
  readonly answerBytesMax: number;
  /** A bug of ours or of a hook. */
  readonly onBug: (error: unknown) => void;
}

/** Options of BEP 41 up to this length are remembered: nearly all clients of a tracker send the same few bytes. */
const OPTIONS_KEPT_BYTES = 64;

/** Announces of one batch that are looked up together. */
const AHEAD_MAX = 64;

/**
 * The UDP side of a tracker without its sockets: one datagram in, at most one out, in place and without allocating.
 *
 * Who has not shown a connection id of ours may be anybody's address: nobody gets more bytes from us than were sent in its name, and
 * what is no request at all gets silence.
 */
export class UdpAnswerer {
  readonly #o: UdpAnswererOptions;
  readonly #input: Uint8Array;
  readonly #inputView: DataView;
  readonly #output: Uint8Array;
  readonly #outputView: DataView;
  readonly #sources: Uint8Array;
  readonly #logic: TrackerLogic;
  readonly #ids: ConnectionIds;
  readonly #counts: CounterRow;
  readonly #limits: AddressLimits | undefined;
  readonly #announceCall = new AnnounceCall();
  readonly #scrapeCall = new ScrapeCall();
  readonly #peersMax4: number;
  readonly #peersMax6: number;
  readonly #scrapeMax: number;
  readonly #keptOptions = new Uint8Array(OPTIONS_KEPT_BYTES);
  /** Where the info-hashes of announces that come next are. */
  readonly #aheadAt = new Int32Array(AHEAD_MAX);
  #aheadCount = 0;
  #keptLength = 0;
  #keptTarget = '';
  #keptReason = '';
  #keptRetryInSec: number | undefined;
  #keptText = new Uint8Array(0);

  constructor(options: UdpAnswererOptions) {
    this.#o = options;
    this.#input = options.input;
    this.#inputView = viewOf(options.input);
    this.#output = options.output;
    this.#outputView = viewOf(options.output);
    this.#sources = options.sources;
    this.#logic = options.logic;
    this.#ids = options.ids;
    this.#counts = options.counts;
    this.#limits = options.limits;
    const forPeers = options.answerBytesMax - udpBytes.announceResponse;
    this.#peersMax4 = Math.floor(forPeers / compactPeerBytes[4]);
    this.#peersMax6 = Math.floor(forPeers / compactPeerBytes[6]);
    const forRows = options.answerBytesMax - udpBytes.scrapeResponse;
    this.#scrapeMax = Math.min(trackerWireLimits.udpScrapeHashesMax, Math.floor(forRows / udpBytes.scrapeRow));
    const announce = this.#announceCall;
    announce.via = 'udp';
    announce.hashBytes = options.input;
    announce.peerIdBytes = options.input;
    announce.sourceBytes = options.sources;
    announce.out = options.output;
    const scrape = this.#scrapeCall;
    scrape.via = 'udp';
    scrape.hashBytes = options.input;
    scrape.sourceBytes = options.sources;
    scrape.rows = new Uint32Array(this.#scrapeMax * 3);
  }

  /** A hint: the datagram at `at` of the input will be answered with others, after `lookAhead`. */
  expect(at: number, length: number): void {
    if (length < udpBytes.announce || this.#aheadCount === AHEAD_MAX) return;
    if (readUdpAction(this.#inputView, at) !== udpAction.announce) return;
    this.#aheadAt[this.#aheadCount++] = at + udpAnnounceAt.infoHash;
  }

  /** Has what those that were expected need fetched from memory together. */
  lookAhead(): void {
    if (this.#aheadCount > 1) this.#logic.lookAhead(this.#input, this.#aheadAt, this.#aheadCount);
    this.#aheadCount = 0;
  }

  /**
   * Answers the datagram at `at` of the input.
   *
   * @param sourceAt where in the sources the 4 or 16 bytes (`sourceLength`) of the sender's address are
   * @param outAt where in the output the answer goes
   * @returns bytes of the answer; 0 where silence is due
   */
  answer(now: Millis, at: number, length: number, sourceAt: number, sourceLength: 4 | 16, outAt: number): number {
    const counts = this.#counts;
    counts[counter.udpBytesIn]! += length;
    const sent = this.#answer(now, at, length, sourceAt, sourceLength, outAt);
    counts[counter.udpBytesOut]! += sent;
    return sent;
  }

  #answer(now: Millis, at: number, length: number, sourceAt: number, sourceLength: 4 | 16, outAt: number): number {
    const counts = this.#counts;
    const action = length < udpBytes.request ? udpAction.error : readUdpAction(this.#inputView, at);
    if (action > udpAction.scrape || (action === udpAction.connect && !isUdpConnect(this.#inputView, at))) {
      counts[counter.udpMalformed]!++;
      return 0;
    }
    const limits = this.#limits;
    if (action === udpAction.connect) {
      if (limits !== undefined && !limits.takeUnproven(now, this.#sources, sourceAt, sourceLength)) {
        return this.#silence(sourceAt, sourceLength);
      }
      counts[counter.udpConnects]!++;
      writeUdpHead(this.#outputView, outAt, udpAction.connect, this.#inputView, at);
      this.#ids.issue(now, this.#sources, sourceAt, sourceLength, this.#output, outAt + 8);
      return udpBytes.connectResponse;
    }
    const verdict = this.#ids.verify(now, this.#sources, sourceAt, sourceLength, this.#input, at);
    if (verdict !== 'ok') return this.#onBadId(now, verdict, at, length, sourceAt, sourceLength, outAt);
    if (limits !== undefined && !limits.takeRequest(now, this.#sources, sourceAt, sourceLength)) {
      counts[counter.udpRefusedLimited]!++;
      this.#o.offenders?.note(this.#sources, sourceAt, sourceLength, 'limited');
      return this.#error(at, outAt, refusalReason.limited, limits.retryInSec(now), length);
    }
    try {
      return action === udpAction.announce
        ? this.#announce(now, at, length, sourceAt, sourceLength, outAt)
        : this.#scrape(now, at, length, sourceAt, sourceLength, outAt);
    } catch (error) {
      counts[counter.udpRefusedFailed]!++;
      this.#o.onBug(error);
      return this.#error(at, outAt, refusalReason.failed, undefined, this.#o.answerBytesMax);
    }
  }

  #announce(now: Millis, at: number, length: number, sourceAt: number, sourceLength: 4 | 16, outAt: number): number {
    const counts = this.#counts;
    if (length < udpBytes.announce) return this.#invalid(at, outAt, 'an announce has 98 bytes at least');
    const call = this.#announceCall;
    readUdpAnnounce(this.#inputView, at, call);
    call.hashAt = at + udpAnnounceAt.infoHash;
    call.peerIdAt = at + udpAnnounceAt.peerId;
    call.sourceAt = sourceAt;
    call.sourceLength = sourceLength;
    call.target = length === udpBytes.announce ? '' : this.#target(at + udpAnnounceAt.options, at + length);
    call.families = sourceLength === 4 ? 4 : 6;
    call.peersMax = sourceLength === 4 ? this.#peersMax4 : this.#peersMax6;
    call.outAt = outAt + udpBytes.announceResponse;
    call.isStored = true;
    const refusal = this.#logic.announce(now, call);
    if (refusal !== undefined) return this.#refuse(at, outAt, refusal, call.isStored);
    counts[sourceLength === 4 ? counter.udpAnnounces4 : counter.udpAnnounces6]!++;
    writeUdpHead(this.#outputView, outAt, udpAction.announce, this.#inputView, at);
    writeUdpAnnounceCounts(this.#outputView, outAt, call);
    const peerBytes =
      sourceLength === 4 ? call.peerCount4 * compactPeerBytes[4] : call.peerCount6 * compactPeerBytes[6];
    return udpBytes.announceResponse + peerBytes;
  }

  #scrape(now: Millis, at: number, length: number, sourceAt: number, sourceLength: 4 | 16, outAt: number): number {
    if (length < udpBytes.scrape) return this.#invalid(at, outAt, 'a scrape names one info-hash at least');
    const call = this.#scrapeCall;
    call.hashAt = at + udpBytes.request;
    call.count = Math.min(Math.floor((length - udpBytes.request) / udpBytes.hash), this.#scrapeMax);
    call.sourceAt = sourceAt;
    call.sourceLength = sourceLength;
    const refusal = this.#logic.scrape(now, call);
    if (refusal !== undefined) return this.#refuse(at, outAt, refusal, true);
    this.#counts[counter.udpScrapes]!++;
    writeUdpHead(this.#outputView, outAt, udpAction.scrape, this.#inputView, at);
    return writeUdpScrapeRows(this.#outputView, outAt, call.rows, call.count);
  }

  /** Path and query out of the options of BEP 41 between two places of the input. */
  #target(from: number, to: number): string {
    const length = to - from;
    if (length === this.#keptLength && this.#isKept(from, length)) return this.#keptTarget;
    const target = decodeUdpUrlData(this.#input.subarray(from, to)) ?? '';
    if (length <= OPTIONS_KEPT_BYTES) {
      for (let i = 0; i < length; i++) this.#keptOptions[i] = this.#input[from + i] as number;
      this.#keptLength = length;
      this.#keptTarget = target;
    }
    return target;
  }

  #isKept(from: number, length: number): boolean {
    const kept = this.#keptOptions;
    const input = this.#input;
    for (let i = 0; i < length; i++) if (kept[i] !== input[from + i]) return false;
    return true;
  }

  #onBadId(
    now: Millis,
    verdict: 'expired' | 'forged',
    at: number,
    length: number,
    sourceAt: number,
    sourceLength: 4 | 16,
    outAt: number,
  ): number {
    this.#counts[verdict === 'expired' ? counter.udpExpiredIds : counter.udpForgedIds]!++;
    this.#o.offenders?.note(this.#sources, sourceAt, sourceLength, verdict);
    const limits = this.#limits;
    if (limits !== undefined && !limits.takeUnproven(now, this.#sources, sourceAt, sourceLength)) {
      return this.#silence(sourceAt, sourceLength);
    }
    // Clients that keep an id too long learn at once that they must connect again, instead of waiting for a time-out.
    return this.#error(at, outAt, 'connection id is not valid, connect again', undefined, length);
  }

  #silence(sourceAt: number, sourceLength: 4 | 16): number {
    this.#counts[counter.udpSilenced]!++;
    this.#o.offenders?.note(this.#sources, sourceAt, sourceLength, 'limited');
    return 0;
  }

  #invalid(at: number, outAt: number, reason: string): number {
    this.#counts[counter.udpRefusedInvalid]!++;
    return this.#error(at, outAt, reason, undefined, this.#o.answerBytesMax);
  }

  #refuse(at: number, outAt: number, refusal: TrackerRefusal, isStored: boolean): number {
    this.#counts[placeOfRefusal('udp', refusal, isStored)]!++;
    return this.#error(at, outAt, refusal.reason, refusal.retryInSec, this.#o.answerBytesMax);
  }

  #error(at: number, outAt: number, reason: string, retryInSec: number | undefined, bytesMax: number): number {
    // Refusals come in floods of the same words.
    if (reason !== this.#keptReason || retryInSec !== this.#keptRetryInSec) {
      this.#keptText = new Uint8Array(encodeUtf8(reason + formatRetry(retryInSec)));
      this.#keptReason = reason;
      this.#keptRetryInSec = retryInSec;
    }
    writeUdpHead(this.#outputView, outAt, udpAction.error, this.#inputView, at);
    return writeUdpErrorText(this.#output, outAt, this.#keptText, bytesMax);
  }
}

/** What BEP 31 gives HTTP clients as a number; by UDP there is only the text. */
function formatRetry(retryInSec: number | undefined): string {
  if (retryInSec === undefined) return '';
  if (!Number.isFinite(retryInSec)) return ' (do not retry)';
  const minutes = Math.ceil(retryInSec / 60);
  return ` (retry in ${minutes} ${minutes === 1 ? 'minute' : 'minutes'})`;
}

function viewOf(bytes: Uint8Array): DataView {
  return new DataView(bytes.buffer, bytes.byteOffset, bytes.byteLength);
}

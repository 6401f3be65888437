// Hot path: tracker-http
import { toBinaryString } from '../../base/index.ts';
import { trackerWireLimits } from './limits.ts';
import type { AnnounceEvent } from './types.ts';

/**
 * Query strings of the HTTP tracker protocol as a tracker reads them (BEP 3, 7, 23, 48): straight from the bytes of the request line,
 * without a string or an object a parameter. An info-hash is 20 raw bytes, percent-encoded; they are no UTF-8, so no ordinary URL
 * parser can read them. `+` is a blank: encoders of HTML forms write it so and escape a real plus, and no client is known that leaves a
 * plus bare.
 */

const AMPERSAND = 0x26;
const EQUALS = 0x3d;
const PERCENT = 0x25;
const PLUS = 0x2b;
const BLANK = 0x20;
const DELETE = 0x7f;
const ZERO = 0x30;
const NINE = 0x39;

/** Value of a hex digit by its byte; 255 = none. */
const HEX_VALUES = new Uint8Array(256).fill(255);
for (let i = 0; i < 16; i++) {
  HEX_VALUES[i.toString(16).charCodeAt(0)] = i;
  HEX_VALUES[i.toString(16).toUpperCase().charCodeAt(0)] = i;
}

const BROKEN_ESCAPE = 'broken percent-encoding';
const TOO_MANY = 'too many parameters';

/** Walks over the parameters of a query; one object serves all queries. */
class QueryWalk {
  nameFrom = 0;
  nameTo = 0;
  valueFrom = 0;
  valueTo = 0;
  /** The name has escapes. */
  isNameEscaped = false;
  /** What is wrong with the query, once `next` has returned false. */
  fault: string | undefined;
  #bytes: Uint8Array = new Uint8Array(0);
  #at = 0;
  #to = 0;
  #left = 0;

  start(bytes: Uint8Array, from: number, to: number): void {
    this.#bytes = bytes;
    this.#at = from;
    this.#to = to;
    this.#left = trackerWireLimits.queryParametersMax;
    this.fault = undefined;
  }

  /** @returns false at the end and where the query is broken; a parameter without `=` has an empty value */
  next(): boolean {
    const bytes = this.#bytes;
    const to = this.#to;
    let at = this.#at;
    if (at > to) return false;
    if (this.#left-- === 0) return this.#fail(TOO_MANY);
    let nameTo = -1;
    this.nameFrom = at;
    this.isNameEscaped = false;
    for (; at < to; at++) {
      const byte = bytes[at] as number;
      if (byte === AMPERSAND) break;
      if (byte === EQUALS) {
        if (nameTo < 0) nameTo = at;
      } else if (byte === PERCENT) {
        if (at + 2 >= to || HEX_VALUES[bytes[at + 1] as number] === 255 || HEX_VALUES[bytes[at + 2] as number] === 255)
          return this.#fail(BROKEN_ESCAPE);
        at += 2;
        if (nameTo < 0) this.isNameEscaped = true;
      } else if (byte === PLUS && nameTo < 0) this.isNameEscaped = true;
    }
    this.nameTo = nameTo < 0 ? at : nameTo;
    this.valueFrom = nameTo < 0 ? at : nameTo + 1;
    this.valueTo = at;
    this.#at = at + 1;
    return true;
  }

  #fail(fault: string): boolean {
    this.fault = fault;
    this.#at = this.#to + 1;
    return false;
  }
}

/** Parameters of an announce: numbers are places in the tables of `AnnounceQueryReader`. */
const parameters = [
  'info_hash',
  'peer_id',
  'port',
  'uploaded',
  'downloaded',
  'left',
  'event',
  'numwant',
  'key',
  'compact',
  'no_peer_id',
  'ip',
  'ipv4',
  'ipv6',
  'trackerid',
] as const;
const NAMES: readonly Uint8Array[] = parameters.map(toAscii);
/** Numbers of the parameters whose names have this many characters. */
const BY_LENGTH: readonly (readonly number[])[] = Array.from({ length: 11 }, (_, length) =>
  NAMES.flatMap((name, i) => (name.length === length ? [i] : [])),
);
const [INFO_HASH, PEER_ID, PORT, UPLOADED, DOWNLOADED, LEFT, EVENT, NUM_WANT] = [0, 1, 2, 3, 4, 5, 6, 7] as const;
const [KEY, COMPACT, NO_PEER_ID, IP, IPV4, IPV6, TRACKER_ID] = [8, 9, 10, 11, 12, 13, 14] as const;
const STARTED = toAscii('started');
const COMPLETED = toAscii('completed');
const STOPPED = toAscii('stopped');

/**
 * Reads announce queries; one object serves all requests of a front end, so a request allocates nothing. Unknown parameters are passed
 * over, the first of repeated ones counts, an unknown event counts as none. Byte counts may be missing (then 0, and `left` unknown,
 * which is not 0: only who says so is a seed).
 */
export class AnnounceQueryReader {
  /** Always the same 20 bytes of memory, as `peerId`. */
  readonly infoHash: Uint8Array = new Uint8Array(20);
  readonly peerId: Uint8Array = new Uint8Array(20);
  /** 0 only from who leaves. */
  port = 0;
  uploaded = 0;
  downloaded = 0;
  /** `Number.MAX_SAFE_INTEGER` where the client does not say. */
  left = 0;
  event: AnnounceEvent = 'none';
  /** -1 = the tracker decides. */
  numWant = -1;
  key = 0;
  /** False: the client wants the dictionary form of peers (BEP 23). The compact form is the default, as BEP 23 suggests. */
  compact = true;
  /** True: the client wants no peer ids in a dictionary answer. */
  noPeerId = false;
  readonly #walk = new QueryWalk();
  readonly #from = new Int32Array(parameters.length);
  readonly #to = new Int32Array(parameters.length);
  /** A decoded value; no value of ours that is longer can be good. */
  readonly #scratch = new Uint8Array(64);
  #bytes: Uint8Array = new Uint8Array(0);

  /**
   * Reads the query in `bytes` from `from` to before `to`; the bytes are borrowed until the next call.
   *
   * @returns what is wrong, as a sentence that may be given back to the client; undefined where the fields are good
   */
  read(bytes: Uint8Array, from: number, to: number): string | undefined {
    this.#bytes = bytes;
    const fault = this.#find(from, to);
    if (fault !== undefined) return fault;
    if (!this.#has(INFO_HASH)) return 'info_hash is missing';
    if (this.#decode(INFO_HASH, this.infoHash) !== 20) return 'info_hash is not 20 bytes';
    if (!this.#has(PEER_ID)) return 'peer_id is missing';
    if (this.#decode(PEER_ID, this.peerId) !== 20) return 'peer_id is not 20 bytes';
    this.#readRest();
    return this.#readPort() ?? this.#readCounts();
  }

  /**
   * The address the client asks to be known by, as it wrote it; empty where it names none, or what no address can be: more than 64
   * bytes, or bytes other than visible ASCII.
   */
  get ip(): string {
    return this.#address(IP);
  }
  /** As `ip`: addresses of either family that BEP 7 lets a client add. */
  get ipv4(): string {
    return this.#address(IPV4);
  }
  get ipv6(): string {
    return this.#address(IPV6);
  }
  get namesAddress(): boolean {
    return this.#has(IP) || this.#has(IPV4) || this.#has(IPV6);
  }
  /** What an answer of ours gave as tracker id, one character a byte; undefined where the client sends none. */
  get trackerId(): string | undefined {
    if (!this.#has(TRACKER_ID)) return undefined;
    const decoded = new Uint8Array(this.#valueLength(TRACKER_ID));
    return toBinaryString(decoded.subarray(0, this.#decode(TRACKER_ID, decoded)));
  }

  /** Notes where the values stand. */
  #find(from: number, to: number): string | undefined {
    const walk = this.#walk;
    const starts = this.#from.fill(-1);
    walk.start(this.#bytes, from, to);
    while (walk.next()) {
      const parameter = this.#parameterAt(walk);
      if (parameter < 0 || (starts[parameter] as number) >= 0) continue;
      starts[parameter] = walk.valueFrom;
      this.#to[parameter] = walk.valueTo;
    }
    return walk.fault;
  }

  #parameterAt(walk: QueryWalk): number {
    let bytes = this.#bytes;
    let at = walk.nameFrom;
    let length = walk.nameTo - at;
    if (walk.isNameEscaped) {
      length = decodeEscaped(bytes, at, walk.nameTo, this.#scratch);
      bytes = this.#scratch;
      at = 0;
    }
    if (length >= BY_LENGTH.length) return -1;
    const candidates = BY_LENGTH[length] as readonly number[];
    for (let i = 0; i < candidates.length; i++) {
      const parameter = candidates[i] as number;
      if (isAt(bytes, at, NAMES[parameter] as Uint8Array)) return parameter;
    }
    return -1;
  }

  #readPort(): string | undefined {
    if (!this.#has(PORT)) return 'port is missing';
    this.port = this.#number(PORT, 5);
    // Who leaves may have no port any more.
    const least = this.event === 'stopped' ? 0 : 1;
    return this.port >= least && this.port <= 65_535 ? undefined : 'port is not 1 to 65535';
  }

  #readCounts(): string | undefined {
    this.uploaded = this.#count(UPLOADED, 0);
    if (this.uploaded < 0) return 'uploaded is not a number of bytes';
    this.downloaded = this.#count(DOWNLOADED, 0);
    if (this.downloaded < 0) return 'downloaded is not a number of bytes';
    this.left = this.#count(LEFT, Number.MAX_SAFE_INTEGER);
    return this.left < 0 ? 'left is not a number of bytes' : undefined;
  }

  /** What has a default whatever it says. */
  #readRest(): void {
    this.event = this.#has(EVENT) ? this.#readEvent() : 'none';
    this.numWant = this.#has(NUM_WANT) ? this.#number(NUM_WANT, 9) : -1;
    this.key = this.#has(KEY) ? this.#readKey() : 0;
    this.compact = !this.#isOneByte(COMPACT, ZERO);
    this.noPeerId = this.#isOneByte(NO_PEER_ID, ZERO + 1);
  }

  #readEvent(): AnnounceEvent {
    const length = this.#decode(EVENT, this.#scratch);
    if (length === 7 && isAt(this.#scratch, 0, STARTED)) return 'started';
    if (length === 7 && isAt(this.#scratch, 0, STOPPED)) return 'stopped';
    return length === 9 && isAt(this.#scratch, 0, COMPLETED) ? 'completed' : 'none';
  }

  /** Clients send any text; the usual one is up to eight hex digits. */
  #readKey(): number {
    const length = this.#decode(KEY, this.#scratch);
    if (length > 8) return 0;
    let key = 0;
    for (let i = 0; i < length; i++) {
      const digit = HEX_VALUES[this.#scratch[i] as number] as number;
      if (digit === 255) return 0;
      key = key * 16 + digit;
    }
    return key;
  }

  /** @returns -1 where it is no number; a missing or empty one is `missing` */
  #count(parameter: number, missing: number): number {
    if (!this.#has(parameter) || this.#valueLength(parameter) === 0) return missing;
    return Math.min(this.#number(parameter, 20), Number.MAX_SAFE_INTEGER);
  }

  /** @returns -1 where it is no number of 1 to `digitsMax` decimal digits */
  #number(parameter: number, digitsMax: number): number {
    const length = this.#decode(parameter, this.#scratch);
    if (length < 1 || length > digitsMax) return -1;
    let value = 0;
    for (let i = 0; i < length; i++) {
      const byte = this.#scratch[i] as number;
      if (byte < ZERO || byte > NINE) return -1;
      value = value * 10 + (byte - ZERO);
    }
    return value;
  }

  #isOneByte(parameter: number, byte: number): boolean {
    return this.#has(parameter) && this.#decode(parameter, this.#scratch) === 1 && this.#scratch[0] === byte;
  }

  #address(parameter: number): string {
    if (!this.#has(parameter)) return '';
    const length = this.#decode(parameter, this.#scratch);
    if (length > this.#scratch.length) return '';
    const value = this.#scratch.subarray(0, length);
    return value.every((byte) => byte > BLANK && byte < DELETE) ? toBinaryString(value) : '';
  }

  #has(parameter: number): boolean {
    return (this.#from[parameter] as number) >= 0;
  }

  /** Bytes of the value as it is written. */
  #valueLength(parameter: number): number {
    return (this.#to[parameter] as number) - (this.#from[parameter] as number);
  }

  #decode(parameter: number, into: Uint8Array): number {
    return decodeEscaped(this.#bytes, this.#from[parameter] as number, this.#to[parameter] as number, into);
  }
}

const HASH_NAME = NAMES[INFO_HASH] as Uint8Array;

/** Reads scrape queries (BEP 48); one object serves all requests of a front end. */
export class ScrapeQueryReader {
  /** `count` info-hashes of 20 bytes, one after the other. */
  readonly hashes: Uint8Array = new Uint8Array(trackerWireLimits.queryParametersMax * 20);
  /** 0 = a full scrape is asked for. */
  count = 0;
  readonly #walk = new QueryWalk();
  readonly #hash = new Uint8Array(20);
  readonly #name = new Uint8Array(HASH_NAME.length);

  /** @returns what is wrong, as a sentence that may be given back to the client; undefined where the fields are good */
  read(bytes: Uint8Array, from: number, to: number): string | undefined {
    const walk = this.#walk;
    this.count = 0;
    walk.start(bytes, from, to);
    while (walk.next()) {
      if (!this.#isHash(bytes, walk)) continue;
      if (decodeEscaped(bytes, walk.valueFrom, walk.valueTo, this.#hash) !== 20) return 'info_hash is not 20 bytes';
      this.hashes.set(this.#hash, this.count++ * 20);
    }
    return walk.fault;
  }

  #isHash(bytes: Uint8Array, walk: QueryWalk): boolean {
    if (!walk.isNameEscaped)
      return walk.nameTo - walk.nameFrom === HASH_NAME.length && isAt(bytes, walk.nameFrom, HASH_NAME);
    const length = decodeEscaped(bytes, walk.nameFrom, walk.nameTo, this.#name);
    return length === HASH_NAME.length && isAt(this.#name, 0, HASH_NAME);
  }
}

/**
 * Decodes what `QueryWalk` has found to be good escapes.
 *
 * @returns bytes written; one more than `into` has room for where there are more
 */
function decodeEscaped(bytes: Uint8Array, from: number, to: number, into: Uint8Array): number {
  let length = 0;
  for (let at = from; at < to; at++) {
    let byte = bytes[at] as number;
    if (byte === PERCENT) {
      byte = ((HEX_VALUES[bytes[at + 1] as number] as number) << 4) | (HEX_VALUES[bytes[at + 2] as number] as number);
      at += 2;
    } else if (byte === PLUS) byte = BLANK;
    if (length === into.length) return length + 1;
    into[length++] = byte;
  }
  return length;
}

function isAt(bytes: Uint8Array, at: number, name: Uint8Array): boolean {
  for (let i = 0; i < name.length; i++) if (bytes[at + i] !== name[i]) return false;
  return true;
}

function toAscii(text: string): Uint8Array {
  return Uint8Array.from(text, (char) => char.charCodeAt(0));
}

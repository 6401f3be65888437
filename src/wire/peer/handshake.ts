import { BtError } from '../../base/index.ts';

/** What a peer says it can do, in the eight reserved bytes. */
export interface HandshakeFlags {
  /** Extension protocol, BEP 10. */
  readonly extensions: boolean;
  /** Fast extension, BEP 6. */
  readonly fast: boolean;
  /** Has a DHT node, BEP 5. */
  readonly dht: boolean;
  /** Understands v2 info-hashes, BEP 52. */
  readonly v2: boolean;
}

export interface Handshake {
  /** 20 bytes; a v2 info-hash is cut to this length. */
  readonly infoHash: Uint8Array;
  /** 20 bytes. */
  readonly peerId: Uint8Array;
  readonly flags: HandshakeFlags;
  /** The eight bytes as they came, for statistics about bits that we do not know. */
  readonly reserved: Uint8Array;
}

/** What a handshake says before the peer id. */
export type HandshakeStart = Pick<Handshake, 'infoHash' | 'flags'>;

export const handshakeBytes = 68;

const PROTOCOL = 'BitTorrent protocol';
const RESERVED_AT = 20;
const INFO_HASH_AT = 28;
const PEER_ID_AT = 48;

/**
 * Encodes the handshake, the first thing either side sends.
 *
 * Layout (BEP 3, 68 bytes; reserved bits of BEP 10, 6, 5 and 52):
 *
 *      0  u8 19                       reserved[5] & 0x10  extensions
 *      1  "BitTorrent protocol"       reserved[7] & 0x04  fast
 *     20  reserved[8]                 reserved[7] & 0x01  dht
 *     28  infoHash[20]                reserved[7] & 0x10  v2
 *     48  peerId[20]
 *
 * @throws BtError `wire/invalid` where an id is not 20 bytes long
 */
export function encodeHandshake(handshake: Pick<Handshake, 'infoHash' | 'peerId' | 'flags'>): Uint8Array {
  const { infoHash, peerId, flags } = handshake;
  if (infoHash.length !== 20) throw invalid(`info-hash of ${infoHash.length} bytes`);
  if (peerId.length !== 20) throw invalid(`peer id of ${peerId.length} bytes`);
  const out = new Uint8Array(handshakeBytes);
  out[0] = PROTOCOL.length;
  for (let i = 0; i < PROTOCOL.length; i++) out[i + 1] = PROTOCOL.charCodeAt(i);
  out[RESERVED_AT + 5] = flags.extensions ? 0x10 : 0;
  out[RESERVED_AT + 7] = (flags.fast ? 0x04 : 0) | (flags.dht ? 0x01 : 0) | (flags.v2 ? 0x10 : 0);
  out.set(infoHash, INFO_HASH_AT);
  out.set(peerId, PEER_ID_AT);
  return out;
}

/**
 * @param bytes exactly 68 bytes, layout as in `encodeHandshake`; borrowed, the result has copies
 * @throws BtError `wire/truncated` if shorter, `wire/invalid` if longer or of another protocol
 */
export function decodeHandshake(bytes: Uint8Array): Handshake {
  checkProtocol(bytes, 0, bytes.length);
  if (bytes.length < handshakeBytes) {
    throw new BtError('wire/truncated', {
      message: 'handshake',
      neededBytes: handshakeBytes,
      gotBytes: bytes.length,
    });
  }
  if (bytes.length > handshakeBytes) throw invalid(`${bytes.length} bytes where ${handshakeBytes} were expected`);
  return {
    infoHash: copy(bytes, INFO_HASH_AT, PEER_ID_AT),
    peerId: copy(bytes, PEER_ID_AT, handshakeBytes),
    flags: decodeFlags(bytes),
    reserved: copy(bytes, RESERVED_AT, INFO_HASH_AT),
  };
}

function decodeFlags(bytes: Uint8Array): HandshakeFlags {
  const last = bytes[RESERVED_AT + 7] as number;
  return {
    extensions: ((bytes[RESERVED_AT + 5] as number) & 0x10) !== 0,
    fast: (last & 0x04) !== 0,
    dht: (last & 0x01) !== 0,
    v2: (last & 0x10) !== 0,
  };
}

/**
 * Reads the handshake from chunks of any size. Holds 68 bytes at most.
 * A wrong protocol string shows at its first wrong byte: a listener must not hold a slot open for a web browser's 68th byte.
 */
export class HandshakeDecoder {
  readonly #bytes = new Uint8Array(handshakeBytes);
  #length = 0;

  /**
   * What is before the peer id (copies), as soon as the last byte of the info-hash is here: an accepting side may answer then, and some
   * initiators hold their peer id back until it does.
   */
  get start(): HandshakeStart | undefined {
    if (this.#length < PEER_ID_AT) return undefined;
    return { infoHash: this.#bytes.slice(INFO_HASH_AT, PEER_ID_AT), flags: decodeFlags(this.#bytes) };
  }

  /** Bytes taken so far, 0 to 68. */
  get length(): number {
    return this.#length;
  }

  /**
   * @returns undefined until the handshake is whole; then it and `rest`, a view of the bytes of this chunk that follow it.
   * Must not be called again after that.
   * @throws BtError `wire/invalid` at the first byte that cannot belong to a handshake
   */
  push(bytes: Uint8Array): { readonly handshake: Handshake; readonly rest: Uint8Array } | undefined {
    const from = this.#length;
    const taken = Math.min(bytes.length, handshakeBytes - from);
    for (let i = 0; i < taken; i++) this.#bytes[from + i] = bytes[i] as number;
    this.#length = from + taken;
    checkProtocol(this.#bytes, from, this.#length);
    if (this.#length < handshakeBytes) return undefined;
    return { handshake: decodeHandshake(this.#bytes), rest: bytes.subarray(taken) };
  }
}

/** Checks the bytes from..to-1 as far as they belong to the length byte and the protocol string. */
function checkProtocol(bytes: Uint8Array, from: number, to: number): void {
  for (let i = from; i < to && i <= PROTOCOL.length; i++) {
    const expected = i === 0 ? PROTOCOL.length : PROTOCOL.charCodeAt(i - 1);
    if (bytes[i] !== expected) throw invalid(`not the BitTorrent protocol (byte ${i} is ${bytes[i]})`);
  }
}

/** A plain copy whatever subclass of Uint8Array came in (`slice` would keep it). */
function copy(bytes: Uint8Array, from: number, to: number): Uint8Array {
  return new Uint8Array(bytes.subarray(from, to));
}

function invalid(what: string): BtError<'wire/invalid'> {
  return new BtError('wire/invalid', { message: 'handshake', what });
}

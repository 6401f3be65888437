// Hot path: wire-decoder
import { BtError, readU16, readU32 } from '../../base/index.ts';
import { hashRangeBytes, readHashRange } from './hashes.ts';
import { peerLimits } from './limits.ts';
import { messageIds, type PeerMessage } from './message.ts';

/** Receives what a `PeerDecoder` reads. Any method may stop the decoder; none may push into it. */
export interface PeerMessageSink {
  /** Byte strings inside `message` are borrowed: valid until this returns, to be copied where they are kept. */
  onMessage(message: PeerMessage): void;
  /** A `piece` message begins. Whether anyone asked for this block is the sink's business; `length` may be 0. */
  onBlockStart(piece: number, begin: number, length: number): void;
  /** The next bytes of the block, in order, never empty; borrowed. */
  onBlockBytes(bytes: Uint8Array): void;
  /** All `length` bytes have been handed on. */
  onBlockEnd(): void;
}

export interface PeerDecoderOptions {
  /** Longest bitfield accepted, in bytes. Default: for a torrent whose number of pieces is not known yet. */
  bitfieldBytesMax?: number;
  /** Longest block accepted, in bytes. */
  blockBytesMax?: number;
  /** Longest message of an unknown kind that is skipped, in bytes. */
  messageBytesMax?: number;
}

/** Room for every message of fixed length but the BEP 52 ones: kept once it was needed. */
const SMALL_CARRY_BYTES = 32;
/** Whoever has never split a message needs no carry. */
const noCarry = new Uint8Array(0);
const HASH_RANGE_LENGTH = 1 + hashRangeBytes;

/** Shortest message of each kind, id included; 0 = nobody defined this id. For most kinds it is the only length. */
const lengthMin: Uint8Array = toLengthTable();
const keepAlive: PeerMessage = { kind: 'keep-alive' };
/** Messages without payload, by id: nothing is allocated for them. */
const bare: readonly (PeerMessage | undefined)[] = toBareTable();

/**
 * Cuts the byte stream after the handshake into messages (BEP 3, 5, 6, 10, 52).
 *
 * Payload of `piece` messages is never buffered: its fragments go on as views of the pushed chunk. Other messages are parsed where
 * they lie, or gathered in a carry if they are split over chunks. The carry grows as bytes arrive, never to what a length prefix
 * claims, and its size is bounded by the longest message of the kind in question. Messages of unknown kinds are skipped unread.
 */
export class PeerDecoder {
  readonly #blockBytesMax: number;
  readonly #messageBytesMax: number;
  #bitfieldBytesMax: number;
  #carry = noCarry;
  #carried = 0;
  /** Bytes of the current frame needed before it can be looked at again, length prefix included. */
  #wanted = 4;
  /** Payload of the current `piece` message that is still to come. */
  #blockLeft = 0;
  /** Bytes of an unknown message that are still to be skipped. */
  #skipLeft = 0;
  #stopped = false;

  constructor(options: PeerDecoderOptions = {}) {
    this.#blockBytesMax = options.blockBytesMax ?? peerLimits.blockBytesMax;
    this.#messageBytesMax = options.messageBytesMax ?? peerLimits.messageBytesMax;
    this.#bitfieldBytesMax = options.bitfieldBytesMax ?? peerLimits.bitfieldBytesMax;
  }

  /** To be set once the number of pieces is known. Exact length and spare bits are checked by whoever knows them (Bitfield). */
  set bitfieldBytesMax(bytes: number) {
    this.#bitfieldBytesMax = bytes;
  }

  get isStopped(): boolean {
    return this.#stopped;
  }

  /** Memory held for an unfinished message, in bytes. */
  get carryBytes(): number {
    return this.#carry.length;
  }

  /** Ends a running `push` as soon as the sink returns; later bytes are ignored. */
  stop(): void {
    this.#stopped = true;
    this.#carry = noCarry;
  }

  /**
   * @param bytes the next bytes of the stream, any number of them; borrowed
   * @throws BtError `wire/invalid` on a length that the message's kind does not allow; the decoder has stopped then
   */
  push(bytes: Uint8Array, sink: PeerMessageSink): void {
    let at = 0;
    while (!this.#stopped) {
      if (this.#blockLeft > 0) {
        if (at === bytes.length) return;
        at = this.#passBlock(bytes, at, sink);
      } else if (this.#skipLeft > 0) {
        const skipped = Math.min(this.#skipLeft, bytes.length - at);
        this.#skipLeft -= skipped;
        at += skipped;
        if (this.#skipLeft > 0) return;
      } else if (this.#carried === 0) {
        if (at === bytes.length) return;
        const used = this.#readFrame(bytes, at, bytes.length, sink);
        at = used > 0 ? at + used : this.#gather(bytes, at);
      } else if (this.#carried < this.#wanted) {
        if (at === bytes.length) return;
        at = this.#gather(bytes, at);
      } else if (this.#readFrame(this.#carry, 0, this.#carried, sink) > 0) {
        this.#carried = 0;
        if (this.#carry.length > SMALL_CARRY_BYTES) this.#carry = noCarry;
      }
    }
  }

  #passBlock(bytes: Uint8Array, at: number, sink: PeerMessageSink): number {
    const end = Math.min(at + this.#blockLeft, bytes.length);
    this.#blockLeft -= end - at;
    sink.onBlockBytes(at === 0 && end === bytes.length ? bytes : bytes.subarray(at, end));
    if (this.#blockLeft === 0 && !this.#stopped) sink.onBlockEnd();
    return end;
  }

  /** Moves bytes into the carry, as many as are wanted and here. @returns the place after them */
  #gather(bytes: Uint8Array, at: number): number {
    const end = Math.min(at + this.#wanted - this.#carried, bytes.length);
    const needed = this.#carried + end - at;
    if (needed > this.#carry.length) {
      const isSmall = needed <= SMALL_CARRY_BYTES;
      const grown = new Uint8Array(
        isSmall ? SMALL_CARRY_BYTES : Math.min(this.#wanted, Math.max(needed, this.#carry.length * 2)),
      );
      grown.set(this.#carry.subarray(0, this.#carried));
      this.#carry = grown;
    }
    const carry = this.#carry;
    if (end - at <= SMALL_CARRY_BYTES)
      for (let i = at; i < end; i++) carry[this.#carried + i - at] = bytes[i] as number;
    else carry.set(bytes.subarray(at, end), this.#carried);
    this.#carried = needed;
    return end;
  }

  /**
   * Reads the frame that begins at `at`, as far as that can be done.
   *
   * @returns the bytes used up: a whole message, or the header of a block or of an unknown message. 0 where more bytes are needed;
   * `#wanted` says how many in all.
   */
  #readFrame(b: Uint8Array, at: number, end: number, sink: PeerMessageSink): number {
    const here = end - at;
    if (here < 4) return this.#want(4);
    const length = readU32(b, at);
    if (length === 0) {
      this.#wanted = 4;
      sink.onMessage(keepAlive);
      return 4;
    }
    if (here < 5) return this.#want(5);
    const id = b[at + 4] as number;
    if (id === messageIds.piece) {
      if (length < 9 || length - 9 > this.#blockBytesMax) this.#fail(id, length);
      if (here < 13) return this.#want(13);
      return this.#startBlock(b, at, length - 9, sink);
    }
    const min = lengthMin[id] as number;
    if (min === 0) return this.#skipUnknown(id, length, sink);
    if (length < min || length > this.#lengthMax(id)) this.#fail(id, length);
    if (here < 4 + length) return this.#want(4 + length);
    this.#wanted = 4;
    sink.onMessage(decodeBody(id, b, at + 5, at + 4 + length));
    return 4 + length;
  }

  #want(bytes: number): 0 {
    this.#wanted = bytes;
    return 0;
  }

  #startBlock(b: Uint8Array, at: number, length: number, sink: PeerMessageSink): number {
    this.#wanted = 4;
    this.#blockLeft = length;
    sink.onBlockStart(readU32(b, at + 5), readU32(b, at + 9), length);
    if (length === 0 && !this.#stopped) sink.onBlockEnd();
    return 13;
  }

  #skipUnknown(id: number, length: number, sink: PeerMessageSink): number {
    if (length > this.#messageBytesMax) this.#fail(id, length);
    this.#wanted = 4;
    this.#skipLeft = length - 1;
    sink.onMessage({ kind: 'unknown', id });
    return 5;
  }

  /** Longest message of a known kind, id included. */
  #lengthMax(id: number): number {
    switch (id) {
      case messageIds.bitfield:
        return 1 + this.#bitfieldBytesMax;
      case messageIds.extended:
        return 2 + peerLimits.extendedBytesMax;
      case messageIds.hashes:
        return HASH_RANGE_LENGTH + 32 * peerLimits.hashesCountMax;
      default:
        return lengthMin[id] as number;
    }
  }

  #fail(id: number, length: number): never {
    this.stop();
    throw new BtError('wire/invalid', { message: 'peer message', what: `length ${length} for message id ${id}` });
  }
}

/** @param at first byte after the id, @param end last byte of the message + 1; the length has been checked for this id */
function decodeBody(id: number, b: Uint8Array, at: number, end: number): PeerMessage {
  switch (id) {
    case messageIds.have:
      return { kind: 'have', piece: readU32(b, at) };
    case messageIds.bitfield:
      return { kind: 'bitfield', bits: b.subarray(at, end) };
    case messageIds.request:
      return { kind: 'request', piece: readU32(b, at), begin: readU32(b, at + 4), length: readU32(b, at + 8) };
    case messageIds.cancel:
      return { kind: 'cancel', piece: readU32(b, at), begin: readU32(b, at + 4), length: readU32(b, at + 8) };
    case messageIds.reject:
      return { kind: 'reject', piece: readU32(b, at), begin: readU32(b, at + 4), length: readU32(b, at + 8) };
    case messageIds.port:
      return { kind: 'port', port: readU16(b, at) };
    case messageIds.suggest:
      return { kind: 'suggest', piece: readU32(b, at) };
    case messageIds.allowedFast:
      return { kind: 'allowed-fast', piece: readU32(b, at) };
    case messageIds.extended:
      return { kind: 'extended', id: b[at] as number, payload: b.subarray(at + 1, end) };
    case messageIds.hashRequest:
      return { kind: 'hash-request', ...readHashRange(b, at) };
    case messageIds.hashes:
      return { kind: 'hashes', ...readHashRange(b, at), hashes: b.subarray(at + hashRangeBytes, end) };
    case messageIds.hashReject:
      return { kind: 'hash-reject', ...readHashRange(b, at) };
    default:
      return bare[id] as PeerMessage;
  }
}

function toLengthTable(): Uint8Array {
  const table = new Uint8Array(256);
  const { choke, unchoke, interested, notInterested, haveAll, haveNone } = messageIds;
  for (const id of [choke, unchoke, interested, notInterested, haveAll, haveNone]) table[id] = 1;
  for (const id of [messageIds.have, messageIds.suggest, messageIds.allowedFast]) table[id] = 5;
  for (const id of [messageIds.request, messageIds.cancel, messageIds.reject]) table[id] = 13;
  for (const id of [messageIds.hashRequest, messageIds.hashes, messageIds.hashReject]) table[id] = HASH_RANGE_LENGTH;
  table[messageIds.bitfield] = 1;
  table[messageIds.extended] = 2;
  table[messageIds.port] = 3;
  return table;
}

function toBareTable(): (PeerMessage | undefined)[] {
  const table: (PeerMessage | undefined)[] = [];
  table[messageIds.choke] = { kind: 'choke' };
  table[messageIds.unchoke] = { kind: 'unchoke' };
  table[messageIds.interested] = { kind: 'interested' };
  table[messageIds.notInterested] = { kind: 'not-interested' };
  table[messageIds.haveAll] = { kind: 'have-all' };
  table[messageIds.haveNone] = { kind: 'have-none' };
  return table;
}

// Hot path: tracker-udp
import type { PeerAddress } from '../base/index.ts';
import { linux, loadUdpCalls, type UdpBatchUnavailable, type UdpCalls } from './udp-batch-calls.ts';
import {
  encodeName,
  nameOfSocket,
  openSocket,
  setTimeouts,
  tellsTarget,
  type UdpBatchOptions,
  type UdpBatchSocket,
} from './udp-batch-socket.ts';

export interface UdpBatchSizes {
  /** Datagrams in one system call, 1 to 1,024. Default 64. */
  readonly count?: number;
  /** Room for a datagram received, a longer one is cut and `isCut`; a multiple of 8. Default 2,048. */
  readonly receiveBytes?: number;
  /** Room for a datagram to send; a multiple of 8. Default 2,048. */
  readonly sendBytes?: number;
  /** Destinations that `addDestination` can take. Default 0. */
  readonly destinations?: number;
}

/** Batched UDP where the system has it: several datagrams with one system call. Of one thread; descriptors are of the process. */
export interface UdpBatches {
  readonly isAvailable: true;
  /**
   * Opens a bound socket. The descriptor may be used by a `UdpBatch` of any thread of the process, by one at a time.
   *
   * @throws BtError `net/port-in-use`, `net/listen`
   */
  openSocket(options: UdpBatchOptions): UdpBatchSocket;
  closeSocket(fd: number): void;
  /**
   * @param options.timeoutMs how long `receive` waits at most. It blocks the thread, which nothing can end from outside: keep it short
   */
  batch(fd: number, options: { timeoutMs: number } & UdpBatchSizes): UdpBatch;
  /** Waits for datagrams on several sockets. */
  poll(batches: readonly UdpBatch[]): UdpPoll;
  /** Stops this thread so long; 0 to 999,999. */
  pause(microseconds: number): void;
}

/** @returns why there are no batches here, where that is so: another platform, koffi not installed or switched off */
export async function loadUdpBatches(): Promise<UdpBatches | UdpBatchUnavailable> {
  const loaded = await loadUdpCalls();
  if (!loaded.isAvailable) return loaded;
  const { calls } = loaded;
  return {
    isAvailable: true,
    openSocket: (options) => openSocket(calls, options),
    closeSocket: (fd) => void calls.close(fd),
    batch: (fd, options) => new UdpBatch(calls, fd, options),
    poll: (batches) => new UdpPoll(calls, batches),
    pause: (microseconds) => void calls.usleep(microseconds),
  };
}

/** Bytes of the address of a socket: `sockaddr_in6`, or `sockaddr_in` and nothing. */
const NAME_BYTES = 28;
/**
 * Words of `struct mmsghdr`: name pointer 0, name length 2, iovec pointer 4, iovec count 6, control pointer 8, control length 10,
 * flags 12, length 14.
 */
const HEADER_WORDS = 16;
const CONTROL_AT = 8;
const CONTROL_LENGTH_AT = 10;
/** One control message: a head of 4 words, then `in_pktinfo` (interface first) or `in6_pktinfo` (interface last, at word 4). */
const CONTROL_WORDS = 10;
const CONTROL_HEAD_WORDS = 4;
/** Words of `struct iovec`: pointer 0, length 2. */
const IOVEC_WORDS = 4;

/**
 * One UDP socket that receives and sends datagrams by the batch: with `recvmmsg` and `sendmmsg`, in memory that is laid out once. A
 * round of a server:
 *
 *     const count = batch.receive();
 *     for (let i = 0; i < count; i++) {
 *       const length = answer(batch.received, batch.receivedAt(i), batch.lengthOf(i), batch.sendRoom, batch.sendAt);
 *       if (length > 0) batch.queue(i, length);
 *     }
 *     batch.flush();
 *
 * A client queues to destinations of `addDestination` instead. No call allocates.
 */
export class UdpBatch {
  readonly fd: number;
  readonly count: number;
  readonly receiveBytes: number;
  readonly sendBytes: number;
  /** All datagrams of the last `receive`, each at its `receivedAt`. Begins at a multiple of 8 bytes of its buffer. */
  readonly received: Uint8Array;
  /** Where datagrams to send are written, at `sendAt`. Begins at a multiple of 8 bytes of its buffer. */
  readonly sendRoom: Uint8Array;
  /** Addresses of senders and destinations: `sourceLength(i)` bytes at `sourceAt(i)`. */
  readonly names: Uint8Array;
  /** Datagrams that could not be sent: no route, no buffer in the system, forbidden. */
  failedCount = 0;
  readonly #calls: UdpCalls;
  readonly #names32: Int32Array;
  readonly #namesAddress: number;
  readonly #nameBytes: 16 | 28;
  readonly #receiveHeaders: Int32Array;
  readonly #receiveHeadersAddress: number;
  readonly #sendHeaders: Int32Array;
  readonly #sendHeadersAddress: number;
  readonly #sendVectors: Int32Array;
  /** Which of our addresses each datagram came to, where we listen on all; its answer leaves from there. */
  readonly #controls: Int32Array | undefined;
  readonly #controlsAddress: number;
  /** What SO_MEMINFO gives, datagrams lost in word 8; behind 16 words the room for it in bytes. */
  readonly #memoryInfo = new Uint32Array(new ArrayBuffer(72));
  readonly #memoryInfoAddress: number;
  readonly #destinationsMax: number;
  #destinationCount = 0;
  #queued = 0;

  constructor(calls: UdpCalls, fd: number, options: { timeoutMs: number } & UdpBatchSizes) {
    this.fd = fd;
    this.#calls = calls;
    this.count = options.count ?? 64;
    this.receiveBytes = options.receiveBytes ?? 2_048;
    this.sendBytes = options.sendBytes ?? 2_048;
    this.#destinationsMax = options.destinations ?? 0;
    this.#nameBytes = nameOfSocket(calls, fd).length === 16 ? 28 : 16;
    this.#memoryInfoAddress = calls.addressOf(this.#memoryInfo.buffer as ArrayBuffer);
    setTimeouts(calls, fd, options.timeoutMs);

    const received = new ArrayBuffer(this.count * this.receiveBytes);
    const sendRoom = new ArrayBuffer(this.count * this.sendBytes);
    const names = new ArrayBuffer((this.count + this.#destinationsMax) * NAME_BYTES);
    this.received = new Uint8Array(received);
    this.sendRoom = new Uint8Array(sendRoom);
    this.names = new Uint8Array(names);
    this.#names32 = new Int32Array(names);
    this.#namesAddress = calls.addressOf(names);

    const receive = layOut(calls, { count: this.count, data: received, slotBytes: this.receiveBytes });
    this.#receiveHeaders = receive.headers;
    this.#receiveHeadersAddress = receive.headersAddress;
    for (let i = 0; i < this.count; i++) {
      writePointer(receive.headers, i * HEADER_WORDS, this.#namesAddress + i * NAME_BYTES);
      receive.headers[i * HEADER_WORDS + 2] = NAME_BYTES;
    }
    const send = layOut(calls, { count: this.count, data: sendRoom, slotBytes: this.sendBytes });
    this.#sendHeaders = send.headers;
    this.#sendHeadersAddress = send.headersAddress;
    this.#sendVectors = send.vectors;
    for (let i = 0; i < this.count; i++) send.headers[i * HEADER_WORDS + 2] = this.#nameBytes;

    const controls = new ArrayBuffer(this.count * CONTROL_WORDS * 4);
    this.#controls = tellsTarget(calls, fd) ? new Int32Array(controls) : undefined;
    this.#controlsAddress = calls.addressOf(controls);
    if (this.#controls === undefined) return;
    for (let i = 0; i < this.count; i++) {
      const address = this.#controlsAddress + i * CONTROL_WORDS * 4;
      writePointer(receive.headers, i * HEADER_WORDS + CONTROL_AT, address);
    }
  }

  /**
   * Waits for the first datagram, at most `timeoutMs`, and takes what is there with it. Ends the life of what was received before.
   *
   * @param mayWait false: takes what is there
   * @returns datagrams taken, at most `count`; 0 after the time-out, a signal, or an error of the network that concerns no one datagram
   * @throws Error where the descriptor is none
   */
  receive(mayWait = true): number {
    if (this.#controls !== undefined) this.#makeControlRoom();
    const flags = mayWait ? linux.MSG_WAITFORONE : linux.MSG_DONTWAIT;
    const got = this.#calls.recvmmsg(this.fd, this.#receiveHeadersAddress, this.count, flags, 0);
    return got >= 0 ? got : this.#onReceiveFailed();
  }

  receivedAt(i: number): number {
    return i * this.receiveBytes;
  }

  /** Bytes of datagram `i`, as far as there was room. */
  lengthOf(i: number): number {
    return this.#receiveHeaders[i * HEADER_WORDS + 14] as number;
  }

  /** Whether datagram `i` was longer than `receiveBytes`. */
  isCut(i: number): boolean {
    return ((this.#receiveHeaders[i * HEADER_WORDS + 12] as number) & linux.MSG_TRUNC) !== 0;
  }

  /** Bytes of the address that datagram `i` came from. An IPv4-mapped one has 4. */
  sourceLength(i: number): 4 | 16 {
    return this.#nameBytes === 16 || this.#isMapped(i) ? 4 : 16;
  }

  /** Where in `names` that address begins. */
  sourceAt(i: number): number {
    if (this.#nameBytes === 16) return i * NAME_BYTES + 4;
    return this.#isMapped(i) ? i * NAME_BYTES + 20 : i * NAME_BYTES + 8;
  }

  sourcePort(i: number): number {
    const at = i * NAME_BYTES + 2;
    return ((this.names[at] as number) << 8) | (this.names[at + 1] as number);
  }

  /** An address to send to. @returns its number for `queue`; IPv4 addresses are mapped on an IPv6 socket */
  addDestination(to: PeerAddress): number {
    const i = this.count + this.#destinationCount;
    if (this.#destinationCount >= this.#destinationsMax) throw new RangeError('no room for another destination');
    const name = encodeName(to, this.#nameBytes === 28);
    if (name === undefined) throw new RangeError(`cannot send to ${to.host}`);
    this.#destinationCount++;
    this.names.set(name, i * NAME_BYTES);
    return i;
  }

  /** Datagrams that `queue` takes before the next `flush`. */
  get queueRoom(): number {
    return this.count - this.#queued;
  }

  /** Where the next datagram to queue is written in `sendRoom`; `sendBytes` bytes are there. */
  get sendAt(): number {
    return this.#queued * this.sendBytes;
  }

  /**
   * Queues the `length` bytes at `sendAt`.
   *
   * @param to the number of a received datagram, whose sender gets it, or of a destination
   */
  queue(to: number, length: number): void {
    const k = this.#queued++;
    writePointer(this.#sendHeaders, k * HEADER_WORDS, this.#namesAddress + to * NAME_BYTES);
    this.#sendVectors[k * IOVEC_WORDS + 2] = length;
    if (this.#controls !== undefined) this.#sendFromTarget(this.#controls, k, to);
  }

  /**
   * Hands everything queued to the system. What it does not take is lost and counted in `failedCount`, as the network loses datagrams.
   *
   * @returns datagrams sent
   */
  flush(): number {
    const queued = this.#queued;
    let sent = 0;
    let at = 0;
    while (at < queued) {
      const address = this.#sendHeadersAddress + at * HEADER_WORDS * 4;
      const taken = this.#calls.sendmmsg(this.fd, address, queued - at, 0);
      if (taken > 0) {
        sent += taken;
        at += taken;
        continue;
      }
      const errno = this.#calls.errno();
      if (errno === linux.EINTR) continue;
      // The system's buffer has been full for the whole time-out: waiting longer would let requests pile up.
      if (errno === linux.EAGAIN) break;
      // This one cannot be sent (no route, no memory); the next may.
      at++;
    }
    this.failedCount += queued - sent;
    this.#queued = 0;
    return sent;
  }

  /** @returns datagrams that the system has dropped since the socket was opened, because nobody took them in time; modulo 2^32 */
  readLostCount(): number {
    this.#memoryInfo[16] = 64;
    const address = this.#memoryInfoAddress;
    this.#calls.getsockopt(this.fd, linux.SOL_SOCKET, linux.SO_MEMINFO, address, address + 64);
    return this.#memoryInfo[8] as number;
  }

  #isMapped(i: number): boolean {
    const word = i * (NAME_BYTES / 4);
    const w = this.#names32;
    // Bytes 8 to 19 of the name are 10 zeros and two of 255; words are little-endian on both platforms.
    return w[word + 2] === 0 && w[word + 3] === 0 && w[word + 4] === MAPPED_WORD;
  }

  /** The system has written over the room with what it used. */
  #makeControlRoom(): void {
    const headers = this.#receiveHeaders;
    for (let at = CONTROL_LENGTH_AT; at < headers.length; at += HEADER_WORDS) headers[at] = CONTROL_WORDS * 4;
  }

  /** Has datagram `k` to send leave from the address that datagram `to` came to, by whatever interface leads there. */
  #sendFromTarget(controls: Int32Array, k: number, to: number): void {
    const at = k * HEADER_WORDS;
    const length = to < this.count ? (this.#receiveHeaders[to * HEADER_WORDS + CONTROL_LENGTH_AT] as number) : 0;
    this.#sendHeaders[at + CONTROL_LENGTH_AT] = length;
    if (length === 0) return;
    writePointer(this.#sendHeaders, at + CONTROL_AT, this.#controlsAddress + to * CONTROL_WORDS * 4);
    controls[to * CONTROL_WORDS + CONTROL_HEAD_WORDS + (this.#nameBytes === 16 ? 0 : 4)] = 0;
  }

  #onReceiveFailed(): number {
    const errno = this.#calls.errno();
    if (errno === EBADF || errno === ENOTSOCK || errno === EFAULT) {
      throw new Error(`recvmmsg has failed: errno ${errno}`);
    }
    return 0;
  }
}

const MAPPED_WORD = 0xffff_0000 | 0;
const EBADF = 9;
const EFAULT = 14;
const ENOTSOCK = 88;

/** Waits for datagrams on several sockets at a time. */
export class UdpPoll {
  readonly #calls: UdpCalls;
  readonly #fds: Int32Array;
  readonly #address: number;

  constructor(calls: UdpCalls, batches: readonly UdpBatch[]) {
    this.#calls = calls;
    const buffer = new ArrayBuffer(batches.length * 8);
    this.#fds = new Int32Array(buffer);
    this.#address = calls.addressOf(buffer);
    batches.forEach(({ fd }, i) => {
      this.#fds[i * 2] = fd;
    });
  }

  /** @returns whether any socket has something */
  wait(timeoutMs: number): boolean {
    for (let i = 1; i < this.#fds.length; i += 2) this.#fds[i] = linux.POLLIN;
    return this.#calls.poll(this.#address, this.#fds.length / 2, timeoutMs) > 0;
  }

  /** Whether the socket of batch `i` had something when `wait` returned. */
  isReady(i: number): boolean {
    return (this.#fds[i * 2 + 1] as number) >>> 16 !== 0;
  }
}

/** Message headers of one vector each over slots of a buffer. */
function layOut(
  calls: UdpCalls,
  o: { count: number; data: ArrayBuffer; slotBytes: number },
): { headers: Int32Array; headersAddress: number; vectors: Int32Array } {
  // One buffer for both: who holds the headers holds the vectors that they point at.
  const buffer = new ArrayBuffer(o.count * (HEADER_WORDS + IOVEC_WORDS) * 4);
  const headers = new Int32Array(buffer, 0, o.count * HEADER_WORDS);
  const vectors = new Int32Array(buffer, o.count * HEADER_WORDS * 4);
  const headersAddress = calls.addressOf(buffer);
  const vectorsAddress = headersAddress + o.count * HEADER_WORDS * 4;
  const dataAddress = calls.addressOf(o.data);
  for (let i = 0; i < o.count; i++) {
    writePointer(vectors, i * IOVEC_WORDS, dataAddress + i * o.slotBytes);
    vectors[i * IOVEC_WORDS + 2] = o.slotBytes;
    writePointer(headers, i * HEADER_WORDS + 4, vectorsAddress + i * IOVEC_WORDS * 4);
    headers[i * HEADER_WORDS + 6] = 1;
  }
  return { headers, headersAddress, vectors };
}

function writePointer(words: Int32Array, at: number, address: number): void {
  words[at] = address | 0;
  words[at + 1] = (address / 0x1_0000_0000) | 0;
}

import { type PeerAddress, parseIp } from '../../base/index.ts';
import { openUdp, type UdpSocket } from '../../node/index.ts';
import { ConnectionIds, counter } from '../../tracker/index.ts';
import { UdpAnswerer } from './answerer.ts';
import { BugReports, toError } from './bug-reports.ts';
import type { UdpFront, UdpHere, UdpServing } from './types.ts';

/** Longest request looked at: 98 bytes of announce, and path and query of 1,024 in parts of 255. */
const REQUEST_BYTES_MAX = 2_048;

/** UDP listeners on this thread, with a system call for each datagram. */
export class DgramFront implements UdpFront {
  readonly addresses: PeerAddress[] = [];
  readonly #o: UdpServing & UdpHere;
  readonly #input = new Uint8Array(REQUEST_BYTES_MAX);
  readonly #output: Uint8Array;
  readonly #source = new Uint8Array(16);
  readonly #counts: Float64Array;
  readonly #answerer: UdpAnswerer;
  readonly #sockets: UdpSocket[] = [];

  constructor(options: UdpServing & UdpHere) {
    this.#o = options;
    this.#output = new Uint8Array(options.answerBytesMax);
    this.#counts = options.counters.row(options.firstRow);
    const { onEvent, now } = options;
    const bugs = new BugReports({ now, send: (report) => onEvent({ type: 'error', error: toError(report) }) });
    this.#answerer = new UdpAnswerer({
      input: this.#input,
      output: this.#output,
      sources: this.#source,
      logic: options.logic,
      ids: new ConnectionIds({
        secret: options.connectionSecret,
        lifetimeMs: options.limits.connectionIdMs,
        clockMs: performance.timeOrigin,
      }),
      counts: this.#counts,
      limits: options.addressLimits,
      offenders: options.offenders,
      answerBytesMax: options.answerBytesMax,
      onBug: (error) => bugs.report(error),
    });
  }

  /** @throws BtError `net/port-in-use`, `net/listen`; close it then */
  async start(): Promise<void> {
    for (const at of this.#o.addresses) {
      const socket: UdpSocket = await openUdp({
        ...at,
        receiveBufferBytes: this.#o.receiveBufferBytes,
        handlers: {
          onDatagram: (bytes, from) => this.#onDatagram(socket, bytes, from),
          onSendFailed: () => this.#counts[counter.udpUnsent]!++,
        },
      });
      this.#sockets.push(socket);
      this.addresses.push(socket.local);
    }
  }

  setPolicy(): void {}
  setLimits(): void {}

  async close(): Promise<void> {
    await Promise.all(this.#sockets.map((socket) => socket.close()));
  }

  #onDatagram(socket: UdpSocket, bytes: Uint8Array, from: PeerAddress): void {
    const source = parseIp(from.host);
    if (source === undefined || bytes.length > REQUEST_BYTES_MAX) {
      this.#counts[counter.udpMalformed]!++;
      return;
    }
    this.#input.set(bytes);
    this.#source.set(source);
    const length = this.#answerer.answer(this.#o.now(), 0, bytes.length, 0, source.length === 4 ? 4 : 16, 0);
    // The socket may keep what it sends for a while: each answer has bytes of its own.
    if (length > 0) socket.send(this.#output.slice(0, length), from);
  }
}

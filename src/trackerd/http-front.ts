import { type AddressInfo, createServer, type Server, type Socket } from 'node:net';
import { type Millis, type PeerAddress, parseIp } from '../base/index.ts';
import { toListenError } from '../node/index.ts';
import { HttpConnection } from './http-connection.ts';
import type { HttpRequest } from './http-parser.ts';
import type { HttpAnswer } from './http-routes.ts';
import type { FrontLimits } from './limits.ts';
import type { HttpCounts } from './stats.ts';

export interface HttpFrontOptions {
  /** @param source 4 or 16 bytes. Answers at once, and never throws. */
  readonly answer: (now: Millis, request: HttpRequest, source: Uint8Array) => HttpAnswer;
  readonly counts: HttpCounts;
  readonly limits: FrontLimits;
  readonly now: () => Millis;
}

/** How often connections are looked through for slow and idle ones. */
const CHECK_MS = 1_000;

/** One HTTP listener of a tracker: accepts connections, bounds their number and their time. */
export class HttpFront {
  readonly #o: HttpFrontOptions;
  readonly #server: Server;
  readonly #connections = new Set<HttpConnection>();
  #timer: NodeJS.Timeout | undefined;

  constructor(options: HttpFrontOptions) {
    this.#o = options;
    this.#server = createServer({ noDelay: true }, (socket) => this.#onSocket(socket));
    this.#server.maxConnections = options.limits.httpConnectionsMax;
  }

  get connectionCount(): number {
    return this.#connections.size;
  }

  /** @throws BtError `net/port-in-use`, `net/listen` */
  async listen(at: PeerAddress): Promise<PeerAddress> {
    await new Promise<void>((resolve, reject) => {
      this.#server.once('error', (error) => reject(toListenError(error, at)));
      this.#server.listen({ host: at.host, port: at.port, backlog: 511 }, resolve);
    });
    // A failed accept (no descriptors left) concerns one client, not the listener.
    this.#server.on('error', () => {});
    this.#timer = setInterval(() => this.#dropSlow(), CHECK_MS);
    this.#timer.unref();
    const { address, port } = this.#server.address() as AddressInfo;
    return { host: address, port };
  }

  async close(): Promise<void> {
    clearInterval(this.#timer);
    if (!this.#server.listening) return;
    const closed = new Promise<void>((resolve) => this.#server.close(() => resolve()));
    for (const connection of [...this.#connections]) connection.close();
    await closed;
  }

  #onSocket(socket: Socket): void {
    const source = socket.remoteAddress === undefined ? undefined : parseIp(socket.remoteAddress);
    if (source === undefined) {
      socket.destroy();
      return;
    }
    const { answer, counts, limits, now } = this.#o;
    const connection = new HttpConnection(socket, {
      limits,
      now,
      answer: (request) => answer(now(), request, source),
      onBad: () => counts.bad++,
      onClosed: () => this.#connections.delete(connection),
    });
    this.#connections.add(connection);
  }

  #dropSlow(): void {
    const now = this.#o.now();
    for (const connection of [...this.#connections]) connection.dropIfSlow(now);
  }
}

import { unlink } from 'node:fs/promises';
import {
  type AddressInfo,
  connect,
  createServer,
  type OnReadOpts,
  type Server,
  Socket,
  type SocketConstructorOpts,
} from 'node:net';
import { createServer as createTlsServer, type TLSSocket, type Server as TlsServer } from 'node:tls';
import { type Millis, type PeerAddress, parseIp } from '../../base/index.ts';
import { toListenError } from '../../node/index.ts';
import { type CounterRow, counter } from '../../tracker/index.ts';
import { ConnectionBook } from '../connection-book.ts';
import type { FrontLimits } from '../limits.ts';
import { readCertificate, type TlsFiles } from './certificate.ts';
import { type ConnectionSetting, HttpConnection, type SocketTaker } from './connection.ts';
import { Networks } from './networks.ts';
import type { HttpRoutes } from './routes.ts';

export interface HttpFrontOptions {
  readonly routes: HttpRoutes;
  readonly counts: CounterRow;
  readonly limits: FrontLimits;
  readonly now: () => Millis;
  /** Shared by listeners that share their limits. Default: one of its own. */
  readonly connections?: ConnectionBook;
  /** Serves everything that is no announce and no scrape. Without it such requests get 404. */
  readonly other?: SocketTaker;
  /** Gives every connection to `other`: a place for pages and API, where announces are not answered. */
  readonly pagesOnly?: boolean;
  /** Reverse proxies whose `Forwarded` and `X-Forwarded-For` are believed. */
  readonly trustedProxies?: readonly string[];
  /** Makes it an HTTPS listener. */
  readonly tls?: TlsFiles;
}

/** A Unix socket instead of an address: who connects there is a reverse proxy on this machine, and is trusted as one. */
export interface UnixPath {
  readonly path: string;
}

/** How often connections are looked through for slow and idle ones. */
const CHECK_MS = 1_000;
const LOOPBACK = Uint8Array.of(127, 0, 0, 1);

/** What accepted sockets are made of: not in Node's types, private but stable since Node 12. */
interface HandleHolder {
  _handle: object | null;
}

/**
 * One HTTP or HTTPS listener of a tracker: accepts connections, bounds their number and their time.
 *
 * Plain sockets all read into one buffer: it costs a sixth less than 'data' events, which need a fresh buffer a read. `onread` is an
 * option of the constructor only, so an accepted socket is replaced by one of our making around the same handle; where a Node does not
 * let us, 'data' events serve.
 */
export class HttpFront {
  readonly #o: HttpFrontOptions;
  readonly #server: Server;
  readonly #book: ConnectionBook;
  #setting: ConnectionSetting;
  #trusted: Networks;
  /** What was accepted; with TLS without their connections, which are in `#secured`. */
  readonly #sockets = new Map<Socket, HttpConnection | undefined>();
  readonly #secured = new Set<HttpConnection>();
  readonly #receiveBuffer = Buffer.allocUnsafeSlow(65_536);
  #tls: TlsServer | undefined;
  #timer: NodeJS.Timeout | undefined;
  #onEmpty: (() => void) | undefined;
  #isUnix = false;

  constructor(options: HttpFrontOptions) {
    this.#o = options;
    const { limits } = options;
    this.#trusted = new Networks(options.trustedProxies ?? []);
    this.#setting = this.#toSetting();
    this.#book =
      options.connections ??
      new ConnectionBook({ max: limits.httpConnectionsMax, perAddressMax: limits.httpConnectionsPerAddressMax });
    this.#server = createServer({ noDelay: true, pauseOnConnect: options.tls === undefined });
    this.#server.on('connection', (socket) => this.#onSocket(socket));
  }

  /** Of this listener, those handed over among them. */
  get connectionCount(): number {
    return this.#sockets.size;
  }

  /**
   * @returns where it listens, port filled in; of a Unix socket the path as host
   * @throws BtError `net/port-in-use`, `net/listen`; what the files of the certificate are refused for
   */
  async listen(at: PeerAddress | UnixPath): Promise<PeerAddress> {
    if (this.#o.tls !== undefined) this.#tls = await this.#createTls(this.#o.tls);
    if ('path' in at) {
      this.#isUnix = true;
      this.#trusted = new Networks(['127.0.0.1', ...(this.#o.trustedProxies ?? [])]);
      this.#setting = this.#toSetting();
      await removeStaleSocket(at.path);
    }
    const named = 'path' in at ? { host: at.path, port: 0 } : at;
    await new Promise<void>((resolve, reject) => {
      this.#server.once('error', (error) => reject(toListenError(error, named)));
      this.#server.listen({ ...at, backlog: 511 }, resolve);
    });
    // A failed accept (no descriptors left) concerns one client, not the listener.
    this.#server.on('error', () => {});
    this.#timer = setInterval(() => this.check(), CHECK_MS);
    this.#timer.unref();
    if ('path' in at) return named;
    const { address, port } = this.#server.address() as AddressInfo;
    return { host: address, port };
  }

  /**
   * Reads certificate and key again; connections that are there stay as they are.
   *
   * @throws what reading the files or the files themselves give; the old ones stay in use then
   */
  async reload(): Promise<void> {
    if (this.#tls === undefined || this.#o.tls === undefined) return;
    this.#tls.setSecureContext(await readCertificate(this.#o.tls));
  }

  async close(): Promise<void> {
    clearInterval(this.#timer);
    if (!this.#server.listening) return;
    const closed = new Promise<void>((resolve) => this.#server.close(() => resolve()));
    const empty = new Promise<void>((resolve) => {
      this.#onEmpty = resolve;
    });
    for (const socket of [...this.#sockets.keys()]) socket.destroy();
    if (this.#sockets.size > 0) await empty;
    await closed;
  }

  #toSetting(): ConnectionSetting {
    const { routes, counts, limits, now, other, pagesOnly = false, tls } = this.#o;
    const sendsLater = tls !== undefined;
    return { routes, counts, limits, now, other, pagesOnly, trusted: this.#trusted, sendsLater };
  }

  async #createTls(files: TlsFiles): Promise<TlsServer> {
    const handshakeTimeout = this.#o.limits.httpHeadTimeoutMs;
    const server = createTlsServer({ ...(await readCertificate(files)), handshakeTimeout });
    server.on('secureConnection', (socket) => this.#onSecured(socket));
    server.on('tlsClientError', (_error, socket) => {
      this.#o.counts[counter.httpBad]!++;
      socket.destroy();
    });
    return server;
  }

  #onSocket(accepted: Socket): void {
    const source = this.#isUnix ? LOOPBACK : parseIp(accepted.remoteAddress ?? '');
    const place = source === undefined ? undefined : this.#book.take(source, this.#trusted.has(source));
    if (source === undefined || place === undefined) {
      accepted.destroy();
      return;
    }
    this.#o.counts[counter.httpConnections]!++;
    if (this.#tls === undefined) {
      this.#serve(accepted, source, place);
      return;
    }
    // Until the hand-shake is done, there is no connection of ours: the hand-shake has a time of its own.
    this.#sockets.set(accepted, undefined);
    accepted.on('error', () => accepted.destroy());
    accepted.once('close', () => this.#onClosed(accepted, place));
    this.#tls.emit('connection', accepted);
  }

  #onClosed(socket: Socket, place: string): void {
    this.#sockets.delete(socket);
    this.#book.release(place);
    this.#o.counts[counter.httpConnections]!--;
    if (this.#sockets.size === 0) this.#onEmpty?.();
  }

  #serve(accepted: Socket, source: Uint8Array, place: string): void {
    let connection: HttpConnection | undefined;
    const replaced = this.#replaceSocket(accepted, (bytes) => connection?.onBytes(bytes) ?? true);
    const socket = replaced ?? accepted;
    const served = new HttpConnection(socket, this.#setting, source);
    connection = served;
    this.#sockets.set(socket, served);
    if (replaced === undefined) socket.on('data', (bytes) => served.onBytes(bytes));
    socket.once('close', () => this.#onClosed(socket, place));
    socket.resume();
  }

  #onSecured(socket: TLSSocket): void {
    const source = this.#isUnix ? LOOPBACK : parseIp(socket.remoteAddress ?? '');
    if (source === undefined) {
      socket.destroy();
      return;
    }
    socket.setNoDelay(true);
    const connection = new HttpConnection(socket, this.#setting, source);
    this.#secured.add(connection);
    socket.on('data', (bytes) => connection.onBytes(bytes));
    socket.once('close', () => this.#secured.delete(connection));
  }

  /** @returns a socket with our receive buffer around the same connection, or undefined where this Node does not let us */
  #replaceSocket(accepted: Socket, onBytes: (bytes: Buffer) => boolean): Socket | undefined {
    const holder = accepted as unknown as HandleHolder;
    const handle = holder._handle;
    if (handle === null || typeof handle !== 'object') return undefined;
    const buffer = this.#receiveBuffer;
    const onread: OnReadOpts = { buffer, callback: (length) => onBytes(buffer.subarray(0, length)) };
    try {
      const socket = new Socket({ onread, handle, manualStart: true } as SocketConstructorOpts);
      holder._handle = null;
      // Takes the shell off the server's books; without a handle this closes nothing.
      accepted.destroy();
      return socket;
    } catch {
      return undefined;
    }
  }

  /** Drops what is too slow; the timer does it once a second. */
  check(): void {
    const now = this.#o.now();
    for (const connection of [...this.#sockets.values(), ...this.#secured]) connection?.check(now);
  }
}

/** Removes what a tracker that did not end well has left: a socket nobody answers. */
async function removeStaleSocket(path: string): Promise<void> {
  const isStale = await new Promise<boolean>((resolve) => {
    const probe = connect(path);
    probe.once('connect', () => {
      probe.destroy();
      resolve(false);
    });
    probe.once('error', (error: NodeJS.ErrnoException) => resolve(error.code === 'ECONNREFUSED'));
  });
  if (isStale) await unlink(path);
}

// Hot path: transport
import { createServer, type OnReadOpts, type Server, Socket, type SocketConstructorOpts } from 'node:net';
import { type BtError, canonicalHost, type PeerAddress } from '../base/index.ts';
import type { CloseReason } from '../wire/index.ts';
import { StreamError, toCloseReason, toListenError } from './net-error.ts';
import type { ByteStream, Listener, StreamHandlers, Transport } from './transport.ts';

export interface TcpLimits {
  /** A dial that takes longer fails with `net/timeout`. */
  readonly dialTimeoutMs: number;
  /** How long a stream that we closed may take to send what is queued and to be closed by the other side too. */
  readonly lingerMs: number;
  /** A stream that we closed may still send us this much, which is thrown away, before it is cut. */
  readonly lingerBytesMax: number;
  /** Streams that linger at a time. The oldest is cut then, or those who are sent away by the thousand would hold all descriptors. */
  readonly lingeringMax: number;
  /** More than this queued for one peer: it does not read what it asked for, and is dropped with `net/not-reading`. */
  readonly queueBytesMax: number;
  /** Size of the one receive buffer (see `TcpTransport`). */
  readonly receiveBufferBytes: number;
}

export const tcpLimits: TcpLimits = {
  dialTimeoutMs: 10_000,
  lingerMs: 3_000,
  lingerBytesMax: 8 * 1024 * 1024,
  lingeringMax: 256,
  queueBytesMax: 32 * 1024 * 1024,
  receiveBufferBytes: 256 * 1024,
};

/** What accepted sockets are made of: not in Node's types, private but stable since Node 12. */
interface HandleHolder {
  _handle: object | null;
}

/**
 * TCP over node:net.
 *
 * All sockets read into ONE buffer: libuv allocates, reads and calls back in one go (also on Windows, where it polls with zero-length
 * reads), and nobody keeps the bytes after `onBytes` returns. It costs a third less than 'data' events, which need a fresh buffer a read.
 * `onread` is an option of the constructor only, so an accepted socket is replaced by one of our making around the same handle; where
 * that fails, 'data' events serve.
 */
export class TcpTransport implements Transport {
  readonly kind = 'tcp' as const;
  readonly #limits: TcpLimits;
  readonly #receiveBuffer: Uint8Array;
  /** The part of it that the next reads may fill. */
  #readInto: Uint8Array;
  readonly #useOnread: boolean;
  readonly #streams = new Set<TcpStream>();
  /** Closed by us, waiting for the other side; the oldest first. */
  readonly #lingering = new Set<TcpStream>();
  readonly #listeners = new Set<TcpListener>();
  readonly #flush = new FlushList();
  #isClosed = false;
  #onIdle: (() => void) | undefined;

  /** @param options `useOnread: false` reads accepted sockets by 'data' events (tests; a runtime without the private handle) */
  constructor(options: { limits?: Partial<TcpLimits>; useOnread?: boolean } = {}) {
    this.#limits = { ...tcpLimits, ...options.limits };
    // Not a Buffer: its `slice` is a view, and pure rooms mean a copy.
    this.#receiveBuffer = new Uint8Array(this.#limits.receiveBufferBytes);
    this.#readInto = this.#receiveBuffer;
    this.#useOnread = options.useOnread ?? true;
  }

  dial(to: PeerAddress, handlers: StreamHandlers): ByteStream {
    const stream = this.#createStream();
    const socket = new Socket(this.#onreadOptions(stream));
    stream.isDialing = true;
    stream.bind(socket);
    stream.handlers = handlers;
    // A host that is no number would be looked up by name here: names are resolved elsewhere, addresses come from strangers.
    if (this.#isClosed || canonicalHost(to.host) === undefined || to.port < 1 || to.port > 65535) {
      stream.isDialing = false;
      socket.destroy(new StreamError({ code: this.#isClosed ? 'net/closed' : 'net/bad-address' }));
      return stream;
    }
    stream.setTimer(this.#limits.dialTimeoutMs, { code: 'net/timeout' });
    socket.connect({ host: to.host, port: to.port, noDelay: true });
    return stream;
  }

  async listen(
    at: PeerAddress,
    accept: (from: PeerAddress, stream: ByteStream) => StreamHandlers | undefined,
  ): Promise<Listener> {
    const server = createServer({ pauseOnConnect: true, noDelay: true });
    server.on('connection', (socket) => this.#accept(socket, accept));
    await new Promise<void>((resolve, reject) => {
      const onError = (error: Error): void => reject(toListenError(error, at) satisfies BtError);
      server.once('error', onError);
      // `::` takes IPv4 as well, unless a listener of ours has that port there already.
      const isShared = [...this.#listeners].some((l) => l.address.port === at.port && !l.address.host.includes(':'));
      const ipv6Only = at.host.includes(':') && (at.host !== '::' || isShared);
      server.listen({ host: at.host, port: at.port, ipv6Only }, () => {
        server.off('error', onError);
        // Errors of a listening server are about single connections. For want of descriptors there are none: libuv keeps one in reserve,
        // takes such connections with it and closes them, and the listener goes on.
        server.on('error', () => {});
        resolve();
      });
    });
    const listener = new TcpListener(server, () => this.#listeners.delete(listener));
    this.#listeners.add(listener);
    if (this.#isClosed) await listener.close();
    return listener;
  }

  get heldBytes(): { readonly receive: number; readonly queued: number } {
    let queued = 0;
    for (const stream of this.#streams) queued += stream.queuedBytes;
    return { receive: this.#isClosed ? 0 : this.#receiveBuffer.length, queued };
  }

  readUpTo(bytes: number): void {
    this.#readInto = this.#receiveBuffer.subarray(0, Math.max(1, bytes));
  }

  async close(): Promise<void> {
    this.#isClosed = true;
    await Promise.all([...this.#listeners].map((listener) => listener.close()));
    for (const stream of [...this.#streams]) stream.close();
    if (this.#streams.size === 0) return;
    // Whoever does not take our last bytes in half a second will not get them.
    const timer = setTimeout(
      () => {
        for (const stream of [...this.#streams]) stream.destroy();
      },
      Math.min(500, this.#limits.lingerMs),
    );
    await new Promise<void>((resolve) => {
      this.#onIdle = resolve;
    });
    clearTimeout(timer);
  }

  #accept(accepted: Socket, accept: (from: PeerAddress, stream: ByteStream) => StreamHandlers | undefined): void {
    const host = canonicalHost(accepted.remoteAddress ?? '');
    const port = accepted.remotePort;
    if (this.#isClosed || host === undefined || port === undefined) {
      accepted.destroy();
      return;
    }
    const stream = this.#createStream();
    const replaced = this.#useOnread ? this.#replaceSocket(accepted, stream) : undefined;
    if (replaced === undefined) {
      accepted.on('data', (b) => stream.onData(new Uint8Array(b.buffer, b.byteOffset, b.byteLength)));
    }
    stream.bind(replaced ?? accepted);
    stream.handlers = accept({ host, port }, stream);
    if (stream.handlers === undefined) stream.destroy();
    else stream.start();
  }

  /** @returns a socket with our receive buffer around the same connection, or undefined where this Node does not let us */
  #replaceSocket(accepted: Socket, stream: TcpStream): Socket | undefined {
    const holder = accepted as unknown as HandleHolder;
    const handle = holder._handle;
    if (handle === null || typeof handle !== 'object') return undefined;
    try {
      const options = { ...this.#onreadOptions(stream), handle, manualStart: true };
      const socket = new Socket(options as SocketConstructorOpts);
      holder._handle = null;
      // Takes the shell off the server's books; without a handle this closes nothing.
      accepted.destroy();
      return socket;
    } catch {
      return undefined;
    }
  }

  #createStream(): TcpStream {
    const stream = new TcpStream(this.#limits, this.#flush, this.#watcher);
    this.#streams.add(stream);
    return stream;
  }

  readonly #watcher: StreamWatcher = {
    onLinger: (stream) => {
      this.#lingering.add(stream);
      if (this.#lingering.size <= this.#limits.lingeringMax) return;
      for (const oldest of this.#lingering) {
        this.#lingering.delete(oldest);
        oldest.destroy();
        break;
      }
    },
    onGone: (stream) => {
      this.#lingering.delete(stream);
      this.#streams.delete(stream);
      if (this.#streams.size === 0) this.#onIdle?.();
    },
  };

  /** Asked for by a socket before its first read and after each. */
  readonly #nextBuffer = (): Uint8Array => this.#readInto;

  #onreadOptions(stream: TcpStream): SocketConstructorOpts & { onread: OnReadOpts } {
    const callback = (length: number, buffer: Uint8Array): boolean => {
      stream.onData(length === buffer.length ? buffer : buffer.subarray(0, length));
      return true;
    };
    return { onread: { buffer: this.#nextBuffer, callback } };
  }
}

class TcpListener implements Listener {
  readonly address: PeerAddress;
  readonly #server: Server;
  readonly #onClose: () => void;
  #closing: Promise<void> | undefined;

  constructor(server: Server, onClose: () => void) {
    const bound = server.address() as { address: string; port: number };
    this.address = { host: canonicalHost(bound.address) ?? bound.address, port: bound.port };
    this.#server = server;
    this.#onClose = onClose;
  }

  close(): Promise<void> {
    // Not the callback of close(): where accepted sockets are the server's own, it waits until the last of them has ended.
    this.#closing ??= new Promise<void>((resolve) => {
      this.#server.close();
      this.#onClose();
      setImmediate(resolve);
    });
    return this.#closing;
  }
}

/** Streams written to in this turn: each is corked at its first write and uncorked once, so that a turn is one system call a socket. */
class FlushList {
  #streams: TcpStream[] = [];

  add(stream: TcpStream): void {
    if (this.#streams.push(stream) === 1) queueMicrotask(() => this.#run());
  }

  #run(): void {
    const streams = this.#streams;
    this.#streams = [];
    for (const stream of streams) stream.uncork();
  }
}

/** A socket and the stream that it is of: listeners are the same functions for all sockets, since most of thousands are idle. */
interface StreamSocket extends Socket {
  [streamOf]?: TcpStream;
}
const streamOf = Symbol('stream');

function onConnect(this: StreamSocket): void {
  this[streamOf]?.opened();
}
/** The other side has said all it will say. Half-open streams have no use in BitTorrent. */
function onEnd(this: StreamSocket): void {
  this[streamOf]?.ended({ code: 'net/closed' });
}
function onError(this: StreamSocket, error: Error): void {
  this[streamOf]?.ended(toCloseReason(error));
}
function onClose(this: StreamSocket): void {
  this[streamOf]?.socketClosed();
}

interface StreamWatcher {
  /** We have closed it, and it waits for the other side. */
  onLinger(stream: TcpStream): void;
  /** Its descriptor is free. */
  onGone(stream: TcpStream): void;
}

class TcpStream implements ByteStream {
  isDialing = false;
  handlers: StreamHandlers | undefined;
  readonly #limits: TcpLimits;
  readonly #flush: FlushList;
  readonly #watcher: StreamWatcher;
  #socket: Socket | undefined;
  #timer: NodeJS.Timeout | undefined;
  #isCorked = false;
  #isReading = true;
  /** We ended it: only `onWritten` is due. */
  #isClosing = false;
  /** `onClosed` was called, or nothing more can come. */
  #isOver = false;
  #discarded = 0;

  constructor(limits: TcpLimits, flush: FlushList, watcher: StreamWatcher) {
    this.#limits = limits;
    this.#flush = flush;
    this.#watcher = watcher;
  }

  bind(socket: StreamSocket): void {
    this.#socket = socket;
    socket[streamOf] = this;
    if (this.isDialing) socket.on('connect', onConnect);
    socket.on('end', onEnd);
    socket.on('error', onError);
    socket.on('close', onClose);
  }

  /** Begins to read an accepted socket. */
  start(): void {
    if (this.#isReading) this.#socket?.resume();
  }

  get queuedBytes(): number {
    return this.#socket?.writableLength ?? 0;
  }

  write(bytes: Uint8Array): void {
    if (this.#isClosing || this.#isOver) return;
    const socket = this.#cork();
    socket.write(bytes);
    if (socket.writableLength > this.#limits.queueBytesMax) this.#drop({ code: 'net/not-reading' });
  }

  writePayload(bytes: Uint8Array, ticket: number): void {
    if (this.#isClosing || this.#isOver) return;
    const socket = this.#cork();
    socket.write(bytes, (error) => {
      // After an error of the stream itself `onClosed` follows and frees the views all at once.
      if (this.#isClosing || (error == null && !this.#isOver)) this.handlers?.onWritten(ticket);
    });
    if (socket.writableLength > this.#limits.queueBytesMax) this.#drop({ code: 'net/not-reading' });
  }

  reading(on: boolean): void {
    if (this.#isClosing || this.#isOver) return;
    this.#isReading = on;
    if (on) this.#socket?.resume();
    else this.#socket?.pause();
  }

  close(): void {
    if (this.#isClosing || this.#isOver) return;
    this.#isClosing = true;
    const socket = this.#socket;
    // Where nothing was said nothing can be lost.
    if (this.isDialing || socket?.bytesWritten === 0) socket?.destroy();
    else if (socket !== undefined) this.#linger(socket);
  }

  destroy(): void {
    this.#isClosing = true;
    this.#socket?.destroy();
  }

  uncork(): void {
    if (!this.#isCorked) return;
    this.#isCorked = false;
    this.#socket?.uncork();
  }

  onData(bytes: Uint8Array): void {
    if (this.#isOver) return;
    if (!this.#isClosing) {
      this.handlers?.onBytes(bytes);
      return;
    }
    this.#discarded += bytes.length;
    if (this.#discarded > this.#limits.lingerBytesMax) this.#socket?.destroy();
  }

  setTimer(ms: number, reason: CloseReason): void {
    this.#clearTimer();
    this.#timer = setTimeout(() => this.#drop(reason), ms);
  }

  /**
   * Sends what is queued and our FIN, then reads and forgets until the other side closes as well: closing a socket with unread bytes
   * makes Linux send a reset and throw away what we wrote last.
   */
  #linger(socket: Socket): void {
    this.#isCorked = false;
    socket.end();
    socket.resume();
    this.setTimer(this.#limits.lingerMs, { code: 'net/timeout' });
    this.#watcher.onLinger(this);
  }

  opened(): void {
    this.isDialing = false;
    this.#clearTimer();
    if (!this.#isClosing) this.handlers?.onOpen();
  }

  /** Ends the stream for a reason of our own; the handlers hear of it on a later turn. */
  #drop(reason: CloseReason): void {
    this.#socket?.destroy(new StreamError(reason));
  }

  ended(reason: CloseReason): void {
    // While closing, our own side may still be flushing: only 'close' finishes that.
    if (this.#isOver || this.#isClosing) return;
    this.#isOver = true;
    this.#clearTimer();
    this.#socket?.destroy();
    this.handlers?.onClosed(reason);
  }

  socketClosed(): void {
    this.ended({ code: 'net/closed' });
    this.#clearTimer();
    this.#watcher.onGone(this);
  }

  #cork(): Socket {
    const socket = this.#socket as Socket;
    if (!this.#isCorked) {
      this.#isCorked = true;
      socket.cork();
      this.#flush.add(this);
    }
    return socket;
  }

  #clearTimer(): void {
    if (this.#timer === undefined) return;
    clearTimeout(this.#timer);
    this.#timer = undefined;
  }
}

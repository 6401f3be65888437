import type { IncomingMessage } from 'node:http';
import type { Duplex } from 'node:stream';
import { type Server, type WebSocket, WebSocketServer } from 'ws';
import { addMs, type Millis, parseIp } from '../../base/index.ts';
import { type CounterRow, counter, isPasskey, refusalReason, type WebRelay } from '../../tracker/index.ts';
import { encodeWsResponse, wsWireLimits } from '../../wire/index.ts';
import { ConnectionBook } from '../connection-book.ts';
import { type WsLimits, wsLimits } from './limits.ts';
import { type SocketOwner, TrackerSocket } from './socket.ts';

export interface WsFrontOptions {
  readonly relay: WebRelay;
  /** Written: connections and bytes. The relay's requests are counted by itself, in the same row. */
  readonly counts: CounterRow;
  readonly limits?: Partial<WsLimits>;
  readonly now: () => Millis;
  /** Where a request came from, 4 or 16 bytes, for a tracker behind a proxy; undefined turns it away. Default: the address of its socket. */
  readonly sourceOf?: (request: IncomingMessage) => Uint8Array | undefined;
  /** Pages that may use the tracker, as browsers name them (`https://example.org`); programs name none and are let in. Default: all. */
  readonly origins?: readonly string[];
  /** A bug of ours or of a hook. */
  readonly onBug: (error: unknown) => void;
}

/** How often connections that sent too fast are looked after, and a part of all pinged. */
const TICK_MS = 250;
/** Part of `pingEveryMs` that passes between two pings at least: turns are not exact. */
const PING_EARLIEST = 0.9;
/** Offers need no more than seconds to be forgotten. */
const SWEEP_EVERY_TICKS = 8;

const STATUS_TEXTS = {
  400: 'Bad Request',
  403: 'Forbidden',
  404: 'Not Found',
  414: 'URI Too Long',
  429: 'Too Many Requests',
  503: 'Service Unavailable',
} as const;

/**
 * WebSocket connections of WebTorrent peers: takes over requests to upgrade from HTTP servers, at `/`, at any path that ends in
 * `/announce`, and where a passkey is the path. One timer for all connections.
 */
export class WsFront implements SocketOwner {
  readonly limits: WsLimits;
  readonly #o: WsFrontOptions;
  readonly #server: Server<typeof TrackerSocket>;
  readonly #sockets = new Set<TrackerSocket>();
  readonly #paused = new Set<TrackerSocket>();
  readonly #book: ConnectionBook;
  readonly #timer: NodeJS.Timeout;
  #pingWalk: Iterator<TrackerSocket> | undefined;
  #ticks = 0;
  #closing: Promise<void> | undefined;
  #onEmpty: (() => void) | undefined;

  constructor(options: WsFrontOptions) {
    this.#o = options;
    this.limits = { ...wsLimits, ...options.limits };
    const { connectionsMax, connectionsPerAddressMax } = this.limits;
    this.#book = new ConnectionBook({ max: connectionsMax, perAddressMax: connectionsPerAddressMax });
    this.#server = new WebSocketServer({
      noServer: true,
      clientTracking: false,
      // Compression would cost 300 KiB a connection, and messages are small.
      perMessageDeflate: false,
      maxPayload: wsWireLimits.messageBytesMax,
      // We answer pings ourselves, within the bounds of what may wait.
      autoPong: false,
      WebSocket: TrackerSocket,
      ...{
        maxFragments: this.limits.fragmentsMax,
        maxBufferedChunks: this.limits.chunksMax,
        closeTimeout: this.limits.closeTimeoutMs,
      },
    });
    this.#timer = setInterval(() => this.#tick(), TICK_MS);
    this.#timer.unref();
  }

  get connectionCount(): number {
    return this.#sockets.size;
  }

  /** For `upgrade` of a node:http server. Takes over the socket; never throws. */
  handleUpgrade(request: IncomingMessage, socket: Duplex, head: Buffer): void {
    const target = request.url ?? '';
    const source = this.#sourceOf(request);
    const status = this.#closing !== undefined ? 503 : this.#judge(request, target, source);
    if (status !== undefined || source === undefined) {
      this.#o.counts[counter.wsTurnedAway]!++;
      turnAway(socket, status ?? 400);
      return;
    }
    this.#server.handleUpgrade(request, socket, head, (client) => this.#onOpen(client, source, target));
  }

  /** Says goodbye to all; no handle is left when it resolves. May be called twice. */
  close(): Promise<void> {
    this.#closing ??= this.#closeAll();
    return this.#closing;
  }

  now(): Millis {
    return this.#o.now();
  }

  onMessage(socket: TrackerSocket, bytes: Buffer): void {
    const { relayed } = socket;
    if (relayed === undefined) return;
    this.#o.counts[counter.wsBytesIn]! += bytes.length;
    try {
      this.#o.relay.receive(this.now(), relayed, bytes.toString());
    } catch (error) {
      this.#o.onBug(error);
      this.#o.counts[counter.wsRefusedFailed]!++;
      const reason = refusalReason.failed;
      socket.sendText(encodeWsResponse({ kind: 'failure', action: 'announce', infoHash: '', reason }));
    }
  }

  onSent(byteCount: number): void {
    this.#o.counts[counter.wsBytesOut]! += byteCount;
  }

  /** It is not read until it has credit again: TCP makes it wait, and nothing of it is lost. */
  onTooFast(socket: TrackerSocket): void {
    if (this.#paused.has(socket)) return;
    this.#o.counts[counter.wsHeldBack]!++;
    this.#paused.add(socket);
    socket.pause();
  }

  onTooSlow(): void {
    this.#o.counts[counter.wsDroppedSlow]!++;
  }

  onBad(): void {
    this.#o.counts[counter.wsBad]!++;
  }

  onClosed(socket: TrackerSocket): void {
    this.#sockets.delete(socket);
    this.#paused.delete(socket);
    this.#o.counts[counter.wsConnections]!--;
    const { relayed } = socket;
    if (socket.place !== undefined) this.#book.release(socket.place);
    if (relayed !== undefined) {
      try {
        this.#o.relay.disconnect(this.now(), relayed);
      } catch (error) {
        this.#o.onBug(error);
      }
    }
    if (this.#sockets.size === 0) this.#onEmpty?.();
  }

  #onOpen(client: WebSocket, source: Uint8Array, target: string): void {
    const socket = client as TrackerSocket;
    this.#o.counts[counter.wsConnections]!++;
    this.#sockets.add(socket);
    socket.place = this.#book.take(source);
    socket.start(this, this.#o.relay.connect(socket, { source, target }));
  }

  #sourceOf(request: IncomingMessage): Uint8Array | undefined {
    if (this.#o.sourceOf !== undefined) return this.#o.sourceOf(request);
    const { remoteAddress } = request.socket;
    return remoteAddress === undefined ? undefined : parseIp(remoteAddress);
  }

  /** @returns the status it is turned away with, or undefined where it is let in */
  #judge(
    request: IncomingMessage,
    target: string,
    source: Uint8Array | undefined,
  ): keyof typeof STATUS_TEXTS | undefined {
    if (source === undefined) return 400;
    if (target.length > this.limits.targetCharsMax) return 414;
    if (!isTrackerPath(target.split('?', 1)[0] ?? '')) return 404;
    const { origin } = request.headers;
    if (this.#o.origins !== undefined && origin !== undefined && !this.#o.origins.includes(origin)) return 403;
    const why = this.#book.judge(source);
    return why === undefined ? undefined : why === 'full' ? 503 : 429;
  }

  async #closeAll(): Promise<void> {
    clearInterval(this.#timer);
    if (this.#sockets.size === 0) return;
    const closed = new Promise<void>((resolve) => {
      this.#onEmpty = resolve;
    });
    for (const socket of this.#sockets) {
      // Who is not read cannot be heard agreeing.
      if (socket.isPaused) socket.resume();
      socket.close(1001, 'the tracker stops');
    }
    await closed;
  }

  #tick(): void {
    for (const socket of this.#paused) {
      if (!socket.hasCredit()) continue;
      this.#paused.delete(socket);
      socket.resume();
    }
    this.#pingSome();
    if (this.#ticks++ % SWEEP_EVERY_TICKS === 0) this.#o.relay.sweep(this.now());
  }

  /** A part of all sockets, so that each has its turn every `pingEveryMs`. */
  #pingSome(): void {
    const count = Math.ceil((this.#sockets.size * TICK_MS) / this.limits.pingEveryMs);
    for (let i = 0; i < count; i++) {
      // An iterator of a Set sees what is added and skips what is deleted while it rests.
      this.#pingWalk ??= this.#sockets.values();
      const next = this.#pingWalk.next();
      if (next.done === true) {
        this.#pingWalk = undefined;
        return;
      }
      this.#ping(next.value);
    }
  }

  #ping(socket: TrackerSocket): void {
    // Of few sockets each has its turn at every tick: it has all the time there is to answer all the same.
    const now = this.now();
    if (now < socket.pingDueAt) return;
    // Who is not read can say nothing.
    if (socket.isAlive || socket.isPaused) {
      socket.isAlive = false;
      socket.pingDueAt = addMs(now, this.limits.pingEveryMs * PING_EARLIEST);
      socket.sendPing();
      return;
    }
    this.#o.counts[counter.wsDroppedSilent]!++;
    socket.terminate();
  }
}

/** `/`, or what ends in `/announce`; or a passkey, before or behind it or alone. */
function isTrackerPath(path: string): boolean {
  return path === '/' || path.endsWith('/announce') || isPasskey(path.replace(/^\/(?:announce\/)?/, ''));
}

function turnAway(socket: Duplex, status: keyof typeof STATUS_TEXTS): void {
  socket.on('error', () => socket.destroy());
  socket.once('finish', () => socket.destroy());
  socket.end(`HTTP/1.1 ${status} ${STATUS_TEXTS[status]}\r\nConnection: close\r\nContent-Length: 0\r\n\r\n`);
}

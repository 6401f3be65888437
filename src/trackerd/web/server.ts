import { createServer, type IncomingMessage, type Server, ServerResponse } from 'node:http';
import type { Socket } from 'node:net';
import type { Duplex } from 'node:stream';
import { getRequestListener } from '@hono/node-server';
import { webLimits } from '../limits.ts';
import type { TrackerWeb } from './app.ts';

export interface WebServerOptions {
  readonly web: Pick<TrackerWeb, 'fetch'>;
  /** Whether this request is within what its sender may ask of the pages; without it, all are. */
  readonly admits?: (request: IncomingMessage) => boolean;
  /** Answers announces of clients that mix them with pages on one connection. @returns false where a request is for the pages */
  readonly answer?: (request: IncomingMessage, response: ServerResponse) => boolean;
  /** A WebSocket upgrade, for any path; without it upgrades are refused. */
  readonly onUpgrade?: (request: IncomingMessage, socket: Duplex, head: Buffer) => void;
  readonly headBytesMax: number;
}

/** How often connections are looked through. */
const CHECK_MS = 1_000;

/**
 * The HTTP server of pages, API and WebSocket upgrades. It listens nowhere itself: it is given sockets, by a listener of its own or by
 * the one that answers announces. `node:http` looks after slow requests only where it listens itself, so that is done here.
 */
export class WebServer {
  readonly #server: Server;
  /** When each socket that waits for a request is dropped, in milliseconds of `performance`; undefined while one is answered. */
  readonly #sockets = new Map<Socket, number | undefined>();
  /** Requests of a connection that are not answered yet. */
  readonly #waiting = new WeakMap<Socket, number>();
  readonly #timer: NodeJS.Timeout;

  constructor(options: WebServerOptions) {
    const listener = getRequestListener((request, env) => options.web.fetch(request, env), {
      overrideGlobalObjects: false,
    });
    this.#server = createServer({ maxHeaderSize: options.headBytesMax, noDelay: true });
    this.#server.timeout = webLimits.idleTimeoutMs;
    this.#server.keepAliveTimeout = webLimits.idleTimeoutMs;
    this.#server.on('request', (request, response) => {
      if (!this.#takeTurn(request.socket, response)) return;
      // HTTP/1.0 need not name a host: health checks of load balancers do not.
      request.headers.host ??= 'localhost';
      // A body has the same deadline; once all is here the answer may take its time.
      if (hasBody(request)) request.once('end', () => this.#expectNothing(request.socket));
      else this.#expectNothing(request.socket);
      if (request.url?.startsWith('/api/') === true) request.socket.setTimeout(webLimits.apiAnswerTimeoutMs);
      response.once('finish', () => this.#expectRequest(request.socket));
      if (options.answer?.(request, response) === true) return;
      if (options.admits?.(request) === false)
        response.writeHead(429, { 'retry-after': '60' }).end('too many requests\n');
      else void listener(request, response);
    });
    this.#server.on('upgrade', (request, socket, head) => {
      if (request.headers.upgrade?.toLowerCase() !== 'websocket') return this.#answerAsUsual(request, socket);
      if (options.onUpgrade === undefined) {
        socket.end('HTTP/1.1 501 Not Implemented\r\nConnection: close\r\n\r\n');
        return;
      }
      this.#sockets.delete(request.socket);
      options.onUpgrade(request, socket, head);
    });
    this.#server.on('clientError', (_error, socket) => {
      if (socket.writable) socket.end('HTTP/1.1 400 Bad Request\r\nConnection: close\r\n\r\n');
      else socket.destroy();
    });
    this.#timer = setInterval(() => this.dropSlow(performance.now()), CHECK_MS);
    this.#timer.unref();
  }

  get connectionCount(): number {
    return this.#sockets.size;
  }

  /** Takes over a socket; bytes already read have been given back with `unshift`, and nobody else listens to it. */
  give(socket: Socket): void {
    this.#sockets.set(socket, this.#deadline());
    socket.once('close', () => this.#sockets.delete(socket));
    this.#server.emit('connection', socket);
  }

  /** Drops connections whose next request is not there in time. @param now milliseconds of `performance` */
  dropSlow(now: number): void {
    for (const [socket, deadline] of [...this.#sockets])
      if (deadline !== undefined && now >= deadline) socket.destroy();
  }

  /** Drops every connection that is not an upgraded one. */
  close(): void {
    clearInterval(this.#timer);
    for (const socket of [...this.#sockets.keys()]) socket.destroy();
  }

  /**
   * Other upgrades may be passed over (RFC 9110, 7.8): clients of Java offer `h2c` with every request. Node has let go of the connection
   * by now, so it ends with the answer; a body is not read any more.
   */
  #answerAsUsual(request: IncomingMessage, socket: Duplex): void {
    if (hasBody(request)) {
      socket.end('HTTP/1.1 501 Not Implemented\r\nConnection: close\r\n\r\n');
      return;
    }
    const response = new ServerResponse(request);
    response.shouldKeepAlive = false;
    response.assignSocket(socket as Socket);
    response.once('finish', () => socket.end());
    this.#server.emit('request', request, response);
  }

  /**
   * Requests sent without waiting for answers are all there at once, thousands in one packet, and Node has every one of them worked on:
   * whoever sends more than a few is dropped, and what its packet still holds is passed over.
   */
  #takeTurn(socket: Socket, response: ServerResponse): boolean {
    if (socket.destroyed) return false;
    const waiting = (this.#waiting.get(socket) ?? 0) + 1;
    if (waiting > webLimits.pipelinedMax) {
      socket.destroy();
      return false;
    }
    this.#waiting.set(socket, waiting);
    response.once('close', () => this.#waiting.set(socket, (this.#waiting.get(socket) ?? 1) - 1));
    return true;
  }

  #deadline(): number {
    return performance.now() + webLimits.requestTimeoutMs;
  }

  #expectNothing(socket: Socket): void {
    if (this.#sockets.has(socket)) this.#sockets.set(socket, undefined);
  }

  #expectRequest(socket: Socket): void {
    if (this.#sockets.has(socket)) this.#sockets.set(socket, this.#deadline());
  }
}

function hasBody({ headers }: IncomingMessage): boolean {
  return Number(headers['content-length'] ?? 0) > 0 || headers['transfer-encoding'] !== undefined;
}

import type { IncomingMessage } from 'node:http';
import type { Socket } from 'node:net';
import { formatIp, parseIp } from '../base/index.ts';
import { findForwardedClientIn } from './http/forwarded.ts';
import { Networks } from './http/networks.ts';

const LOOPBACK = Uint8Array.of(127, 0, 0, 1);

/** Who sent a request that node:http has read: the socket's other end, or whom a trusted reverse proxy names. */
export class RequestSource {
  readonly #trusted: Networks;
  /** Who connects through a Unix socket is a reverse proxy on this machine. */
  readonly #local = new WeakSet<Socket>();

  constructor(trustedProxies: readonly string[]) {
    this.#trusted = new Networks(trustedProxies);
  }

  /** Notes a connection of a Unix socket: it has no address to be known by. */
  addLocal(socket: Socket): void {
    this.#local.add(socket);
  }

  /** @returns 4 or 16 bytes; undefined where the connection is gone already */
  of(request: IncomingMessage): Uint8Array | undefined {
    const isLocal = this.#local.has(request.socket);
    const near = isLocal ? LOOPBACK : parseIp(request.socket.remoteAddress ?? '');
    if (near === undefined || !(isLocal || this.#trusted.has(near))) return near;
    return findForwardedClientIn(request.headers, this.#trusted) ?? near;
  }

  /** The same as text, `unknown` where there is none. */
  textOf(request: IncomingMessage): string {
    const source = this.of(request);
    return source === undefined ? 'unknown' : formatIp(source);
  }
}

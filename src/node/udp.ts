import { createSocket, type Socket } from 'node:dgram';
import type { AddressInfo } from 'node:net';
import { isIpv6, type PeerAddress } from '../base/index.ts';
import { toListenError } from './net-error.ts';

export interface UdpHandlers {
  /** @param bytes the datagram, the handler's own. @param from IPv4-mapped senders appear as IPv4, IPv6 zones are dropped */
  onDatagram(bytes: Uint8Array, from: PeerAddress): void;
  /** A datagram could not be sent; `what` is the system's code, e.g. ENETUNREACH. */
  onSendFailed?(to: PeerAddress, what: string): void;
}

/** One UDP socket. The seam behind which batched system calls can come later. */
export interface UdpSocket {
  readonly local: PeerAddress;
  /** Fire and forget; takes the bytes. Goes to IPv4 addresses also from a dual-stack IPv6 socket. */
  send(bytes: Uint8Array, to: PeerAddress): void;
  /** Nothing is delivered once this has resolved. */
  close(): Promise<void>;
}

export interface UdpOptions {
  readonly host: string;
  /** 0 = any. */
  readonly port: number;
  readonly handlers: UdpHandlers;
  /** An IPv6 socket takes IPv4 too unless this is set. */
  readonly ipv6Only?: boolean;
  /** False: this socket alone does not keep the process alive. Default true. */
  readonly keepsAlive?: boolean;
  /** Asked of the system, which may give less; a tracker's bursts need more than the default. */
  readonly receiveBufferBytes?: number;
}

/** @throws BtError `net/port-in-use`, `net/listen` */
export async function openUdp(options: UdpOptions): Promise<UdpSocket> {
  const isSix = isIpv6(options.host);
  const socket = createSocket({
    type: isSix ? 'udp6' : 'udp4',
    ipv6Only: options.ipv6Only ?? false,
    // Addresses here are always numeric: without this every send would go through name resolution, a turn of the event loop later.
    lookup: (host, _options, done) => done(null, host, isSix ? 6 : 4),
  });
  try {
    await bind(socket, options);
  } catch (error) {
    socket.close();
    throw toListenError(error, options);
  }
  if (options.keepsAlive === false) socket.unref();
  return new DgramSocket(socket, { isSix, handlers: options.handlers });
}

function bind(socket: Socket, at: UdpOptions): Promise<void> {
  return new Promise((resolve, reject) => {
    socket.once('error', reject);
    socket.bind({ address: at.host, port: at.port, exclusive: true }, () => {
      socket.off('error', reject);
      try {
        if (at.receiveBufferBytes !== undefined) socket.setRecvBufferSize(at.receiveBufferBytes);
      } catch {
        // The system's own size serves as well, only with more loss in bursts.
      }
      resolve();
    });
  });
}

class DgramSocket implements UdpSocket {
  readonly local: PeerAddress;
  readonly #socket: Socket;
  readonly #isSix: boolean;
  readonly #handlers: UdpHandlers;
  #isClosed = false;

  constructor(socket: Socket, options: { isSix: boolean; handlers: UdpHandlers }) {
    this.#socket = socket;
    this.#isSix = options.isSix;
    this.#handlers = options.handlers;
    const { address, port } = socket.address() as AddressInfo;
    this.local = { host: address, port };
    socket.on('message', (bytes, from) => {
      if (!this.#isClosed) this.#handlers.onDatagram(bytes, { host: toPlainHost(from.address), port: from.port });
    });
    // Errors of single datagrams come to the callbacks of send; what arrives here concerns none of them and the socket goes on.
    socket.on('error', () => {});
  }

  send(bytes: Uint8Array, to: PeerAddress): void {
    if (this.#isClosed) return;
    const host = this.#isSix && !isIpv6(to.host) ? `::ffff:${to.host}` : to.host;
    const done = (error: Error | null): void => {
      if (error !== null && !this.#isClosed) this.#handlers.onSendFailed?.(to, codeOf(error));
    };
    try {
      this.#socket.send(bytes, to.port, host, done);
    } catch (error) {
      // Port 0, or an IPv6 address on an IPv4 socket: as undeliverable as any other.
      queueMicrotask(() => done(error as Error));
    }
  }

  close(): Promise<void> {
    if (this.#isClosed) return Promise.resolve();
    this.#isClosed = true;
    return new Promise((resolve) => this.#socket.close(() => resolve()));
  }
}

function codeOf(error: Error): string {
  return (error as NodeJS.ErrnoException).code ?? error.message;
}

/** The system writes addresses canonically already; only mapping and zone need care. */
function toPlainHost(host: string): string {
  if (host.startsWith('::ffff:') && host.includes('.')) return host.slice(7);
  const zoneAt = host.indexOf('%');
  return zoneAt < 0 ? host : host.slice(0, zoneAt);
}

import type { PeerAddress, Rng } from '../../base/index.ts';
import type { CloseReason } from '../../wire/index.ts';
import type { SimWorld } from '../world.ts';
import type { Line } from './line.ts';
import type { ChunkPool, Downlink, Uplink } from './link.ts';

/** One end of a connection, as its owner sees it. */
export interface Socket {
  readonly id: number;
  readonly local: PeerAddress;
  readonly remote: PeerAddress;
  readonly state: 'dialing' | 'open' | 'closing' | 'closed';
  /** Payload and control bytes of this end. */
  readonly sentBytes: number;
  readonly readBytes: number;
  /** Bytes the owner wrote that have not left this host. */
  readonly queuedBytes: number;
  /** @param bytes kept until onWritten(ticket) or the end; @param ticket below 0: nobody asks */
  write(bytes: Uint8Array, ticket?: number): void;
  setReading(on: boolean): void;
  /** Ends the connection after what was written is flushed. */
  close(): void;
  /** Ends the connection at once; the other end sees a reset. */
  abort(): void;
}

/** What the owner of a socket hears. Never called from inside a call of the owner. */
export interface SocketEvents {
  onConnected(socket: Socket): void;
  /** @param bytes borrowed until the call returns, then filled with POISON */
  onBytes(socket: Socket, bytes: Uint8Array): void;
  /** @param ticket as given to `write` */
  onWritten(socket: Socket, ticket: number): void;
  /** The end, unless the owner closed: then nothing but onWritten comes. */
  onClosed(socket: Socket, reason: CloseReason): void;
}

/** What a socket needs of the host it lives on. */
export interface SocketPlace {
  readonly up: Uplink;
  readonly down: Downlink;
  readonly line: Line;
  readonly isUp: boolean;
  /** What one read brings at most. */
  readonly readBytesMax: number;
  /** Hosts of different groups cannot hear each other. */
  readonly group: number;
  forget(socket: Socket): void;
}

/** What all sockets of a network share. */
export interface SocketFabric {
  readonly world: SimWorld;
  readonly rng: Rng;
  readonly pool: ChunkPool;
  /** Bytes that were put on a line, and that reached a reader. */
  sentBytes: number;
  readBytes: number;
  /** Bytes that nobody was there to read. */
  lostBytes: number;
  /** Bytes that were written, but never sent because the connection ended. */
  unsentBytes: number;
  /** Of `readBytes`: those that came together with the end, of which it cannot be said how many the reader still took. */
  cutBytes: number;
}

export const socketLimits = {
  /** Most bytes under way on one connection. */
  windowBytesMax: 4_194_304,
  /** With which a connection begins. */
  windowBytesMin: 32_768,
  /** Queue a receiver's line may build up. */
  queueMs: 250,
  /** A closed connection whose last bytes cannot be delivered is given up. */
  flushMs: 10_000,
  /** A connection whose bytes are not acknowledged is reported as dead, as kernels do after many repeats. */
  giveUpMs: 300_000,
  /** TCP's shortest repeat. */
  repeatMs: 200,
} as const;

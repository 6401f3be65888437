import { addMs, type Millis } from '../../base/index.ts';
import type { SimWorld } from '../world.ts';

/** Part of a byte stream on its way. Buffers are pooled: whoever holds a chunk gives it back when its bytes have been read. */
export interface Chunk {
  readonly bytes: Uint8Array;
  /** The part of `bytes` that is still to be read: at .. end-1. */
  at: number;
  end: number;
  /** Place in its stream: 0 is the first chunk. */
  order: number;
  /** Nothing follows: the sender has closed. Has no bytes. */
  isLast: boolean;
}

/** Filled into buffers that were given back: whoever still reads them sees this and not yesterday's data. */
export const POISON = 0xdb;

/** Largest chunk; one event carries it over each link. */
export const CHUNK_BYTES_MAX = 65_536;

/** Buffer sizes: a HAVE must not hold 64 KiB while it travels. */
const SIZES = [512, 20_480, CHUNK_BYTES_MAX] as const;

export class ChunkPool {
  readonly #free: Chunk[][] = SIZES.map(() => []);
  #outCount = 0;

  /** Chunks that were taken and not given back. */
  get outCount(): number {
    return this.#outCount;
  }

  /** @param length at most CHUNK_BYTES_MAX */
  take(length: number): Chunk {
    this.#outCount++;
    const size = SIZES.findIndex((bytes) => bytes >= length);
    const chunk = this.#free[size]?.pop() ?? {
      bytes: new Uint8Array(SIZES[size] as number),
      at: 0,
      end: 0,
      order: 0,
      isLast: false,
    };
    chunk.at = 0;
    chunk.end = 0;
    chunk.isLast = false;
    return chunk;
  }

  give(chunk: Chunk): void {
    this.#outCount--;
    this.#free[SIZES.indexOf(chunk.bytes.length as (typeof SIZES)[number])]?.push(chunk);
  }
}

/** One direction of one connection, as its uplink sees it. */
export interface Flow {
  isQueued: boolean;
  /** @returns undefined where nothing may be sent now; the flow asks again with `enqueue` when that changes */
  takeChunk(): Chunk | undefined;
  /** The chunk has left the line. */
  launch(chunk: Chunk): void;
  canSend(): boolean;
}

/** A host's way out: one chunk at a time, flows in turn, so that connections share the line evenly. */
export class Uplink {
  readonly #world: SimWorld;
  readonly #turns: Flow[] = [];
  #bytesPerSec: number;
  #isBusy = false;
  #isCalled = false;

  constructor(world: SimWorld, bytesPerSec: number) {
    this.#world = world;
    this.#bytesPerSec = bytesPerSec;
  }

  get bytesPerSec(): number {
    return this.#bytesPerSec;
  }
  set bytesPerSec(value: number) {
    this.#bytesPerSec = value;
  }

  /** Bytes sent at a turn: 20 ms of the line, so that a message never waits long behind another connection's data. */
  get quantum(): number {
    return Math.floor(Math.min(CHUNK_BYTES_MAX, Math.max(2048, this.#bytesPerSec / 50)));
  }

  /** What a connection's send buffer holds beyond the user's: 100 ms of the line. */
  get bufferBytes(): number {
    return Math.min(262_144, Math.max(16_384, this.#bytesPerSec / 10));
  }

  enqueue(flow: Flow): void {
    if (flow.isQueued) return;
    flow.isQueued = true;
    this.#turns.push(flow);
    if (this.#isBusy || this.#isCalled) return;
    // Not now: what is written in one turn goes out together.
    this.#isCalled = true;
    this.#world.after(0, 'net.turn', () => {
      this.#isCalled = false;
      this.#pump();
    });
  }

  #pump(): void {
    while (!this.#isBusy) {
      const flow = this.#turns.shift();
      if (flow === undefined) return;
      flow.isQueued = false;
      const chunk = flow.takeChunk();
      if (chunk === undefined) continue;
      if (this.#bytesPerSec === Number.POSITIVE_INFINITY) this.#finish(flow, chunk);
      else this.#serialise(flow, chunk);
    }
  }

  #serialise(flow: Flow, chunk: Chunk): void {
    this.#isBusy = true;
    this.#world.after(((chunk.end - chunk.at) * 1000) / this.#bytesPerSec, 'net.sent', () => {
      this.#isBusy = false;
      this.#finish(flow, chunk);
      this.#pump();
    });
  }

  #finish(flow: Flow, chunk: Chunk): void {
    flow.launch(chunk);
    if (!flow.isQueued && flow.canSend()) {
      flow.isQueued = true;
      this.#turns.push(flow);
    }
  }
}

/** A host's way in: chunks in the order of their arrival. Windows (see SimSocket) keep the queue to about 250 ms. */
export class Downlink {
  readonly #world: SimWorld;
  #bytesPerSec: number;
  #freeAt = 0 as Millis;
  /** Connections with bytes on their way to this host. */
  flowCount = 0;

  constructor(world: SimWorld, bytesPerSec: number) {
    this.#world = world;
    this.#bytesPerSec = bytesPerSec;
  }

  get bytesPerSec(): number {
    return this.#bytesPerSec;
  }
  set bytesPerSec(value: number) {
    this.#bytesPerSec = value;
  }

  /** @returns when a chunk that arrives now has come through */
  reserve(length: number): Millis {
    const now = this.#world.now;
    if (this.#bytesPerSec === Number.POSITIVE_INFINITY) return now;
    const from = Math.max(now, this.#freeAt) as Millis;
    this.#freeAt = addMs(from, (length * 1000) / this.#bytesPerSec);
    return this.#freeAt;
  }
}

import type { BtError, CryptoPort, Millis, Rng } from '../../base/index.ts';
import type { Info } from '../../metainfo/index.ts';
import type { SimEvent, SimWorld } from '../world.ts';
import type { TransferBuffer } from './buffers.ts';
import type { Content } from './content.ts';
import { StoreImage } from './image.ts';
import { type PieceTruth, Verifier } from './verify.ts';

/** A torrent whose bytes the simulator can make; others are stored as they come. */
export interface KnownTorrent {
  readonly content: Content;
  readonly truth: PieceTruth;
}

export interface DiskSpeed {
  readonly latencyMs: number;
  /** Answers of different jobs may change their order within this time. */
  readonly reorderMs: number;
  readonly bytesPerSec: number;
}

/** What is wrong with a disk. Rates are shares of jobs. */
export interface DiskFaults {
  readErrorRate: number;
  writeErrorRate: number;
  /** A bit of what was written or read is wrong, and nobody says so. */
  flipOnWriteRate: number;
  flipOnReadRate: number;
  /** Every write is refused. */
  isReadOnly: boolean;
  /** Every write is refused with this. */
  writeError: BtError | undefined;
  openError: BtError | undefined;
  /** Stores stay where they are, with this. */
  moveError: BtError | undefined;
}

export interface DiskOptions {
  readonly crypto: CryptoPort;
  /** By `torrentKey`. */
  readonly torrents: ReadonlyMap<string, KnownTorrent>;
  readonly speed?: Partial<DiskSpeed>;
  readonly transfer?: TransferBuffer | undefined;
}

const DEFAULT_SPEED: DiskSpeed = { latencyMs: 0.5, reorderMs: 2, bytesPerSec: 200 * 1_048_576 };

/** Names a torrent on a disk and in a world. */
export function torrentKey(info: Pick<Info, 'hashV1' | 'hashV2'>): string {
  return info.hashV1 ?? (info.hashV2 as string);
}

/** A disk: its images outlive the processes that use it; one queue, served in order. */
export class SimDisk {
  readonly world: SimWorld;
  readonly rng: Rng;
  readonly verifier: Verifier;
  readonly transfer: TransferBuffer | undefined;
  readonly images: Map<string, StoreImage> = new Map();
  /** .torrent files that the session's state keeps, by info-hash. */
  readonly torrentFiles: Map<string, Uint8Array> = new Map();
  readonly faults: DiskFaults = {
    readErrorRate: 0,
    writeErrorRate: 0,
    flipOnWriteRate: 0,
    flipOnReadRate: 0,
    isReadOnly: false,
    writeError: undefined,
    openError: undefined,
    moveError: undefined,
  };
  speed: DiskSpeed;
  capacityBytes: number = Number.POSITIVE_INFINITY;
  readonly #torrents: ReadonlyMap<string, KnownTorrent>;
  #freeAt = 0 as Millis;

  constructor(world: SimWorld, label: string, options: DiskOptions) {
    this.world = world;
    this.rng = world.rng.fork(`disk ${label}`);
    this.verifier = new Verifier(options.crypto);
    this.transfer = options.transfer;
    this.speed = { ...DEFAULT_SPEED, ...options.speed };
    this.#torrents = options.torrents;
  }

  get freeBytes(): number {
    let used = 0;
    for (const image of this.images.values()) used += image.usedBytes;
    return this.capacityBytes - used;
  }

  /** The image of a torrent; an empty one where there was none. */
  image(info: Info): StoreImage {
    const key = torrentKey(info);
    let image = this.images.get(key);
    if (image === undefined) {
      image = new StoreImage(info, this.#torrents.get(key)?.content);
      this.images.set(key, image);
    }
    return image;
  }

  truthOf(info: Info): PieceTruth | undefined {
    return this.#torrents.get(torrentKey(info))?.truth;
  }

  /** Puts finished pieces there, as if they had been downloaded long ago. @param pieces all where left out */
  fill(info: Info, pieces?: Iterable<number>): StoreImage {
    const image = this.image(info);
    const at = this.world.wallMs - 86_400_000;
    for (const piece of pieces ?? Array.from({ length: info.pieceCount }, (_, i) => i)) image.writeWhole(piece, at);
    return image;
  }

  /** The machine lost power. */
  losePower(): void {
    for (const image of this.images.values()) image.losePower(this.rng, this.world.wallMs);
  }

  /** One job: it takes its turn, then its time, then has its effect. */
  queue(label: string, bytes: number, effect: () => void): SimEvent {
    const { world, speed } = this;
    const begins = Math.max(world.now, this.#freeAt);
    this.#freeAt = (begins + speed.latencyMs + (bytes * 1000) / speed.bytesPerSec) as Millis;
    return world.at(this.#freeAt, label, effect);
  }

  /** True for this share of calls. */
  happens(rate: number): boolean {
    return rate > 0 && this.rng.unit() < rate;
  }
}

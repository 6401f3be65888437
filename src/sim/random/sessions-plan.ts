import { type Rng, seededRng } from '../../base/index.ts';
import type { TorrentFormat } from '../../metainfo/index.ts';
import type { LineName } from '../net/line.ts';
import { chance, logBetween, pick } from './draws.ts';

/**
 * Random sessions as plain data: machines with several torrents each, that share buffers, connections, limits and places in the queue. The
 * first machine has everything and nothing happens to it, so every other one must get all of its torrents.
 */
export interface SessionsPlan {
  readonly seed: number;
  readonly torrents: readonly {
    readonly format: TorrentFormat;
    readonly files: readonly number[];
    readonly pieceLength: number;
  }[];
  readonly machines: readonly MachinePlan[];
  readonly troubles: readonly SessionsTrouble[];
}

export interface MachinePlan {
  readonly line: LineName;
  readonly startMs: number;
  /** By index: what it wants. */
  readonly torrents: readonly number[];
  /** Budget of piece buffers, bytes. */
  readonly pieceBytesMax?: number;
  /** Bytes per second for the whole session. */
  readonly uploadLimit?: number;
  readonly downloadLimit?: number;
  /** Downloads at work at a time. */
  readonly activeDownloads?: number;
}

/** `machine`, `torrent`: by index; the torrent of a machine that has it not is nobody's. */
export type SessionsTrouble =
  | { readonly kind: 'kill'; readonly machine: number; readonly atMs: number; readonly forMs: number }
  | {
      readonly kind: 'disk-errors';
      readonly machine: number;
      readonly readRate: number;
      readonly writeRate: number;
      readonly atMs: number;
      readonly forMs: number;
    }
  | { readonly kind: 'disk-full'; readonly machine: number; readonly atMs: number; readonly forMs: number }
  /** The user pauses a torrent, or removes it and adds it again. */
  | {
      readonly kind: 'pause' | 'remove';
      readonly machine: number;
      readonly torrent: number;
      readonly atMs: number;
      readonly forMs: number;
    }
  | { readonly kind: 'recheck' | 'first'; readonly machine: number; readonly torrent: number; readonly atMs: number }
  /** Limits of one torrent, bytes per second. */
  | {
      readonly kind: 'rates';
      readonly machine: number;
      readonly torrent: number;
      readonly upload: number;
      readonly download: number;
      readonly atMs: number;
    };

const KIB = 1024;
const MIB = 1024 * KIB;

export function drawSessionsPlan(seed: number): SessionsPlan {
  const rng = seededRng(seed).fork('sessions');
  const torrents = Array.from({ length: 2 + rng.below(4) }, () => ({
    format: pick(rng, ['v1', 'v2', 'hybrid'] as const),
    files: Array.from({ length: 1 + rng.below(3) }, () => logBetween(rng, 16 * KIB, 600 * KIB)),
    pieceLength: 16_384 * 2 ** rng.below(4),
  }));
  const all = torrents.map((_, i) => i);
  const machines: MachinePlan[] = [
    { line: pick(rng, ['fibre', 'cable'] as const), startMs: 0, torrents: all },
    ...Array.from({ length: 1 + rng.below(3) }, () => drawMachine(rng, all)),
  ];
  const troubles = Array.from({ length: rng.below(9) }, () => drawTrouble(rng, machines.length, torrents.length));
  return { seed, torrents, machines, troubles };
}

function drawMachine(rng: Rng, all: readonly number[]): MachinePlan {
  const some = all.filter(() => chance(rng, 0.7));
  return {
    line: pick(rng, ['fibre', 'cable', 'dsl', 'mobile'] as const),
    startMs: rng.below(3000),
    torrents: some.length > 0 ? some : all,
    // From less than a single piece to several of each torrent.
    ...(chance(rng, 0.8) ? { pieceBytesMax: logBetween(rng, 16 * KIB, MIB) } : {}),
    ...(chance(rng, 0.25) ? { uploadLimit: logBetween(rng, 16 * KIB, MIB) } : {}),
    ...(chance(rng, 0.25) ? { downloadLimit: logBetween(rng, 32 * KIB, MIB) } : {}),
    ...(chance(rng, 0.25) ? { activeDownloads: 1 + rng.below(3) } : {}),
  };
}

function drawTrouble(rng: Rng, machineCount: number, torrentCount: number): SessionsTrouble {
  const at = {
    machine: 1 + rng.below(machineCount - 1),
    atMs: logBetween(rng, 300, 60_000),
  };
  const forMs = logBetween(rng, 200, 30_000);
  const torrent = rng.below(torrentCount);
  const kind = pick(rng, [
    'kill',
    'disk-errors',
    'disk-errors',
    'disk-full',
    'pause',
    'pause',
    'remove',
    'recheck',
    'first',
    'rates',
  ] as const);
  switch (kind) {
    case 'kill':
    case 'disk-full':
      return { kind, ...at, forMs };
    case 'disk-errors': {
      const rate = () => (chance(rng, 0.3) ? 0 : logBetween(rng, 20, 1000) / 1000);
      return { kind, ...at, forMs, readRate: rate(), writeRate: rate() };
    }
    case 'pause':
    case 'remove':
      return { kind, ...at, forMs, torrent };
    case 'recheck':
    case 'first':
      return { kind, ...at, torrent };
    case 'rates':
      return {
        kind,
        ...at,
        torrent,
        upload: logBetween(rng, 16 * KIB, MIB),
        download: logBetween(rng, 16 * KIB, MIB),
      };
  }
}

/** When the last trouble is over. */
export function sessionsEndMs({ machines, troubles }: SessionsPlan): number {
  const starts = machines.map((machine) => machine.startMs);
  const ends = troubles.map((trouble) => trouble.atMs + ('forMs' in trouble ? trouble.forMs : 0));
  return Math.max(0, ...starts, ...ends);
}

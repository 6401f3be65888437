/** How a scripted peer behaves, as data. */
export interface PeerTraits {
  /** What it really has. */
  readonly has: 'all' | 'none' | readonly number[];
  /** What it says it has: `all` is a lie where it has less. */
  readonly claims: 'truth' | 'all';
  readonly unchokes: boolean;
  /** Between a request and its block; `never`: it says nothing at all. */
  readonly answersAfterMs: number | 'never';
  /** Share of blocks sent with wrong bytes. */
  readonly badBlockRate: number;
  /** Whether a bad block is bad in the same way each time. */
  readonly isBadConsistently: boolean;
  /** Downloads for itself. */
  readonly takes: boolean;
  /** Connects to peers that trackers name, not only waits to be connected to. */
  readonly dials: boolean;
  readonly fast: boolean;
  readonly extensions: boolean;
  /** Sends this over and over. */
  readonly flood: 'none' | Flood;
  /** Messages of the flood a second, on each connection. */
  readonly floodPerSec: number;
}

/** `requests`: for blocks it does not want · `haves`: the same piece again · `blocks`: nobody asked for · `keep-alives`. */
export type Flood = 'requests' | 'haves' | 'blocks' | 'keep-alives';

export type PeerKind =
  | 'seeder'
  | 'leecher'
  | 'freeRider'
  | 'liar'
  | 'staller'
  | 'slowAnswerer'
  | 'requestFlooder'
  | 'haveFlooder'
  | 'blockFlooder'
  | 'keepAliveFlooder'
  | 'neverUnchoker'
  | 'haveLiar';

const seeder: PeerTraits = {
  has: 'all',
  claims: 'truth',
  unchokes: true,
  answersAfterMs: 0,
  badBlockRate: 0,
  isBadConsistently: true,
  takes: false,
  dials: true,
  fast: true,
  extensions: true,
  flood: 'none',
  floodPerSec: 0,
};

/** The kinds that scenarios name. */
export const peerKinds: Readonly<Record<PeerKind, PeerTraits>> = {
  seeder,
  leecher: { ...seeder, has: 'none', takes: true },
  freeRider: { ...seeder, has: 'none', takes: true, unchokes: false },
  liar: { ...seeder, badBlockRate: 0.25 },
  staller: { ...seeder, answersAfterMs: 'never' },
  slowAnswerer: { ...seeder, answersAfterMs: 20_000 },
  requestFlooder: { ...seeder, has: 'none', flood: 'requests', floodPerSec: 2000 },
  haveFlooder: { ...seeder, has: 'none', flood: 'haves', floodPerSec: 2000 },
  blockFlooder: { ...seeder, flood: 'blocks', floodPerSec: 20 },
  keepAliveFlooder: { ...seeder, flood: 'keep-alives', floodPerSec: 2000 },
  neverUnchoker: { ...seeder, unchokes: false },
  haveLiar: { ...seeder, has: 'none', claims: 'all' },
};

/** How a scripted peer behaves, as data. */
export interface PeerTraits {
  /** What it really has. */
  readonly has: 'all' | 'none' | readonly number[];
  /** What it says it has: `all` and `half` (what it has and every second piece) are lies where it has less. */
  readonly claims: 'truth' | 'all' | 'half';
  /** Form of its bitfield; `late`: it comes a second after a first HAVE. All but `right` are sent even where the fast extension is agreed on. */
  readonly bitfield: 'right' | 'short' | 'long' | 'spare-bits' | 'late';
  readonly unchokes: boolean;
  /** Between a request and its block; `never`: it says nothing at all. */
  readonly answersAfterMs: number | 'never';
  /** Blocks it sends on one connection before it falls silent. */
  readonly stallsAfter: number;
  /** Of every block, sends the header and one half, and then nothing more. */
  readonly isHalving: boolean;
  /** Share of blocks sent with wrong bytes. */
  readonly badBlockRate: number;
  /** Share of pieces of which every block is sent with wrong bytes. */
  readonly badPieceRate: number;
  /** Liars of one name are wrong in the same places in the same way; undefined: each in its own. */
  readonly liesLike: string | undefined;
  /** Whether a bad block is bad in the same way each time. */
  readonly isBadConsistently: boolean;
  /** Downloads for itself. */
  readonly takes: boolean;
  /** Connects to peers that trackers name, not only waits to be connected to. */
  readonly dials: boolean;
  readonly fast: boolean;
  readonly extensions: boolean;
  /** Which info-hash of a hybrid torrent it knows: one of another swarm is turned away. */
  readonly knows: 'any' | 'v1' | 'v2';
  /** How it answers requests for hashes (BEP 52): not at all, as it is, or with one byte wrong. */
  readonly hashes: 'none' | 'true' | 'false';
  /** Sends this over and over. */
  readonly flood: 'none' | Flood;
  /** Messages of the flood a second, on each connection. */
  readonly floodPerSec: number;
}

/**
 * `requests`: for blocks it does not want · `haves`: the same piece again · `false-haves`: pieces it has not · `blocks`: nobody asked for ·
 * `chokes`: choke and unchoke in turn · `interest`: interested and not interested in turn · `cancels`: of what it never asked for ·
 * `keep-alives`.
 */
export type Flood = 'requests' | 'haves' | 'false-haves' | 'blocks' | 'chokes' | 'interest' | 'cancels' | 'keep-alives';

export type PeerKind =
  | 'seeder'
  | 'leecher'
  | 'freeRider'
  | 'liar'
  | 'staller'
  | 'lateStaller'
  | 'halver'
  | 'slowAnswerer'
  | 'requestFlooder'
  | 'haveFlooder'
  | 'blockFlooder'
  | 'keepAliveFlooder'
  | 'chokeFlooder'
  | 'interestFlooder'
  | 'cancelFlooder'
  | 'neverUnchoker'
  | 'haveLiar'
  | 'bitfieldLiar'
  | 'falseHaver'
  | 'hashLiar';

const seeder: PeerTraits = {
  has: 'all',
  claims: 'truth',
  bitfield: 'right',
  unchokes: true,
  answersAfterMs: 0,
  stallsAfter: Number.POSITIVE_INFINITY,
  isHalving: false,
  badBlockRate: 0,
  badPieceRate: 0,
  liesLike: undefined,
  isBadConsistently: true,
  takes: false,
  dials: true,
  fast: true,
  extensions: true,
  knows: 'any',
  hashes: 'none',
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
  lateStaller: { ...seeder, stallsAfter: 24 },
  halver: { ...seeder, isHalving: true },
  slowAnswerer: { ...seeder, answersAfterMs: 20_000 },
  requestFlooder: { ...seeder, has: 'none', flood: 'requests', floodPerSec: 2000 },
  haveFlooder: { ...seeder, has: 'none', flood: 'haves', floodPerSec: 2000 },
  blockFlooder: { ...seeder, flood: 'blocks', floodPerSec: 20 },
  keepAliveFlooder: { ...seeder, flood: 'keep-alives', floodPerSec: 2000 },
  chokeFlooder: { ...seeder, flood: 'chokes', floodPerSec: 20 },
  interestFlooder: { ...seeder, has: 'none', flood: 'interest', floodPerSec: 200 },
  cancelFlooder: { ...seeder, has: 'none', flood: 'cancels', floodPerSec: 2000 },
  neverUnchoker: { ...seeder, unchokes: false },
  haveLiar: { ...seeder, has: 'none', claims: 'all' },
  bitfieldLiar: { ...seeder, has: 'none', claims: 'half' },
  hashLiar: { ...seeder, hashes: 'false' },
  falseHaver: { ...seeder, has: 'none', flood: 'false-haves', floodPerSec: 10 },
};

import type { Bitfield, Rng } from '../../base/index.ts';
import type { SimTorrent } from '../torrents.ts';
import type { SimWorld } from '../world.ts';
import type { WireLink } from './link.ts';
import type { PeerTraits } from './traits.ts';

/** What a scripted peer keeps of one connection. */
export interface LinkState {
  readonly link: WireLink;
  /** What the other side has said it has. */
  readonly theirs: Bitfield;
  isChokingUs: boolean;
  isInterested: boolean;
  isChokedByUs: boolean;
  fast: boolean;
  /** Ids the other side wants for extensions. */
  extensions: ReadonlyMap<string, number>;
  /** Blocks sent. */
  sentCount: number;
  /** Requests that wait for their answer. */
  readonly waiting: Set<string>;
}

/** What the parts of a scripted peer know of it. */
export interface PeerView {
  readonly world: SimWorld;
  readonly torrent: SimTorrent;
  readonly traits: PeerTraits;
  readonly rng: Rng;
  readonly have: Bitfield;
  sentBytes: number;
  /** Knows only the v1 half of a hybrid torrent: pads are bytes like others. */
  readonly isV1: boolean;
  /** A piece is whole. */
  onPiece(piece: number): void;
}

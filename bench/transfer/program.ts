import type { PeerAddress } from '#base';
import type { ContentPlan } from './content.ts';

/** What one side of a transfer is told. */
export interface SideOrder {
  /** The .torrent file; its tracker is up. */
  readonly torrentFile: string;
  /** Holds the content, or will. */
  readonly folder: string;
  /** For the program's own files; empty at the start, removed after the run. */
  readonly work: string;
}

/** A process that takes part in a transfer. */
export interface Side extends AsyncDisposable {
  readonly pid: number;
  /** Where it takes connections. */
  readonly address: PeerAddress;
  /** Connects to a leecher that cannot be told of peers. */
  dial?(peer: PeerAddress): void;
}

export interface Leecher extends Side {
  /**
   * Has it begin: adds the torrent, and tells it of those peers where the program can be told.
   * @returns when everything is verified and written: seconds since then
   */
  fetch(peers: readonly PeerAddress[]): Promise<number>;
}

/** A client that the transfer benches run, Eider or another. */
export interface TransferProgram {
  readonly name: string;
  /** Runs only where it is named: it takes very long. */
  readonly isSlow?: boolean;
  /** It dials nobody here: as a leecher it has its torrent already when `fetch` is called, and the seeder must be able to `dial`. */
  readonly isDialled?: boolean;
  /** @returns why it cannot run here, or undefined */
  missing(plan: ContentPlan): string | undefined;
  /** Seeds, without a check of the content. Resolves when peers can connect. */
  seed(order: SideOrder): Promise<Side>;
  /** Is up, and waits for `fetch`. */
  leech(order: SideOrder): Promise<Leecher>;
}

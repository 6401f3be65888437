import type { NetworkSide } from './network.ts';
import type { Program } from './program.ts';

export interface ForeignTask {
  readonly side: NetworkSide;
  /** Path of a .torrent file, or a magnet link. */
  readonly input: string;
  /** Where the data is or shall be. */
  readonly folder: string;
  /** For settings and logs; emptied by the test. */
  readonly workFolder: string;
  readonly tracker: 'http' | 'https' | 'udp';
  /** PEM file of a certificate that HTTPS trackers may have. */
  readonly trusts?: string;
  /** Of libtorrent: settings that are not its own defaults. */
  readonly settings?: Readonly<Record<string, unknown>>;
  /** All the data is there. */
  readonly isSeeder: boolean;
  /** It stays when it has everything; otherwise it may end. */
  readonly stays?: boolean;
}

/** A foreign program at work on one torrent. */
export interface ForeignRun extends AsyncDisposable {
  readonly program: Program;
  /** All the data is there; rejects when the program dies. */
  readonly complete: Promise<void>;
  /** Has it stop the torrent and go on, where it should not be ended before its tracker knows. */
  leave?(): Promise<void>;
  /** Has it announce now, without waiting for its interval, where it can be told to. */
  announce?(): Promise<void>;
  /** Has it scrape now. Others scrape by themselves, or do not. */
  scrape?(): Promise<void>;
  /** What it has to say: after a failure, and about its tracker. */
  report(): Promise<string>;
}

/** A program of somebody else. */
export interface ForeignClient {
  readonly name: string;
  /** Knows BEP 47: others keep pad files on disk like any file. */
  readonly knowsPadFiles: boolean;
  /** Otherwise empty files are missing from its downloads. */
  readonly makesEmptyFiles: boolean;
  /** Commands that must be there. */
  readonly needs: readonly string[];
  /** Of its cases: programs that mostly wait for their own timers can wait together. */
  readonly casesAtOnce: number;
  /** @returns what it makes of a .torrent file whose v1 info-hash is given, where that is not what it should: then such torrents are skipped */
  misreads?(torrentFile: string, hashV1: string): Promise<string | undefined>;
  start(task: ForeignTask): Promise<ForeignRun>;
}

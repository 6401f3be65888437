import { assert, type InfoHash, type TorrentId } from '../../base/index.ts';
import type { Info } from '../../metainfo/index.ts';
import type { CommitPiece, OpenStore, PieceExpectation } from '../../swarm/index.ts';
import type { Disk } from './disk.ts';
import { type DiskReply, type DiskRequest, packExpectations } from './protocol.ts';

/** Says where a torrent's files are: the absolute path of the parent of its name. Asked once a store. */
export type FolderOf = (torrent: TorrentId, info: Info) => string;

/** The main thread's half of every disk: turns port calls into requests. */
export abstract class DiskClient implements Disk {
  readonly #folderOf: FolderOf;
  #deliver: ((reply: DiskReply) => void) | undefined;
  #isOver = false;

  constructor(folderOf: FolderOf) {
    this.#folderOf = folderOf;
  }

  abstract readonly bufferBytes: number;
  protected abstract post(request: DiskRequest): void;
  abstract close(): Promise<void>;

  attach(deliver: (reply: DiskReply) => void): void {
    assert(this.#deliver === undefined, 'a disk has one owner');
    this.#deliver = deliver;
  }

  protected deliver(reply: DiskReply): void {
    if (!this.#isOver) this.#deliver?.(reply);
  }

  protected stopDelivery(): void {
    this.#isOver = true;
  }

  loadTorrent(torrent: TorrentId, infoHash: InfoHash): void {
    this.post({ verb: 'load', torrent, infoHash });
  }
  openStore(torrent: TorrentId, open: OpenStore): void {
    const { info, wanted } = open;
    this.post({ verb: 'open', torrent, info, wanted, folder: this.#folderOf(torrent, info) });
  }
  commit(job: CommitPiece): void {
    this.post({ verb: 'commit', job });
  }
  storeSegment(torrent: TorrentId, piece: number, offset: number, bytes: Uint8Array): void {
    this.post({ verb: 'segment', torrent, piece, offset, bytes });
  }
  readRun(torrent: TorrentId, run: number, piece: number, begin: number, length: number, into: Uint8Array): void {
    this.post({ verb: 'run', torrent, run, piece, begin, length, into });
  }
  recheck(torrent: TorrentId, first: number, expect: readonly PieceExpectation[]): void {
    this.post({ verb: 'recheck', torrent, first, expect: packExpectations(expect) });
  }
  hashLeaves(torrent: TorrentId, piece: number): void {
    this.post({ verb: 'leaves', torrent, piece });
  }
  saveResume(torrent: TorrentId, bytes: Uint8Array, final: boolean): void {
    this.post({ verb: 'save', torrent, bytes, final });
  }
  moveStore(torrent: TorrentId, folder: string): void {
    this.post({ verb: 'move', torrent, folder });
  }
  /** The place that a move has led to is remembered: until then the old one leads there, whenever the process is killed. */
  settleMove(torrent: TorrentId): void {
    this.post({ verb: 'settle', torrent });
  }
  closeStore(torrent: TorrentId): void {
    this.post({ verb: 'close', torrent });
  }
}

import { linkSync, readFileSync, renameSync, rmSync, writeFileSync } from 'node:fs';
import { uptime } from 'node:os';
import { join } from 'node:path';
import { BtError, type InfoHash } from '../base/index.ts';
import { nodeCrypto, toDiskError } from '../hash/index.ts';
import { parseTorrentFile, type TorrentFile, wrapInfo } from '../metainfo/index.ts';
import { JournaledFile, makeFolders, TorrentFolder } from '../node/index.ts';
import {
  type AddTorrent,
  decodeState,
  encodeState,
  rowKey,
  type SessionState,
  type TorrentRow,
} from '../session/index.ts';
import { toSelection } from './source.ts';
import type { Torrent } from './torrent.ts';

/** Bytes of journal that cost a start some ms. */
const journalBytesCheap = 1024 * 1024;
/** Clocks and the start of a machine are not exact; ms. */
const bootSlackMs = 10_000;

/**
 * What a session remembers between runs: a row for each torrent in `<stateDir>/session.state`, and its .torrent file in
 * `<stateDir>/torrents/`. A change costs a small append; the file is written anew now and then, and at the end. One session at a time uses
 * a folder.
 */
export class SessionMemory {
  readonly #file: JournaledFile;
  readonly #torrents: TorrentFolder;
  readonly #lockPath: string;
  readonly #stateDir: string;
  #isLocked = false;
  #hasChanged = false;

  constructor(stateDir: string) {
    this.#stateDir = stateDir;
    this.#file = new JournaledFile(join(stateDir, 'session.state'));
    this.#torrents = new TorrentFolder(stateDir);
    this.#lockPath = join(stateDir, 'session.lock');
  }

  /**
   * Takes the folder for this session, and reads what is there.
   * @throws BtError `client/invalid` where another session uses it, `swarm/state-newer`, `swarm/state-damaged`, `disk/...`
   */
  open(): TorrentRow[] {
    this.#lock();
    const { contents, entries } = this.#read();
    const rows = new Map<InfoHash, TorrentRow>();
    for (const state of [contents, ...entries]) {
      for (const hash of state?.gone ?? []) rows.delete(hash);
      for (const row of state?.rows ?? []) {
        // A magnet link of the v2 hash has become a hybrid: it was called by that hash before.
        if (row.hashV1 !== undefined && row.hashV2 !== undefined) rows.delete(row.hashV2);
        rows.set(rowKey(row), row);
      }
    }
    return [...rows.values()].sort((a, b) => a.rank - b.rank);
  }

  /** A state of no use is named with its place, since somebody has to do something about it. */
  #read(): { contents: SessionState | undefined; entries: SessionState[] } {
    try {
      return this.#file.read(decodeState);
    } catch (error) {
      for (const code of ['swarm/state-newer', 'swarm/state-damaged'] as const) {
        const what = `the state of the session in ${join(this.#stateDir, 'session.state')}`;
        if (BtError.is(error, code)) throw new BtError(code, { what }, { cause: error });
      }
      throw error;
    }
  }

  /** A torrent is new, or something worth remembering of it has changed. @throws BtError `disk/...` */
  note(torrent: Torrent, all: () => Iterable<Torrent>): void {
    const row = torrent.toRow();
    this.#append({ rows: [row], gone: [] }, all);
  }

  /** @throws BtError `disk/...` */
  forget(torrent: Torrent, all: () => Iterable<Torrent>): void {
    const hashes = [torrent.infoHashV1, torrent.infoHashV2].filter((hash) => hash !== undefined) as InfoHash[];
    this.#append({ rows: [], gone: hashes }, all);
    for (const hash of hashes) this.#torrents.remove(hash);
  }

  /** Something is different that is remembered at the end only. */
  changed(): void {
    this.#hasChanged = true;
  }

  /** Writes everything in one piece where something has changed, and gives the folder free. */
  close(all: Iterable<Torrent>): void {
    if (!this.#isLocked) return;
    try {
      if (this.#hasChanged || this.#file.journalBytes > 0) this.rewrite(all);
      this.#file.close();
    } finally {
      this.#unlock();
    }
  }

  // --- .torrent files ---

  /** @throws BtError `disk/...` */
  saveTorrent(hash: InfoHash, file: Pick<TorrentFile, 'info'> & Partial<TorrentFile>): void {
    this.#torrents.save(hash, toBytes(file));
  }

  loadTorrent(hash: InfoHash): TorrentFile | undefined {
    const bytes = this.#torrents.load(hash);
    if (bytes === undefined) return undefined;
    try {
      const file = parseTorrentFile(bytes, nodeCrypto);
      return file.info.hashV1 === hash || file.info.hashV2 === hash ? file : undefined;
    } catch {
      return undefined;
    }
  }

  #append(state: Parameters<typeof encodeState>[0], all: () => Iterable<Torrent>): void {
    this.#file.append(encodeState(state));
    if (this.#file.isWorthReplacing(journalBytesCheap)) this.rewrite(all());
  }

  /** Everything in one piece. @throws BtError `disk/...` */
  rewrite(all: Iterable<Torrent>): void {
    const rows: TorrentRow[] = [];
    for (const torrent of all) rows.push(torrent.toRow());
    this.#file.replace(encodeState({ rows, gone: [] }));
    this.#hasChanged = false;
  }

  // --- one session at a time ---

  /** The lock of a process that is no more is taken over. */
  #lock(): void {
    try {
      makeFolders(this.#stateDir, { mode: 0o700 });
    } catch (cause) {
      throw toDiskError(cause, this.#stateDir);
    }
    if (held.has(this.#lockPath)) {
      throw new BtError('client/invalid', { what: `${this.#stateDir} is in use by another session of this program` });
    }
    const boot = Math.floor(Date.now() - uptime() * 1000);
    const own = `${this.#lockPath}.${process.pid}`;
    try {
      writeFileSync(own, `${process.pid} ${boot}\n`);
      while (!linkNew(own, this.#lockPath)) this.#takeOver(`${own}.old`);
    } catch (cause) {
      throw BtError.is(cause) ? cause : toDiskError(cause, this.#lockPath);
    } finally {
      rmSync(own, { force: true });
    }
    held.add(this.#lockPath);
    this.#isLocked = true;
  }

  /**
   * Takes away the lock of a process that is no more. Of several who try it at once one gets it; whoever gets hold of the lock that another
   * has made in the meantime puts it back.
   *
   * @throws BtError `client/invalid` where its process lives
   */
  #takeOver(aside: string): void {
    this.#throwIfLives(holderOf(this.#lockPath));
    try {
      renameSync(this.#lockPath, aside);
    } catch (error) {
      if ((error as NodeJS.ErrnoException).code === 'ENOENT') return;
      throw error;
    }
    const holder = holderOf(aside);
    if (holder !== undefined) linkNew(aside, this.#lockPath);
    rmSync(aside, { force: true });
    this.#throwIfLives(holder);
  }

  #throwIfLives(holder: number | undefined): void {
    if (holder === undefined) return;
    const what = `${this.#stateDir} is in use by process ${holder}: one session at a time remembers its torrents there`;
    throw new BtError('client/invalid', { what: `${what} (if that is no Eider, remove ${this.#lockPath})` });
  }

  #unlock(): void {
    this.#isLocked = false;
    held.delete(this.#lockPath);
    rmSync(this.#lockPath, { force: true });
  }
}

/** @returns the other process that a lock names; undefined where it is no more, or the machine was started anew since */
function holderOf(lockPath: string): number | undefined {
  let text: string;
  try {
    text = readFileSync(lockPath, 'utf8');
  } catch {
    return undefined;
  }
  const [pid = 0, boot = 0] = text.split(' ').map(Number);
  // A process may have got the id of one that was killed: ours does not hold it.
  if (pid === process.pid || Math.abs(Date.now() - uptime() * 1000 - boot) > bootSlackMs) return undefined;
  try {
    process.kill(pid, 0);
    return pid;
  } catch (error) {
    return (error as NodeJS.ErrnoException).code === 'EPERM' ? pid : undefined;
  }
}

/**
 * Gives a whole file a second name, at once and for one of several who try it. Where a file system has no second names, by exclusive
 * creation.
 *
 * @returns false where the name is taken
 */
function linkNew(from: string, to: string): boolean {
  try {
    linkSync(from, to);
    return true;
  } catch (error) {
    const { code } = error as NodeJS.ErrnoException;
    if (code === 'EEXIST') return false;
    if (code !== 'EPERM' && code !== 'ENOTSUP' && code !== 'EOPNOTSUPP' && code !== 'ENOSYS') throw error;
  }
  try {
    writeFileSync(to, readFileSync(from), { flag: 'wx' });
    return true;
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code === 'EEXIST') return false;
    throw error;
  }
}

/** Folders that sessions of this process use. */
const held = new Set<string>();

/** What a row says, as the session takes it. */
export function toSource(row: TorrentRow): AddTorrent {
  const { hashV1, hashV2, wanted, picked, uploadLimit, downloadLimit, uploaded, downloaded } = row;
  return {
    ...(hashV1 === undefined ? {} : { hashV1 }),
    ...(hashV2 === undefined ? {} : { hashV2 }),
    ...(uploadLimit === undefined ? {} : { uploadLimit }),
    ...(downloadLimit === undefined ? {} : { downloadLimit }),
    ...(wanted === undefined ? {} : { select: () => wanted }),
    ...(wanted !== undefined || picked === undefined ? {} : { select: (info) => toSelection(info, picked) }),
    ...(uploaded + downloaded === 0 ? {} : { totals: { uploaded, downloaded } }),
    trackers: row.trackers,
    peers: row.peers,
    known: row.known,
    isKept: row.isKept,
    isPaused: row.isPaused,
    rank: row.rank,
  };
}

function toBytes(file: Pick<TorrentFile, 'info'> & Partial<TorrentFile>): Uint8Array {
  const { info, trackers, webSeeds, pieceLayers, comment, createdBy, creationDate } = file;
  return wrapInfo(info.bytes, {
    ...(trackers === undefined ? {} : { trackers }),
    ...(webSeeds === undefined ? {} : { webSeeds }),
    ...(info.hashV2 === undefined ? {} : { pieceLayers: pieceLayers ?? new Map() }),
    ...(comment === undefined ? {} : { comment }),
    ...(createdBy === undefined ? {} : { createdBy }),
    ...(creationDate === undefined ? {} : { creationDate }),
  });
}

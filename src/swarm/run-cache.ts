import { assert, type BtError, type ConnId, type TorrentId } from '../base/index.ts';
import { BLOCK_LENGTH } from '../metainfo/index.ts';
import { blockHeaderBytes, writeBlockHeader } from '../wire/index.ts';
import { limits } from './limits.ts';
import { PiecePool } from './piece-pool.ts';
import type { SwarmPorts } from './ports.ts';

const runBlocks = 16;

/** Payload bytes of a full run. */
export const runLength: number = runBlocks * BLOCK_LENGTH;

/** Bytes that `length` payload bytes take as piece messages: a 13-byte header before every 16 KiB (BEP 3). */
export function framedLength(length: number): number {
  return length + Math.ceil(length / BLOCK_LENGTH) * blockHeaderBytes;
}

/** A stretch of one piece in memory, already framed as piece messages: the same bytes serve every peer that asks for them. */
export interface Run {
  readonly id: number;
  readonly torrent: TorrentId;
  readonly piece: number;
  /** Offset in the piece, multiple of `runLength`. */
  readonly begin: number;
  /** Payload bytes. */
  readonly length: number;
  /** Undefined while it is being read. */
  bytes: Uint8Array | undefined;
  /** Views of it that are lent to sockets, and whoever else must not lose it. */
  pins: number;
  /** The same by connection. */
  readonly holders: Map<ConnId, number>;
  /** Told once when it is read or failed. */
  readonly waiting: ((error: BtError | undefined) => void)[];
}

/** Bytes of buffers: being read into, with views at sockets, kept; and at sockets without a buffer, copied payload and watched control messages. */
export interface RunFigures {
  readonly bytes: number;
  readonly budgetBytes: number;
  readonly freeBytes: number;
  readonly readingBytes: number;
  readonly pinnedBytes: number;
  readonly keptBytes: number;
  readonly copyBytes: number;
  readonly controlBytes: number;
}

interface Lent {
  readonly run: Run | undefined;
  /** No payload. */
  readonly isControl: boolean;
  readonly conn: ConnId;
  readonly bytes: number;
}

/**
 * What is read for upload: one read brings 16 blocks, since the neighbours of a request are asked for next. Runs stay until others need
 * their room (least recently used goes first); a run with a view at a socket is never given away.
 *
 * Owned by the session: one budget for all torrents.
 */
export class RunCache {
  readonly #ports: SwarmPorts;
  readonly #pool: PiecePool;
  /** Insertion order is age: touching re-inserts. */
  readonly #runs = new Map<string, Run>();
  readonly #byId = new Map<number, Run>();
  readonly #lent = new Map<number, Lent>();
  /** Runs of which a connection has views. */
  readonly #runsOf = new Map<ConnId, number>();
  #nextId = 1;
  #nextTicket = 1;
  #reading = 0;
  #copyBytes = 0;
  #controlBytes = 0;
  /** Forgotten while views of them are at sockets. */
  readonly #orphans = new Set<Run>();
  /** Told when a buffer may be free again. */
  readonly #roomWaiters = new Set<() => void>();

  constructor(ports: SwarmPorts, budgetBytes: number = limits.upload.runCacheBytes) {
    this.#ports = ports;
    this.#pool = new PiecePool(budgetBytes);
  }

  get lentBytes(): number {
    return this.#pool.lentBytes;
  }
  get lentViews(): number {
    return this.#lent.size;
  }
  get figures(): RunFigures {
    const size = framedLength(runLength);
    let pinned = 0;
    let kept = 0;
    for (const run of this.#runs.values()) {
      if (run.bytes === undefined) continue;
      if (run.pins > 0) pinned++;
      else kept++;
    }
    return {
      bytes: this.#pool.lentBytes,
      budgetBytes: this.#pool.budgetBytes,
      freeBytes: this.#pool.freeBytes,
      readingBytes: this.#reading * size,
      pinnedBytes: (pinned + this.#orphans.size) * size,
      keptBytes: kept * size,
      copyBytes: this.#copyBytes,
      controlBytes: this.#controlBytes,
    };
  }

  /** Nobody will ask for runs soon: buffers that are free are forgotten. */
  drain(): void {
    this.#pool.drain();
  }

  /** Every buffer is at one place, and views are counted right. */
  assertBalanced(): void {
    const { bytes, readingBytes, pinnedBytes, keptBytes, copyBytes, controlBytes } = this.figures;
    assert(bytes === readingBytes + pinnedBytes + keptBytes, 'every buffer of a run is read into, kept or at a socket');
    let copies = 0;
    for (const lent of this.#lent.values()) if (lent.run === undefined) copies += lent.bytes;
    assert(copies === copyBytes + controlBytes, 'copies at sockets are counted right');
  }

  /** The run that holds `begin`, if it is here or on its way. */
  find(torrent: TorrentId, piece: number, begin: number): Run | undefined {
    const key = toKey(torrent, piece, begin - (begin % runLength));
    const run = this.#runs.get(key);
    if (run !== undefined) {
      this.#runs.delete(key);
      this.#runs.set(key, run);
    }
    return run;
  }

  /**
   * Starts reading the run that holds `begin`. @returns undefined where no buffer is free: everything is at sockets, try when something
   * has been written
   */
  read(torrent: TorrentId, where: { piece: number; begin: number; pieceBytes: number }): Run | undefined {
    if (this.#reading >= limits.upload.runReadsMax) return undefined;
    const begin = where.begin - (where.begin % runLength);
    const size = framedLength(runLength);
    while (!this.#pool.hasRoom(size)) if (!this.#evictOne()) return undefined;
    const into = this.#pool.take(size, torrent);
    if (into === undefined) return undefined;
    const length = Math.min(runLength, where.pieceBytes - begin);
    const run: Run = {
      id: this.#nextId++,
      torrent,
      piece: where.piece,
      begin,
      length,
      bytes: undefined,
      pins: 0,
      holders: new Map(),
      waiting: [],
    };
    this.#runs.set(toKey(torrent, where.piece, begin), run);
    this.#byId.set(run.id, run);
    this.#reading++;
    writeHeaders(run, into);
    this.#ports.readRun(torrent, run.id, where.piece, begin, length, into);
    return run;
  }

  /** Calls back once, in a later input, when `read` may succeed again. */
  whenRoom(tell: () => void): void {
    this.#roomWaiters.add(tell);
  }

  /** Of a run that is being read. */
  pieceOf(id: number): number {
    const run = this.#byId.get(id);
    assert(run !== undefined, 'a run is answered once');
    return run.piece;
  }

  /** The disk has read a run, or could not. */
  onRun(id: number, bytes: Uint8Array, error: BtError | undefined): void {
    const run = this.#byId.get(id);
    assert(run !== undefined, 'a run is answered once');
    this.#byId.delete(id);
    this.#reading--;
    const whole = new Uint8Array(bytes.buffer);
    const key = toKey(run.torrent, run.piece, run.begin);
    if (error !== undefined || this.#runs.get(key) !== run) {
      this.#pool.give(whole, run.torrent);
      if (this.#runs.get(key) === run) this.#runs.delete(key);
    } else run.bytes = whole;
    for (const tell of run.waiting.splice(0)) tell(error);
    this.#tellRoom();
  }

  /** Sends `count` blocks of the run beginning at `begin` (multiple of 16 KiB). @returns the ticket onWritten will bring */
  send(conn: ConnId, run: Run, begin: number, lastBlockEnd: number): { ticket: number; framed: number } {
    assert(run.bytes !== undefined, 'only a run that is here is sent');
    const first = ((begin - run.begin) / BLOCK_LENGTH) * (BLOCK_LENGTH + blockHeaderBytes);
    const end = framedLength(lastBlockEnd - run.begin);
    if (!this.#hold(conn, run)) return this.sendCopy(conn, run.bytes.slice(first, end));
    const view = run.bytes.subarray(first, end);
    return { ticket: this.#lend(conn, view, { run, isControl: false }), framed: view.length };
  }

  /** Sends payload that is no part of a run (requests of odd shape). */
  sendCopy(conn: ConnId, bytes: Uint8Array): { ticket: number; framed: number } {
    return { ticket: this.#lend(conn, bytes, { run: undefined, isControl: false }), framed: bytes.length };
  }

  /** Sends control messages of which it is to be known when they have left. @returns the ticket */
  sendControl(conn: ConnId, bytes: Uint8Array): number {
    return this.#lend(conn, bytes, { run: undefined, isControl: true });
  }

  /**
   * Whether payload may be sent now: as a view of this run, or as a copy, of which there may be so many bytes at sockets. Where not,
   * `whenRoom` tells when it is worth looking again.
   *
   * @param run undefined where it will be a copy
   */
  maySend(conn: ConnId, run: Run | undefined): boolean {
    return this.#copyBytes < limits.upload.copyBytesMax || (run !== undefined && this.#mayHold(conn, run));
  }

  /** So much waits at sockets that nobody may leave more unread than the least. */
  get isControlTight(): boolean {
    return this.#controlBytes > limits.peer.controlBytesMax;
  }

  /** A lent view is back. @returns its framed bytes */
  release(ticket: number): number {
    const lent = this.#lent.get(ticket);
    assert(lent !== undefined, 'a view comes back once');
    this.#lent.delete(ticket);
    if (lent.isControl) this.#controlBytes -= lent.bytes;
    else if (lent.run === undefined) this.#copyBytes -= lent.bytes;
    else {
      this.#letGo(lent.conn, lent.run);
      this.#unpin(lent.run);
    }
    this.#tellRoom();
    return lent.bytes;
  }

  isLent(ticket: number): boolean {
    return this.#lent.has(ticket);
  }

  /** The connection is gone, and whoever knew what was lent to it does not any more: all of it is free. */
  releaseAllOf(conn: ConnId): void {
    for (const [ticket, lent] of [...this.#lent]) if (lent.conn === conn) this.release(ticket);
  }

  /** To whom a view is lent and how many bytes it has; undefined: it is back. */
  lent(ticket: number): { readonly conn: ConnId; readonly bytes: number } | undefined {
    return this.#lent.get(ticket);
  }

  /** Pins against views, buffers against the pool; in simulation after every event. */
  assertInvariants(): void {
    this.#pool.assertInvariants();
    assert(this.#reading === this.#byId.size, 'reads under way are counted right');
    assert(this.#reading <= limits.upload.runReadsMax, 'reads stay within the limit');
    const views = new Map<Run, number>();
    for (const { run } of this.#lent.values()) if (run !== undefined) views.set(run, (views.get(run) ?? 0) + 1);
    const buffers = new Set<Run>();
    for (const run of this.#runs.values()) {
      assert((run.bytes === undefined) === (this.#byId.get(run.id) === run), 'a run is here or being read');
      assert(run.pins === (views.get(run) ?? 0), 'a run is pinned by the views of it');
      if (run.bytes !== undefined) buffers.add(run);
    }
    const runsOf = new Map<ConnId, number>();
    for (const [run, count] of views) {
      assert(run.bytes !== undefined, 'a run with a view at a socket is not freed');
      assert(run.pins === count, 'a run is pinned by the views of it');
      buffers.add(run);
      for (const conn of run.holders.keys()) runsOf.set(conn, (runsOf.get(conn) ?? 0) + 1);
      const held = [...run.holders.values()].reduce((sum, n) => sum + n, 0);
      assert(held === count, 'holders are counted right');
    }
    assert(runsOf.size === this.#runsOf.size, 'connections that hold runs are known');
    for (const [conn, count] of runsOf) {
      assert(
        this.#runsOf.get(conn) === count && count <= limits.upload.heldRunsMax,
        'runs of a connection are counted',
      );
    }
    assert(this.#pool.lentCount === buffers.size + this.#byId.size, 'every buffer of a run is held once');
  }

  /** Forgets what is kept of a torrent; views at sockets come back later as usual. */
  forget(torrent: TorrentId): void {
    for (const [key, run] of this.#runs) {
      if (run.torrent !== torrent) continue;
      this.#runs.delete(key);
      this.#letGoRun(run);
    }
  }

  /** Forgets one piece: its data on disk turned out to be bad. */
  forgetPiece(torrent: TorrentId, piece: number): void {
    for (const [key, run] of this.#runs) {
      if (run.torrent !== torrent || run.piece !== piece) continue;
      this.#runs.delete(key);
      this.#letGoRun(run);
    }
  }

  #mayHold(conn: ConnId, run: Run): boolean {
    return run.holders.has(conn) || (this.#runsOf.get(conn) ?? 0) < limits.upload.heldRunsMax;
  }

  /** @returns false where the connection has views of as many runs as it may */
  #hold(conn: ConnId, run: Run): boolean {
    if (!this.#mayHold(conn, run)) return false;
    const views = run.holders.get(conn) ?? 0;
    if (views === 0) this.#runsOf.set(conn, (this.#runsOf.get(conn) ?? 0) + 1);
    run.holders.set(conn, views + 1);
    run.pins++;
    return true;
  }

  #letGo(conn: ConnId, run: Run): void {
    const views = run.holders.get(conn) as number;
    if (views > 1) {
      run.holders.set(conn, views - 1);
      return;
    }
    run.holders.delete(conn);
    const runs = this.#runsOf.get(conn) as number;
    if (runs > 1) this.#runsOf.set(conn, runs - 1);
    else this.#runsOf.delete(conn);
  }

  #lend(conn: ConnId, view: Uint8Array, of: Pick<Lent, 'run' | 'isControl'>): number {
    const ticket = this.#nextTicket++;
    if (of.isControl) this.#controlBytes += view.length;
    else if (of.run === undefined) this.#copyBytes += view.length;
    this.#lent.set(ticket, { ...of, conn, bytes: view.length });
    this.#ports.writePayload(conn, view, ticket);
    return ticket;
  }

  #unpin(run: Run): void {
    run.pins--;
    const kept = this.#runs.get(toKey(run.torrent, run.piece, run.begin)) === run;
    if (run.pins === 0 && !kept && run.bytes !== undefined) {
      this.#orphans.delete(run);
      this.#pool.give(run.bytes, run.torrent);
      run.bytes = undefined;
    }
  }

  /** It is no longer to be found; its buffer is free when nobody has a view of it. */
  #letGoRun(run: Run): void {
    if (run.bytes === undefined) return;
    if (run.pins === 0) this.#pool.give(run.bytes, run.torrent);
    else this.#orphans.add(run);
  }

  #tellRoom(): void {
    if (this.#roomWaiters.size === 0) return;
    const waiters = [...this.#roomWaiters];
    this.#roomWaiters.clear();
    for (const tell of waiters) tell();
  }

  #evictOne(): boolean {
    for (const [key, run] of this.#runs) {
      if (run.bytes === undefined || run.pins > 0) continue;
      this.#runs.delete(key);
      this.#pool.give(run.bytes, run.torrent);
      run.bytes = undefined;
      return true;
    }
    return false;
  }
}

/** Makes ready-made `piece` messages of what the disk will read into the gaps. */
function writeHeaders({ piece, begin, length }: Run, into: Uint8Array): void {
  for (let at = 0; at < length; at += BLOCK_LENGTH) {
    writeBlockHeader(into, framedLength(at), piece, begin + at, Math.min(BLOCK_LENGTH, length - at));
  }
}

/** The payload of a run without the headers, as bytes of its own. */
export function unframe(run: Run): Uint8Array {
  const framed = run.bytes as Uint8Array;
  const out = new Uint8Array(run.length);
  for (let at = 0; at < run.length; at += BLOCK_LENGTH) {
    const from = framedLength(at) + blockHeaderBytes;
    const n = Math.min(BLOCK_LENGTH, run.length - at);
    out.set(framed.subarray(from, from + n), at);
  }
  return out;
}

function toKey(torrent: TorrentId, piece: number, begin: number): string {
  return `${torrent}/${piece}/${begin}`;
}

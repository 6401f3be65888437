import { type Bitfield, type ConnId, FairOrder } from '../base/index.ts';
import { BLOCK_LENGTH, type Geometry } from '../metainfo/index.ts';
import { directions, wireKinds } from '../trace/index.ts';
import { type BlockRef, encodeMessage, writeBlockHeader } from '../wire/index.ts';
import { isFlood, type SwarmContext } from './context.ts';
import { limits } from './limits.ts';
import type { Peer } from './peer.ts';
import { framedLength, type Run, runLength } from './run-cache.ts';

export interface UploadCounts {
  payloadBytes: number;
  rejected: number;
}

/**
 * Serves what peers ask for. A request waits in its peer's queue until the peer's window, the bandwidth limits and the disk let it go;
 * then it leaves together with the requests that follow it in the same run, as one view of the run's bytes: no copy, one write.
 *
 * Only verified pieces are served: a request for any other piece is refused, whatever is on disk.
 */
export class Uploader {
  readonly counts: UploadCounts = { payloadBytes: 0, rejected: 0 };
  /** Under an upload limit: which peer goes first. */
  readonly #turns = new FairOrder<ConnId>(limits.upload.windowBytes);
  readonly #ctx: SwarmContext;
  readonly #geometry: Geometry;
  readonly #have: Bitfield;

  constructor(ctx: SwarmContext, options: { geometry: Geometry; have: Bitfield }) {
    this.#ctx = ctx;
    this.#geometry = options.geometry;
    this.#have = options.have;
  }

  /** BEP 3 `request`. */
  onRequest(peer: Peer, request: BlockRef): void {
    const { piece, begin, length } = request;
    if (!this.#geometry.isValidRequest(piece, begin, length) || length > limits.upload.requestBytesMax) {
      this.#ctx.drop(peer, { code: 'peer/bad-request', detail: `piece ${piece} begin ${begin} length ${length}` });
      return;
    }
    const allowed = !peer.amChoking || peer.grantedFast?.has(piece) === true;
    if (!allowed || !this.#have.has(piece) || peer.requests.length >= limits.upload.queueMax) {
      this.#refuse(peer, request);
      return;
    }
    peer.requests.push(request);
    this.#ctx.serve(peer);
  }

  /** BEP 3 `cancel`. Blocks that are at the socket already cannot be taken back. */
  onCancel(peer: Peer, cancel: BlockRef): void {
    const at = peer.requests.findIndex((r) => isSame(r, cancel));
    if (at < 0) return;
    const [request] = peer.requests.splice(at, 1);
    // BEP 6: every request gets an answer, a cancelled one a reject.
    if (peer.flags.fast) this.#ctx.send(peer, encodeMessage({ ...(request as BlockRef), kind: 'reject' }));
  }

  /** We have choked the peer: its queue is void (BEP 3); with the fast extension each request is rejected, but granted pieces stay (BEP 6). */
  onChoking(peer: Peer): void {
    const dropped = peer.requests.splice(0);
    for (const request of dropped) {
      if (peer.grantedFast?.has(request.piece) === true) peer.requests.push(request);
      else if (peer.flags.fast) this.#ctx.send(peer, encodeMessage({ ...request, kind: 'reject' }));
    }
  }

  /** Upload may flow again: who has had least goes first. */
  serveAll(): void {
    const waiting = [...this.#ctx.peers.values()].filter((p) => p.requests.length > 0);
    const rate = this.#ctx.host.uploadLimit(this.#ctx.torrent) ?? 0;
    this.#turns.lagBytes = Math.max(limits.upload.fairLagBytesMin, rate / 2);
    waiting.sort((a, b) => this.#turns.standing(a.conn) - this.#turns.standing(b.conn) || a.conn - b.conn);
    for (const peer of waiting) this.#ctx.serve(peer);
  }

  peerGone(peer: Peer): void {
    this.#turns.forget(peer.conn);
  }

  /** Sends as much of the peer's queue as may go now. */
  serve(peer: Peer): void {
    while (peer.requests.length > 0 && hasWindow(peer) && !peer.isClosed) {
      const allowance = this.#ctx.host.uploadAllowance(this.#ctx.torrent);
      if (allowance <= 0) return;
      const head = peer.requests[0] as BlockRef;
      if (!this.#have.has(head.piece)) {
        peer.requests.shift();
        this.#refuse(peer, head);
        continue;
      }
      if (head.begin >= this.#geometry.pieceBytes(head.piece)) {
        // Beyond the end of a v2 file: nothing to read.
        if (!this.#hasRoom(peer, undefined)) return;
        this.#sendOdd(peer, undefined, head);
        continue;
      }
      const run = this.#runFor(peer, head);
      if (run === undefined || !this.#hasRoom(peer, this.#isPlain(head) ? run : undefined)) return;
      if (this.#isPlain(head)) this.#sendPlain(peer, run, allowance);
      else if (!this.#sendOdd(peer, run, head)) return;
    }
  }

  /** A view lent to the peer's socket is back. */
  onWritten(peer: Peer, ticket: number): boolean {
    if (!peer.lent.delete(ticket)) return false;
    peer.lastWrittenAt = this.#ctx.now;
    peer.lentBytes -= this.#ctx.host.runs.release(ticket);
    this.#ctx.serve(peer);
    return true;
  }

  /** @returns the run that holds the request's first byte if it is in memory; otherwise starts reading it and comes back later */
  #runFor(peer: Peer, request: BlockRef): Run | undefined {
    const { runs } = this.#ctx.host;
    const head =
      runs.find(this.#ctx.torrent, request.piece, request.begin) ??
      runs.read(this.#ctx.torrent, {
        piece: request.piece,
        begin: request.begin,
        pieceBytes: this.#geometry.pieceBytes(request.piece),
      });
    if (head === undefined) {
      this.#waitForRoom(peer);
      return undefined;
    }
    if (head.bytes === undefined) this.#waitFor(peer, head);
    // What is read ahead must not push out what it is read behind.
    head.pins++;
    this.#readAhead(peer);
    head.pins--;
    return head.bytes === undefined ? undefined : head;
  }

  /** The runs of the requests behind the first: the disk works while the socket drains. */
  #readAhead(peer: Peer): void {
    const { runs } = this.#ctx.host;
    let ahead = 0;
    let lastPiece = -1;
    let lastRun = -1;
    for (let i = 0; i < peer.requests.length && ahead < limits.upload.readAheadRuns; i++) {
      const { piece, begin } = peer.requests[i] as BlockRef;
      const index = Math.floor(begin / runLength);
      if (piece === lastPiece && index === lastRun) continue;
      lastPiece = piece;
      lastRun = index;
      ahead++;
      const pieceBytes = this.#geometry.pieceBytes(piece);
      if (!this.#have.has(piece) || begin >= pieceBytes) continue;
      if (runs.find(this.#ctx.torrent, piece, begin) !== undefined) continue;
      if (runs.read(this.#ctx.torrent, { piece, begin, pieceBytes }) === undefined) return;
    }
  }

  #waitFor(peer: Peer, run: Run): void {
    if (peer.waitsForRun) return;
    peer.waitsForRun = true;
    const { host, torrent } = this.#ctx;
    run.waiting.push(() => host.inTorrent(torrent, () => this.#onRead(peer)));
  }

  /** Where the read has failed, the piece is not here any more, and the requests for it are refused. */
  #onRead(peer: Peer): void {
    peer.waitsForRun = false;
    if (!peer.isClosed) this.#ctx.serve(peer);
  }

  /** @returns false where others have too much at their sockets; it goes on when some of that has left */
  #hasRoom(peer: Peer, run: Run | undefined): boolean {
    if (this.#ctx.host.runs.maySend(peer.conn, run)) return true;
    this.#waitForRoom(peer);
    return false;
  }

  /** No buffer is free: everything is at sockets or being read. */
  #waitForRoom(peer: Peer): void {
    if (peer.waitsForRoom) return;
    peer.waitsForRoom = true;
    const { host, torrent } = this.#ctx;
    const serve = () => {
      peer.waitsForRoom = false;
      if (!peer.isClosed) this.#ctx.serve(peer);
    };
    host.runs.whenRoom(() => host.inTorrent(torrent, serve));
  }

  /** 16 KiB blocks at 16 KiB borders: exactly what a run has framed. */
  #isPlain(r: BlockRef): boolean {
    if (r.begin % BLOCK_LENGTH !== 0) return false;
    const left = this.#geometry.pieceBytes(r.piece) - r.begin;
    return r.length === Math.min(BLOCK_LENGTH, left);
  }

  #sendPlain(peer: Peer, run: Run, allowance: number): void {
    const first = peer.requests[0] as BlockRef;
    let count = 1;
    let payload = first.length;
    while (count < peer.requests.length) {
      const next = peer.requests[count] as BlockRef;
      const follows =
        next.piece === first.piece && next.begin === first.begin + payload && next.begin < run.begin + run.length;
      if (!follows || !this.#isPlain(next) || payload + next.length > allowance) break;
      if (peer.lentBytes + payload >= limits.upload.windowBytes) break;
      payload += next.length;
      count++;
    }
    for (const r of peer.requests.splice(0, count)) this.#traceBlock(peer, r);
    this.#ctx.flush(peer);
    const sent = this.#ctx.host.runs.send(peer.conn, run, first.begin, first.begin + payload);
    this.#account(peer, sent, payload);
  }

  /** A request that is not one framed block: copied together. @returns false where the second run is still to come */
  #sendOdd(peer: Peer, run: Run | undefined, r: BlockRef): boolean {
    const out = new Uint8Array(13 + r.length);
    writeBlockHeader(out, 0, r.piece, r.begin, r.length);
    // What lies beyond the piece's bytes (a v2 file's last block asked for whole) stays zero.
    const length = Math.min(r.length, this.#geometry.pieceBytes(r.piece) - r.begin);
    let done = 0;
    let from: Run | undefined = run;
    while (done < length) {
      const at = r.begin + done;
      if (from === undefined || at >= from.begin + from.length) {
        from = this.#ctx.host.runs.find(this.#ctx.torrent, r.piece, at);
        if (from === undefined) {
          from = this.#ctx.host.runs.read(this.#ctx.torrent, {
            piece: r.piece,
            begin: at,
            pieceBytes: this.#geometry.pieceBytes(r.piece),
          });
        }
        if (from === undefined) this.#waitForRoom(peer);
        else if (from.bytes === undefined) this.#waitFor(peer, from);
        if (from?.bytes === undefined) return false;
      }
      const inRun = at - from.begin;
      const inBlock = inRun % BLOCK_LENGTH;
      const n = Math.min(BLOCK_LENGTH - inBlock, length - done, from.length - inRun);
      const source = framedLength(inRun - inBlock) + 13 + inBlock;
      out.set((from.bytes as Uint8Array).subarray(source, source + n), 13 + done);
      done += n;
    }
    peer.requests.shift();
    this.#traceBlock(peer, r);
    this.#ctx.flush(peer);
    this.#account(peer, this.#ctx.host.runs.sendCopy(peer.conn, out), r.length);
    return true;
  }

  #traceBlock(peer: Peer, r: BlockRef): void {
    const { now, tracer } = this.#ctx;
    tracer?.wire?.(now, peer.conn, directions.out, wireKinds.piece, r.piece, r.begin, r.length);
  }

  #account(peer: Peer, sent: { ticket: number; framed: number }, payload: number): void {
    if (peer.lent.size === 0) peer.lastWrittenAt = this.#ctx.now;
    peer.lend(sent.ticket);
    peer.lentBytes += sent.framed;
    peer.up.add(this.#ctx.now, payload);
    peer.lastSentAt = this.#ctx.now;
    peer.refusedCount = 0;
    this.counts.payloadBytes += payload;
    this.#turns.took(peer.conn, payload);
    this.#ctx.host.tookUpload(this.#ctx.torrent, payload);
  }

  #refuse(peer: Peer, request: BlockRef): void {
    this.counts.rejected++;
    peer.refusedCount++;
    if (isFlood(this.#ctx, peer)) return;
    if (peer.refusedCount > limits.upload.floodMax) {
      this.#ctx.drop(peer, {
        code: 'peer/request-flood',
        detail: `${peer.refusedCount} requests that cannot be served`,
      });
      return;
    }
    if (peer.flags.fast) this.#ctx.send(peer, encodeMessage({ ...request, kind: 'reject' }));
  }
}

/** Small blocks fill no window by their bytes, but each costs a write and its memory. */
function hasWindow(peer: Peer): boolean {
  return peer.lentBytes < limits.upload.windowBytes && peer.lent.size < limits.upload.windowViewsMax;
}

function isSame(a: BlockRef, b: BlockRef): boolean {
  return a.piece === b.piece && a.begin === b.begin && a.length === b.length;
}

import assert from 'node:assert/strict';
import { BtError, type ConnId, type TorrentId } from '#base';
import { PiecePool } from '#room/swarm/piece-pool';
import type { SwarmPorts } from '#room/swarm/ports';
import { framedLength, type Run, RunCache, runLength } from '#room/swarm/run-cache';
import { Tape } from '../support/tape.ts';
import { type FuzzTarget, magnitude } from '../support/target.ts';

const pieceBytes = 2 * runLength + 20_000;
const budgetRuns = 4;
const error = new BtError('disk/io', { path: 'x', what: 'y' });

interface Reading {
  readonly id: number;
  readonly length: number;
  readonly into: Uint8Array;
}

/** What may be asked of a cache, in any order; no buffer may be at the disk and at a socket, or twice at the disk. */
class Play {
  readonly #tape: Tape;
  readonly #reading: Reading[] = [];
  readonly #lent = new Map<number, Uint8Array>();
  readonly cache: RunCache;
  #sent = 0;
  waitingCount = 0;

  constructor(tape: Tape) {
    this.#tape = tape;
    const ports = {
      readRun: (_torrent: TorrentId, id: number, _piece: number, _begin: number, length: number, into: Uint8Array) => {
        assert.ok(
          this.#reading.every((other) => other.into.buffer !== into.buffer),
          'a buffer is at the disk twice',
        );
        for (const view of this.#lent.values()) assert.notEqual(view.buffer, into.buffer, 'lent and read into');
        this.#reading.push({ id, length, into });
      },
      writePayload: (_conn: ConnId, view: Uint8Array, ticket: number) => {
        for (const { into } of this.#reading) assert.notEqual(view.buffer, into.buffer, 'sent while it is read into');
        this.#lent.set(ticket, view);
      },
    };
    this.cache = new RunCache(ports as unknown as SwarmPorts, budgetRuns * framedLength(runLength));
  }

  move(): void {
    const { cache } = this;
    const tape = this.#tape;
    const torrent = (1 + tape.below(2)) as TorrentId;
    const piece = tape.below(3);
    const begin = tape.below(3) * runLength + tape.below(3) * 16_384;
    switch (tape.below(8)) {
      case 0:
      case 1: {
        if (begin >= pieceBytes || cache.find(torrent, piece, begin) !== undefined) return;
        const run = cache.read(torrent, { piece, begin, pieceBytes });
        if (run !== undefined && tape.isTrue()) this.#wait(run);
        else if (run === undefined) cache.whenRoom(() => {});
        return;
      }
      case 2:
      case 3:
        return this.#answer();
      case 4:
        return this.#send(torrent, piece, begin);
      case 5:
        return this.#giveBack();
      case 6:
        return cache.forget(torrent);
      default:
        return cache.forgetPiece(torrent, piece);
    }
  }

  #wait(run: Run): void {
    this.waitingCount++;
    let isTold = false;
    run.waiting.push(() => {
      assert.ok(!isTold, 'told once');
      isTold = true;
      this.waitingCount--;
    });
  }

  #answer(): void {
    const [one] = this.#reading.splice(this.#tape.below(4), 1);
    if (one !== undefined) this.cache.onRun(one.id, one.into, this.#tape.below(5) === 0 ? error : undefined);
  }

  #send(torrent: TorrentId, piece: number, begin: number): void {
    const run = this.cache.find(torrent, piece, begin);
    if (run?.bytes === undefined || begin - run.begin >= run.length) return;
    const end = Math.min(run.begin + run.length, begin + (1 + this.#tape.below(3)) * 16_384);
    const conn = (1 + this.#tape.below(2)) as ConnId;
    const { ticket, framed } = this.cache.send(conn, run, begin, end);
    assert.equal(this.#lent.get(ticket)?.length, framed);
    this.#sent++;
  }

  #giveBack(): void {
    const ticket = [...this.#lent.keys()][this.#tape.below(4)];
    if (ticket === undefined) return;
    const view = this.#lent.get(ticket)!;
    this.#lent.delete(ticket);
    assert.equal(this.cache.release(ticket), view.length);
  }

  end(): string {
    const { cache } = this;
    assert.equal(cache.lentViews, this.#lent.size);
    while (this.#reading.length > 0) {
      const one = this.#reading.shift()!;
      cache.onRun(one.id, one.into, undefined);
    }
    for (const ticket of this.#lent.keys()) cache.release(ticket);
    for (const torrent of [1, 2]) cache.forget(torrent as TorrentId);
    assert.equal(cache.lentBytes, 0, 'every buffer has come back');
    assert.equal(cache.lentViews, 0);
    assert.equal(this.waitingCount, 0, 'whoever waited has been told');
    return magnitude(this.#sent);
  }
}

/** A pool alone, against a plain count. */
function playPool(tape: Tape): string {
  const pool = new PiecePool(200);
  const out: Uint8Array[] = [];
  tape.moves(60, () => {
    const size = tape.pick([10, 30, 70, 201]);
    const lent = out.reduce((sum, b) => sum + b.length, 0);
    if (tape.isTrue()) {
      const buffer = pool.take(size, 1 as TorrentId);
      assert.equal(buffer !== undefined, lent + size <= 200 || out.length === 0);
      if (buffer === undefined) return;
      assert.equal(buffer.length, size);
      assert.ok(
        out.every((other) => other.buffer !== buffer.buffer),
        'nobody else has it',
      );
      out.push(buffer);
    } else {
      const [buffer] = out.splice(tape.below(4), 1);
      if (buffer === undefined) return;
      pool.give(buffer, 1 as TorrentId);
    }
    assert.equal(pool.lentCount, out.length);
    assert.equal(
      pool.lentBytes,
      out.reduce((sum, b) => sum + b.length, 0),
    );
  });
  return `pool ${magnitude(out.length)}`;
}

export const target: FuzzTarget = {
  about: 'buffers lent for upload and download: none has two owners, all come back, the budget holds',
  form: 'choices',
  files: ['swarm/run-cache', 'swarm/piece-pool'],
  parsers: [],
  bytesMax: 600,
  run(input) {
    const tape = new Tape(input);
    if (tape.below(4) === 0) return playPool(tape);
    const play = new Play(tape);
    tape.moves(120, () => play.move());
    return play.end();
  },
};

import assert from 'node:assert/strict';
import { test } from 'node:test';
import type { TorrentId } from '#base';
import { PiecePool } from '#room/swarm/piece-pool';

const one = 1 as TorrentId;
const other = 2 as TorrentId;

test('a pool lends up to its budget, and one buffer always', () => {
  const pool = new PiecePool(100);
  assert.equal(pool.take(1_000, one)?.length, 1_000);
  assert.equal(pool.hasRoom(1), false);
  assert.equal(pool.take(1, one), undefined);
  pool.give(new Uint8Array(1_000), one);
  const a = pool.take(60, one) as Uint8Array;
  assert.equal(pool.take(60, one), undefined);
  const b = pool.take(40, one) as Uint8Array;
  assert.deepEqual([pool.lentBytes, pool.lentCount], [100, 2]);
  pool.give(a, one);
  pool.give(b, one);
  assert.throws(() => pool.give(b, one), /only once/);
});

test('a buffer that came back is lent again', () => {
  const pool = new PiecePool(100);
  const a = pool.take(50, one) as Uint8Array;
  pool.give(a, one);
  assert.equal(pool.take(50, one), a);
});

test('what a torrent had is written off as a whole, and nothing comes back from it', () => {
  const pool = new PiecePool(100);
  const lost = pool.take(30, one) as Uint8Array;
  pool.take(30, one);
  const kept = pool.take(40, other) as Uint8Array;
  assert.throws(() => pool.give(new Uint8Array(50), other), /from whom it was lent to/);
  pool.writeOff(one);
  assert.deepEqual([pool.lentBytes, pool.lentCount, pool.lentTo(one), pool.lentTo(other)], [40, 1, 0, 40]);
  pool.give(lost, one);
  assert.notEqual(pool.take(30, other), lost);
  pool.give(kept, other);
  assert.equal(pool.lentBytes, 30);
});

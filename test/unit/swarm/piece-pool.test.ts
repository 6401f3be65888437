import assert from 'node:assert/strict';
import { test } from 'node:test';
import { PiecePool } from '#room/swarm/piece-pool';

test('a pool lends up to its budget, and one buffer always', () => {
  const pool = new PiecePool(100);
  assert.equal(pool.take(1_000)?.length, 1_000);
  assert.equal(pool.hasRoom(1), false);
  assert.equal(pool.take(1), undefined);
  pool.give(new Uint8Array(1_000));
  const a = pool.take(60) as Uint8Array;
  assert.equal(pool.take(60), undefined);
  const b = pool.take(40) as Uint8Array;
  assert.deepEqual([pool.lentBytes, pool.lentCount], [100, 2]);
  pool.give(a);
  pool.give(b);
  assert.throws(() => pool.give(b), /only once/);
});

test('a buffer that came back is lent again', () => {
  const pool = new PiecePool(100);
  const a = pool.take(50) as Uint8Array;
  pool.give(a);
  assert.equal(pool.take(50), a);
});

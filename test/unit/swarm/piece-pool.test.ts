import assert from 'node:assert/strict';
import { test } from 'node:test';
import fc from 'fast-check';
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

test('whatever is taken and given, the budget holds and memory kept stays within it', () => {
  const moves = fc.array(fc.record({ take: fc.boolean(), size: fc.constantFrom(10, 30, 70) }), { maxLength: 100 });
  fc.assert(
    fc.property(moves, (list) => {
      const pool = new PiecePool(100);
      const held: Uint8Array[] = [];
      for (const { take, size } of list) {
        const lent = held.reduce((sum, buffer) => sum + buffer.length, 0);
        assert.deepEqual([pool.lentBytes, pool.lentCount], [lent, held.length]);
        if (take) {
          const may = lent + size <= 100 || held.length === 0;
          assert.equal(pool.hasRoom(size), may);
          const buffer = pool.take(size);
          assert.equal(buffer?.length, may ? size : undefined);
          assert.ok(buffer === undefined || !held.includes(buffer), 'no buffer has two owners');
          if (buffer !== undefined) held.push(buffer);
        } else if (held.length > 0) pool.give(held.splice(size % held.length, 1)[0] as Uint8Array);
      }
    }),
  );
});

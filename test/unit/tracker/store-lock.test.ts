import assert from 'node:assert/strict';
import { test } from 'node:test';
import { acquire, release } from '#room/tracker/store/lock';

test('a lock that a thread left held is given up, once slowly, then at once; its holder may still bring it back', () => {
  const words = new Int32Array(new SharedArrayBuffer(8));
  acquire(words, 1);
  assert.throws(() => acquire(words, 1), /lock/);
  for (let i = 0; i < 1_000; i++) assert.throws(() => acquire(words, 1), /lock/);
  release(words, 1);
  acquire(words, 1);
  release(words, 1);
  assert.deepEqual([...words], [0, 0]);
});

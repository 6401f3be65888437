import assert from 'node:assert/strict';
import { test } from 'node:test';
import { AnnounceCall, ClientShares } from '#tracker';

test('clients are counted by the letters of their peer ids, others together, over all views of the memory', () => {
  const shares = new ClientShares();
  const elsewhere = new ClientShares(shares.shared);
  const call = new AnnounceCall();
  const ids = ['-qB4650-abcdefghijkl', '-qB4500-abcdefghijkl', '-TR3000-abcdefghijkl', 'M7-9-2--abcdefghijkl'];
  const odd = ['-\u0000\u0001xxxx-abcdefghijkl', '-qB4650xabcdefghijkl'];
  [...ids, ...odd].forEach((id, i) => {
    call.peerIdBytes = new Uint8Array(3 + 20);
    call.peerIdBytes.set(Buffer.from(id, 'latin1'), 3);
    call.peerIdAt = 3;
    (i % 2 === 0 ? shares : elsewhere).postAnnounce(call);
  });
  assert.deepEqual(shares.list(), [
    { prefix: 'other', count: 3 },
    { prefix: '-qB', count: 2 },
    { prefix: '-TR', count: 1 },
  ]);
});

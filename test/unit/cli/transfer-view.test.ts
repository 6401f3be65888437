import assert from 'node:assert/strict';
import { test } from 'node:test';
import { createTransferStatus, type TransferState, transferToJson } from '#room/cli/transfer-view';

const half: TransferState = {
  name: 'film\x1b[2J.mkv',
  state: 'downloading',
  doneBytes: 50 << 20,
  totalBytes: 100 << 20,
  downBytesPerSec: 5 << 20,
  upBytesPerSec: 1 << 20,
  downloadedBytes: 51 << 20,
  uploadedBytes: 25 << 20,
  peerCount: 7,
  seedCount: 2,
};

test('a transfer in three lines, or in one', () => {
  const status = createTransferStatus(half);
  assert.deepEqual(status.lines(60), [
    'film.mkv  downloading',
    '█████░░░░░ 50.0 %  50.0 MiB of 100 MiB, 10 s left',
    'down 5.00 MiB/s  up 1.00 MiB/s  peers 7 (2 seeds)  ratio 0.50',
  ]);
  assert.match(status.plain(), /^downloading film\.mkv: 50\.0 %, 50\.0 MiB of 100 MiB, 10 s left, down /);
});

test('without metadata there is no percentage; complete there is nothing left', () => {
  const fetching = createTransferStatus({ ...half, doneBytes: 0, totalBytes: 0, state: 'fetching-metadata' });
  assert.match(fetching.lines(60)[1] as string, /no metadata yet$/);
  assert.doesNotMatch(fetching.plain(), /%|left/);
  const complete = createTransferStatus({ ...half, doneBytes: half.totalBytes, state: 'seeding' });
  assert.match(complete.plain(), /^seeding film\.mkv: 100 %, 100 MiB of 100 MiB, down/);
});

test('why nothing moves is a line of its own, and a state of its own in a log', () => {
  const status = createTransferStatus({ ...half, downBytesPerSec: 0 }, { code: 'choked', text: 'all choke us' });
  assert.equal(status.lines(60)[3], 'all choke us');
  assert.match(status.plain(), /ratio 0\.50; all choke us$/);
  assert.notEqual(status.state, createTransferStatus(half).state);
});

test('JSON: whole numbers, null for a time nobody knows', () => {
  assert.equal(transferToJson({ ...half, downBytesPerSec: 0 })['secondsLeft'], null);
  assert.equal(transferToJson(half)['secondsLeft'], 10);
  assert.equal(transferToJson({ ...half, doneBytes: half.totalBytes, downBytesPerSec: 0 })['secondsLeft'], 0);
});

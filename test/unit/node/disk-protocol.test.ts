import assert from 'node:assert/strict';
import { test } from 'node:test';
import type { TorrentId } from '#base';
import { type DiskRequest, transfersOf, withoutLargeViews } from '#room/node/disk/protocol';

test('a piece takes its own hashes to the disk worker, and not those of the whole torrent', () => {
  const allV1 = new Uint8Array(20 * 100_000).fill(1);
  const allV2 = new Uint8Array(32 * 100_000).fill(2);
  const request: DiskRequest = {
    verb: 'commit',
    job: {
      torrent: 1 as TorrentId,
      piece: 7,
      segments: [new Uint8Array(16_384)],
      segmentBytes: 16_384,
      expect: { v1: allV1.subarray(140, 160), v2: { hash: allV2.subarray(224, 256), leaves: 1 } },
      blockHashes: false,
    },
  };
  const sent = structuredClone(withoutLargeViews(request), { transfer: transfersOf(request) as ArrayBuffer[] });
  assert.ok(sent.verb === 'commit');
  const { v1, v2 } = sent.job.expect;
  assert.deepEqual(v1, new Uint8Array(20).fill(1));
  assert.deepEqual(v2?.hash, new Uint8Array(32).fill(2));
  assert.equal(v1?.buffer.byteLength, 20);
  assert.equal(v2?.hash.buffer.byteLength, 32);
});

import assert from 'node:assert/strict';

import { createHash } from 'node:crypto';
import { existsSync, readFileSync, truncateSync, unlinkSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { describe } from 'node:test';
import { seededRng } from '#base';
import { BLOCK_LENGTH, type TorrentFormat } from '#metainfo';
import { check, checkFiles, type DiskSuite, formats, setUpDisk, threeFiles } from '../support/disk-bench.ts';
import { opened } from '../support/disk-probe.ts';

import { makeTorrent } from '../support/torrents.ts';

/** What everybody who does the disk's work must do with pieces. */
export function diskContract(suite: DiskSuite): void {
  const setUp = setUpDisk.bind(undefined, suite);

  describe(`disk contract, pieces: ${suite.name}`, () => {
    for (const format of formats) {
      for (const [shape, files] of [
        ['a single file', { '': 100_000 }],
        ['several files', threeFiles],
        [
          'many small files',
          Object.fromEntries(Array.from({ length: 40 }, (_, i) => [`f${i % 7}/${i}`, (i * 997) % 5000])),
        ],
      ] as const) {
        check(`${format}, ${shape}: pieces become files, and files runs, leaves and verdicts`, async (t) => {
          const b = setUp(t, makeTorrent({ files, format }), { limits: { openFilesMax: 3 } });
          const result = opened(await b.probe.open());
          assert.ok(result.files.every((f) => f === undefined));
          assert.equal(existsSync(b.folder), false, 'opening a store makes nothing');
          await b.commitAll(seededRng(3).shuffle(Array.from({ length: b.info.pieceCount }, (_, i) => i)));
          checkFiles(b);
          for (let piece = 0; piece < b.info.pieceCount; piece++) {
            const whole = b.pieceOf(piece);
            assert.deepEqual(await b.probe.read(piece, 0, whole.length), whole);
            if (whole.length > BLOCK_LENGTH) {
              const part = Math.min(7, whole.length - BLOCK_LENGTH);
              assert.deepEqual(
                await b.probe.read(piece, BLOCK_LENGTH, part),
                whole.subarray(BLOCK_LENGTH, BLOCK_LENGTH + part),
              );
            }
            const data = whole.subarray(0, b.geometry.dataBytes(piece));
            const leaves = await b.probe.leaves(piece);
            if (format !== 'v1') {
              for (let i = 0; i * BLOCK_LENGTH < data.length; i++) {
                const leaf = createHash('sha256')
                  .update(data.subarray(i * BLOCK_LENGTH, (i + 1) * BLOCK_LENGTH))
                  .digest();
                assert.ok(leaf.equals(leaves?.subarray(i * 32, i * 32 + 32) as Uint8Array));
              }
              assert.equal(leaves?.length, Math.ceil(data.length / BLOCK_LENGTH) * 32);
            }
          }
          const { good, error } = await b.probe.recheck();
          assert.equal(error, undefined);
          assert.deepEqual(good, new Array(b.info.pieceCount).fill(1));
          await b.reopen();
          assert.deepEqual((await b.probe.recheck()).good, new Array(b.info.pieceCount).fill(1));
        });
      }
    }

    check('what is asked beyond the end of a v2 file is zeros', async (t) => {
      const b = setUp(t, makeTorrent({ files: { a: 20_000, b: 5 }, format: 'v2' }));
      opened(await b.probe.open());
      await b.commitAll();
      const run = await b.probe.read(0, 0, 32_768);
      assert.deepEqual(run.subarray(0, 20_000), b.pieceOf(0));
      assert.ok(run.subarray(20_000).every((byte) => byte === 0));
    });

    check('a bad piece leaves no trace, and every block is hashed for blame', async (t) => {
      const b = setUp(t, makeTorrent({ files: { '': 100_000 } }));
      opened(await b.probe.open());
      const bytes = b.pieceOf(1);
      bytes[20_000] = (bytes[20_000] as number) ^ 1;
      const copy = bytes.slice();
      const answer = await b.probe.commit(1, [bytes]);
      assert.deepEqual(answer.outcome, { kind: 'bad' });
      assert.deepEqual(answer.segments[0], copy, 'the buffer comes back');
      const hashes = [0, 1].map((i) =>
        createHash('sha1')
          .update(copy.subarray(i * BLOCK_LENGTH, (i + 1) * BLOCK_LENGTH))
          .digest(),
      );
      assert.deepEqual(Buffer.from(answer.blockHashes as Uint8Array), Buffer.concat(hashes));
      assert.equal(existsSync(b.folder), false);
      const good = await b.probe.commit(1, [b.pieceOf(1)], { blockHashes: true });
      assert.deepEqual(good.outcome, { kind: 'ok' });
      assert.equal(good.blockHashes?.length, 40);
      assert.equal((await b.probe.commit(0, [b.pieceOf(0)])).blockHashes, undefined);
    });

    check('a hybrid whose hashes contradict each other is told from bad data', async (t) => {
      const b = setUp(t, makeTorrent({ files: threeFiles, format: 'hybrid' }));
      opened(await b.probe.open());
      const expect = b.probe.expectation(1);
      const wrong = { hash: new Uint8Array(32), leaves: expect.v2?.leaves as number };
      const answer = await b.probe.commit(1, [b.pieceOf(1)], { expect: { ...expect, v2: wrong } });
      assert.deepEqual(answer.outcome, { kind: 'inconsistent' });
      const both = await b.probe.commit(1, [b.pieceOf(1).fill(1)], { expect });
      assert.deepEqual(both.outcome, { kind: 'bad' });
      assert.equal(existsSync(b.pathOf(1)), false);
    });

    check('large pieces go to disk in segments and are verified from there', async (t) => {
      const b = setUp(t, makeTorrent({ files: { '': 700_000 }, pieceLength: 262_144, format: 'hybrid' }));
      opened(await b.probe.open());
      const segmentBytes = 65_536;
      const cut = (piece: number): Uint8Array[] => {
        const all: Uint8Array[] = [];
        const bytes = b.pieceOf(piece);
        for (let at = 0; at < bytes.length; at += segmentBytes) all.push(bytes.slice(at, at + segmentBytes));
        return all;
      };
      for (let piece = 0; piece < b.info.pieceCount; piece++) {
        const segments: (Uint8Array | undefined)[] = cut(piece);
        for (const i of [2, 0]) {
          if (i >= segments.length - 1) continue;
          assert.equal(await b.probe.storeSegment(piece, i * segmentBytes, segments[i] as Uint8Array), undefined);
          segments[i] = undefined;
        }
        const { outcome, segments: back } = await b.probe.commit(piece, segments, { segmentBytes });
        assert.deepEqual(outcome, { kind: 'ok' });
        assert.equal(back.length, segments.length);
      }
      checkFiles(b);
    });

    check('a bad segment on disk makes the piece bad, with hashes of all blocks', async (t) => {
      const b = setUp(t, makeTorrent({ files: { '': 262_144 }, pieceLength: 262_144 }));
      opened(await b.probe.open());
      const bytes = b.pieceOf(0);
      const wrong = bytes.slice(0, 131_072);
      wrong[5] = (wrong[5] as number) ^ 4;
      await b.probe.storeSegment(0, 0, wrong.slice());
      const answer = await b.probe.commit(0, [undefined, bytes.slice(131_072)], { segmentBytes: 131_072 });
      assert.deepEqual(answer.outcome, { kind: 'bad' });
      const first = createHash('sha1').update(wrong.subarray(0, BLOCK_LENGTH)).digest();
      assert.ok(first.equals((answer.blockHashes as Uint8Array).subarray(0, 20)));
      assert.equal(answer.blockHashes?.length, 16 * 20);
    });

    check('recheck tells good pieces from bad, absent and short ones', async (t) => {
      const b = setUp(t, makeTorrent({ files: { 'a.bin': 100_000, 'b.bin': 100_000, 'c.bin': 65_536 } }));
      opened(await b.probe.open());
      await b.commitAll();
      const fd = Buffer.from(readFileSync(b.pathOf(0)));
      fd[40_000] = (fd[40_000] as number) ^ 255;
      writeFileSync(b.pathOf(0), fd);
      truncateSync(b.pathOf(1), 70_000);
      unlinkSync(b.pathOf(2));
      await b.reopen();
      const { good, error } = await b.probe.recheck();
      assert.equal(error, undefined);
      // c.bin begins in piece 6 of 9; byte 40,000 is in piece 1; b.bin ends early in piece 5.
      assert.deepEqual(good, [1, 0, 1, 1, 1, 0, 0, 0, 0]);
    });

    check('small files, each in a large piece of its own, are hashed many in a step', async (t) => {
      const files = Object.fromEntries(Array.from({ length: 100 }, (_, i) => [`f${i}`, 1_000 + i]));
      const b = setUp(t, makeTorrent({ files, format: 'v2', pieceLength: 2 << 20 }), {
        limits: { recheckStepBytes: 50_000 },
      });
      opened(await b.probe.open());
      await b.commitAll();
      const { good } = await b.probe.recheck();
      assert.ok(good.every((g) => g === 1));
      assert.ok(b.probe.log.filter((verb) => verb === 'recheck').length <= 3);
    });

    check('closing a store answers a recheck that is under way first, for every piece', async (t) => {
      const b = setUp(t, makeTorrent({ files: { '': 1_000_000 }, pieceLength: 16_384 }), {
        limits: { recheckStepBytes: 100_000 },
      });
      opened(await b.probe.open());
      await b.commitAll();
      const recheck = b.probe.recheck();
      await b.probe.closeStore();
      const { error } = await recheck;
      // A worker may have looked at everything before it is told to close.
      if (error !== undefined) assert.equal(error.code, 'client/aborted');
      else assert(b.probe.log.filter((verb) => verb === 'recheck').length >= 10, 'every part was answered');
      assert.equal(b.probe.log.at(-1), 'close');
    });

    check('other requests pass a recheck', async (t) => {
      // So much that a thread which loses its processor for a moment asks long before the end all the same.
      const b = setUp(t, makeTorrent({ files: { '': 16_000_000 }, pieceLength: 65_536 }), {
        limits: { recheckStepBytes: 100_000 },
      });
      opened(await b.probe.open());
      await b.commitAll();
      const recheck = b.probe.recheck();
      await b.probe.read(0, 0, 16_384);
      assert.equal((await recheck).error, undefined);
      const parts = b.probe.log.filter((verb) => verb === 'recheck').length;
      const before = b.probe.log.slice(0, b.probe.log.indexOf('run')).filter((verb) => verb === 'recheck').length;
      assert.ok(parts > 5 && before < parts / 2, `${before} of ${parts} parts came first`);
    });

    check('a closed store answers with an error, and can be opened again', async (t) => {
      const b = setUp(t, makeTorrent({ files: { '': 40_000 } }));
      opened(await b.probe.open());
      await b.commitAll();
      await b.probe.closeStore();
      const { outcome, segments } = await b.probe.commit(0, [b.pieceOf(0)]);
      assert.equal(outcome.kind === 'failed' && outcome.error.code, 'client/closed');
      assert.equal(segments[0]?.length, 32_768);
      await assert.rejects(b.probe.read(0, 0, 16_384), { code: 'client/closed' });
      assert.equal((await b.probe.recheck()).error?.code, 'client/closed');
      opened(await b.probe.open());
      assert.deepEqual(await b.probe.read(0, 0, 16_384), b.pieceOf(0).subarray(0, 16_384));
    });

    check('random torrents, selections, orders and reads', async (t) => {
      const rng = seededRng(2024);
      for (let round = 0; round < 12; round++) {
        const files: Record<string, number> = {};
        for (let i = 1 + rng.below(9); i > 0; i--) {
          files[`d${rng.below(3)}/f${i}`] = rng.below(5) === 0 ? 0 : 1 + rng.below(rng.below(2) === 0 ? 500 : 90_000);
        }
        const format = formats[rng.below(3)] as TorrentFormat;
        const pieceLength = 16_384 << rng.below(3);
        const made = makeTorrent({ files, format, pieceLength, name: `r${round}` });
        const b = setUp(t, made, {
          limits: { openFilesMax: 1 + rng.below(4), writeStepBytes: 1000 + rng.below(40_000) },
        });
        const wanted = made.torrent.info.files.map(() => rng.below(3) > 0);
        opened(await b.probe.open(wanted));
        const needed = Array.from({ length: b.info.pieceCount }, (_, i) => i).filter((piece) =>
          b.info.files.some((file, i) => {
            const { first, end } = b.geometry.filePieces(i);
            return wanted[i] === true && file.length > 0 && piece >= first && piece < end;
          }),
        );
        await b.commitAll(rng.shuffle(needed.slice()));
        if (rng.below(2) === 0) await b.reopen(wanted);
        for (const piece of needed) {
          const bytes = b.pieceOf(piece);
          const begin = rng.below(Math.ceil(bytes.length / BLOCK_LENGTH)) * BLOCK_LENGTH;
          const length = 1 + rng.below(bytes.length - begin);
          assert.deepEqual(await b.probe.read(piece, begin, length), bytes.subarray(begin, begin + length));
        }
        const expected = new Array<number>(b.info.pieceCount).fill(0);
        for (const piece of needed) expected[piece] = 1;
        const { good } = await b.probe.recheck();
        for (const piece of needed) assert.equal(good[piece], 1);
        for (const i of b.info.files.keys())
          assert.equal(existsSync(b.pathOf(i)), wanted[i] === true && needed.length > 0);
        await b.reopen();
        assert.deepEqual((await b.probe.recheck()).good, expected);
        await b.commitAll();
        checkFiles(b);
        assert.equal(existsSync(join(b.folder, `.${b.info.hashV1 ?? b.info.hashV2}.parts`)), false);
      }
    });
  });
}

import assert from 'node:assert/strict';
import { createHash } from 'node:crypto';
import { rmSync, truncateSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { type TestContext, test } from 'node:test';
import { BtError } from '#base';
import { type HashPlan, toJobs } from '#room/hash/plan';
import { hashPieces } from '#room/hash/pool';
import { makeBytes, makeTempFolder } from '../../support/temp-folder.ts';

const sha = (algorithm: string, data: Uint8Array) => createHash(algorithm).update(data).digest();

/** BEP 52 by the book: fill the leaves up, then pair level by level. */
function treeRoot(data: Buffer, width: number): Buffer {
  let row: Buffer[] = [];
  for (let at = 0; at < data.length; at += 16_384) row.push(sha('sha256', data.subarray(at, at + 16_384)));
  while (row.length < width) row.push(Buffer.alloc(32));
  while (row.length > 1) {
    row = row.flatMap((left, i) => (i % 2 === 0 ? [sha('sha256', Buffer.concat([left, row[i + 1] as Buffer]))] : []));
  }
  return row[0] as Buffer;
}

interface Content {
  readonly plan: HashPlan;
  readonly space: Buffer;
  readonly files: readonly { readonly offset: number; readonly bytes: Buffer }[];
}

function makeContent(
  t: TestContext,
  lengths: readonly number[],
  options: Omit<HashPlan, 'files' | 'spaceLength'>,
): Content {
  const folder = makeTempFolder(t);
  let end = 0;
  const files = lengths.map((length, i) => {
    const offset = options.v2 ? Math.ceil(end / options.pieceLength) * options.pieceLength : end;
    const bytes = makeBytes(length, i);
    const path = join(folder, String(i));
    writeFileSync(path, bytes);
    end = offset + length;
    return { path, offset, length, bytes };
  });
  const space = Buffer.alloc(end);
  for (const f of files) space.set(f.bytes, f.offset);
  return { plan: { ...options, files, spaceLength: end }, space, files };
}

function expectHashes({ plan, space, files }: Content, got: { sha1: Uint8Array; sha256: Uint8Array }): void {
  const { pieceLength } = plan;
  const count = Math.ceil(space.length / pieceLength);
  const sha1: Buffer[] = [];
  const sha256: Buffer[] = [];
  for (let i = 0; i < count; i++) {
    if (plan.v1) sha1.push(sha('sha1', space.subarray(i * pieceLength, (i + 1) * pieceLength)));
    if (!plan.v2) continue;
    const start = i * pieceLength;
    const file = files.find((f) => f.offset <= start && start < f.offset + f.bytes.length);
    if (file === undefined) throw new Error('every piece of the test begins in a file');
    const data = file.bytes.subarray(start - file.offset, start - file.offset + pieceLength);
    const fileLeaves = Math.ceil(file.bytes.length / 16_384);
    const own = 2 ** Math.ceil(Math.log2(fileLeaves));
    sha256.push(treeRoot(data, Math.min(own, pieceLength / 16_384)));
  }
  assert.deepEqual(Buffer.from(got.sha1), Buffer.concat(sha1));
  assert.deepEqual(Buffer.from(got.sha256), Buffer.concat(sha256));
}

const shapes: { name: string; lengths: number[]; pieceLength: number }[] = [
  { name: 'one file, small pieces', lengths: [100_000], pieceLength: 16_384 },
  { name: 'many files in a piece', lengths: [1, 2, 3, 0, 40_000, 5, 0, 16_384, 65_536, 7], pieceLength: 32_768 },
  { name: 'pieces larger than the window', lengths: [5_000_000, 10, 4 << 20], pieceLength: 2 << 20 },
  { name: 'a piece of 17 leaves, a file of 5', lengths: [17 * 16_384 + 1, 5 * 16_384], pieceLength: 16 * 16_384 },
  { name: 'window not a multiple of the piece', lengths: [3_000_000], pieceLength: 512 << 10 },
];

for (const { name, lengths, pieceLength } of shapes) {
  for (const [v1, v2] of [
    [true, false],
    [false, true],
    [true, true],
  ] as const) {
    test(`${name}: ${v1 ? 'v1 ' : ''}${v2 ? 'v2 ' : ''}hashes are right, in one thread and in two`, async (t) => {
      const content = makeContent(t, lengths, { pieceLength, v1, v2, onMissing: 'fail' });
      for (const workerCount of [undefined, 2]) {
        const got = await hashPieces(content.plan, { workerCount });
        expectHashes(content, got);
        assert.ok(got.read.every((r) => r === 1));
        assert.deepEqual(got.problems, []);
      }
    });
  }
}

test('v1 pieces of odd length', async (t) => {
  const content = makeContent(t, [1_000_003, 77], { pieceLength: 333_333, v1: true, v2: false, onMissing: 'fail' });
  expectHashes(content, await hashPieces(content.plan));
  const large = makeContent(t, [3_000_003], { pieceLength: 1_500_001, v1: true, v2: false, onMissing: 'fail' });
  expectHashes(large, await hashPieces(large.plan));
});

test('progress rises from nothing to all', async (t) => {
  const { plan } = makeContent(t, [6 << 20, 10], { pieceLength: 16_384, v1: true, v2: false, onMissing: 'fail' });
  const seen: number[] = [];
  await hashPieces(plan, { workerCount: 2, onProgress: (p) => seen.push(p.doneBytes) });
  assert.equal(seen[0], 0);
  assert.equal(seen.at(-1), (6 << 20) + 10);
  assert.ok(seen.length > 3);
  assert.deepEqual(
    seen,
    seen.toSorted((a, b) => a - b),
  );
});

test('a file that is short or gone ends the work, or leaves its pieces unread', async (t) => {
  const base = { pieceLength: 16_384, v1: true, v2: false, onMissing: 'fail' } as const;
  const { plan } = makeContent(t, [40_000, 40_000, 40_000], base);
  truncateSync(plan.files[1]?.path as string, 30_000);
  for (const workerCount of [undefined, 1]) {
    await assert.rejects(hashPieces(plan, { workerCount }), (e) => BtError.is(e, 'disk/changed'));
    const got = await hashPieces({ ...plan, onMissing: 'report' }, { workerCount });
    // 30,000 of the second file's bytes end in piece 4; the third file begins in piece 4.
    assert.deepEqual([...got.read], [1, 1, 1, 1, 0, 1, 1, 1]);
    assert.ok(got.sha1.subarray(80, 100).every((b) => b === 0));
  }
  rmSync(plan.files[0]?.path as string);
  await assert.rejects(hashPieces(plan), (e) => BtError.is(e, 'disk/not-found'));
  const got = await hashPieces({ ...plan, onMissing: 'report' });
  assert.deepEqual([...got.read], [0, 0, 0, 1, 0, 1, 1, 1]);
});

test('a known absence costs nothing and a folder in place of a file is a problem', async () => {
  const base = { pieceLength: 1 << 20, spaceLength: 2 ** 40, v1: true, v2: false, onMissing: 'report' } as const;
  const got = await hashPieces({ ...base, files: [{ path: undefined, offset: 0, length: 2 ** 40 }] });
  assert.ok(got.read.every((r) => r === 0));
  const folder = await hashPieces({ ...base, spaceLength: 10, files: [{ path: tmpdir(), offset: 0, length: 10 }] });
  assert.deepEqual([...folder.read], [0]);
  assert.match(folder.problems[0]?.what ?? '', /not a regular file/);
});

test('aborting ends the threads and rejects', async (t) => {
  const { plan } = makeContent(t, [8 << 20], { pieceLength: 16_384, v1: true, v2: false, onMissing: 'fail' });
  const isAborted = (e: unknown) => BtError.is(e, 'client/aborted');
  await assert.rejects(hashPieces(plan, { signal: AbortSignal.abort() }), isAborted);
  const controller = new AbortController();
  const onProgress = () => controller.abort();
  await assert.rejects(hashPieces(plan, { workerCount: 2, signal: controller.signal, onProgress }), isAborted);
});

test('a caller whose onProgress throws gets its own error', async (t) => {
  const { plan } = makeContent(t, [8 << 20], { pieceLength: 16_384, v1: true, v2: false, onMissing: 'fail' });
  const onProgress = (p: { doneBytes: number }) => {
    if (p.doneBytes > 0) throw new RangeError('mine');
  };
  await assert.rejects(hashPieces(plan, { workerCount: 2, onProgress }), RangeError);
});

test('jobs cover every piece once and name the files they touch', () => {
  const files = [0, 100, 0, 5_000_000, 3].map((length, i, all) => ({
    path: String(i),
    length,
    offset: all.slice(0, i).reduce((a, b) => a + b, 0),
  }));
  const plan = { files, pieceLength: 16_384, spaceLength: 5_000_103, v1: true, v2: false, onMissing: 'fail' } as const;
  const jobs = [...toJobs(plan, 1)];
  let next = 0;
  for (const job of jobs) {
    assert.equal(job.firstPiece, next);
    next += job.pieceCount;
  }
  assert.equal(next, Math.ceil(5_000_103 / 16_384));
  assert.equal(
    jobs.reduce((sum, j) => sum + j.dataBytes, 0),
    5_000_103,
  );
  assert.deepEqual(
    jobs[0]?.files.map((f) => f.path),
    ['1', '3'],
  );
  assert.deepEqual(
    jobs.at(-1)?.files.map((f) => f.path),
    ['3', '4'],
  );
});

import assert from 'node:assert/strict';
import { execFileSync } from 'node:child_process';
import { createHash } from 'node:crypto';
import {
  existsSync,
  lstatSync,
  mkdirSync,
  readdirSync,
  readFileSync,
  readlinkSync,
  rmSync,
  symlinkSync,
  truncateSync,
  unlinkSync,
  writeFileSync,
} from 'node:fs';
import { dirname, join } from 'node:path';
import { describe, type TestContext, test } from 'node:test';
import { seededRng } from '#base';
import { BLOCK_LENGTH, type Geometry, type Info, type TorrentFormat } from '#metainfo';
import type { Disk, DiskLimits } from '#node';
import { DiskProbe, opened } from '../support/disk-probe.ts';
import { makeTempFolder } from '../support/temp-folder.ts';
import { type MadeTorrent, makeTorrent } from '../support/torrents.ts';

/** What everybody who does the disk's work must do. */
export interface DiskSuite {
  readonly name: string;
  readonly make: (options: { folder: string; stateDir: string; limits?: Partial<DiskLimits> }) => Disk;
}

interface Bench {
  readonly folder: string;
  readonly stateDir: string;
  readonly made: MadeTorrent;
  readonly info: Info;
  readonly geometry: Geometry;
  readonly probe: DiskProbe;
  /** Torrent space: what peers would send. */
  readonly space: Uint8Array;
  pieceOf(piece: number): Uint8Array;
  pathOf(file: number): string;
  commitAll(pieces?: readonly number[]): Promise<void>;
  reopen(wanted?: readonly boolean[]): Promise<void>;
}

const formats: readonly TorrentFormat[] = ['v1', 'v2', 'hybrid'];
const threeFiles = { 'a.bin': 10_000, 'sub/b.bin': 50_000, 'sub/deep/c.bin': 100_000 };

function spaceOf(made: MadeTorrent): Uint8Array {
  const { info } = made.torrent;
  const space = new Uint8Array(info.spaceLength);
  for (const [i, file] of info.files.entries()) space.set(made.contents[i] ?? [], file.offset);
  return space;
}

export function diskContract(suite: DiskSuite): void {
  const setUp = (
    t: TestContext,
    made: MadeTorrent,
    options: { limits?: Partial<DiskLimits>; folder?: string; stateDir?: string } = {},
  ): Bench => {
    const base = makeTempFolder(t);
    const folder = options.folder ?? join(base, 'downloads');
    const stateDir = options.stateDir ?? join(base, 'state');
    const { limits } = options;
    const disk = suite.make({ folder, stateDir, ...(limits && { limits }) });
    t.after(() => disk.close());
    const probe = new DiskProbe(disk, made.torrent);
    const { info } = made.torrent;
    const { geometry } = probe;
    const space = spaceOf(made);
    const pieceOf = (piece: number): Uint8Array => {
      const start = geometry.pieceStart(piece);
      return space.slice(start, start + geometry.pieceBytes(piece));
    };
    return {
      folder,
      stateDir,
      made,
      info,
      geometry,
      probe,
      space,
      pieceOf,
      pathOf: (file) => join(folder, ...(info.files[file]?.path ?? [])),
      commitAll: async (pieces = Array.from({ length: info.pieceCount }, (_, i) => i)) => {
        const answers = pieces.map((piece) => probe.commit(piece, [pieceOf(piece)]));
        for (const { outcome } of await Promise.all(answers)) assert.deepEqual(outcome, { kind: 'ok' });
      },
      reopen: async (wanted) => {
        await probe.closeStore();
        opened(await probe.open(wanted));
      },
    };
  };

  const checkFiles = (b: Bench): void => {
    b.info.files.forEach((file, i) => {
      if (file.symlink !== undefined) return;
      assert.ok(
        readFileSync(b.pathOf(i)).equals(b.made.contents[i] as Uint8Array),
        `content of ${file.path.join('/')}`,
      );
    });
  };

  const check = (what: string, body: (t: TestContext) => Promise<void>): void => {
    test(what, { timeout: 30_000 }, body);
  };

  describe(`disk contract: ${suite.name}`, () => {
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

    check('files have their full length, in holes, from the first byte on', async (t) => {
      const b = setUp(t, makeTorrent({ files: { '': 10_000_000 } }));
      opened(await b.probe.open());
      await b.commitAll([2]);
      const stats = lstatSync(b.pathOf(0));
      assert.equal(stats.size, 10_000_000);
      assert.ok(stats.blocks * 512 < 1_000_000, 'sparse');
      const good = (await b.probe.recheck()).good;
      assert.deepEqual(
        good.map((g, i) => (g === 1 ? i : -1)).filter((i) => i >= 0),
        [2],
      );
    });

    check('a file that is longer than it has to be is cut when it is written', async (t) => {
      const b = setUp(t, makeTorrent({ files: { '': 50_000 } }));
      mkdirSync(b.folder, { recursive: true });
      writeFileSync(b.pathOf(0), Buffer.alloc(70_000, 1));
      opened(await b.probe.open());
      await b.commitAll();
      checkFiles(b);
    });

    check('empty files, links and the executable bit', async (t) => {
      const made = makeTorrent({ files: { 'a.bin': 40_000, 'sub/empty': 0, run: 300 } });
      const files = made.torrent.info.files.map((f) => ({ ...f, executable: f.path.at(-1) === 'run' }));
      const link = { ...files[1]!, index: 3, path: ['made', 'sub', 'link'], length: 0, symlink: ['made', 'a.bin'] };
      const info = { ...made.torrent.info, files: [...files, link] };
      const torrent = { ...made.torrent, info };
      const b = setUp(t, { ...made, torrent });
      opened(await b.probe.open());
      await b.commitAll();
      assert.equal(lstatSync(join(b.folder, 'made/sub/empty')).size, 0);
      assert.equal(readlinkSync(join(b.folder, 'made/sub/link')), '../a.bin');
      assert.notEqual(lstatSync(join(b.folder, 'made/run')).mode & 0o100, 0);
      assert.equal(lstatSync(join(b.folder, 'made/a.bin')).mode & 0o111, 0);
    });

    check('where only empty files are wanted, they are made at once', async (t) => {
      const b = setUp(t, makeTorrent({ files: { a: 20, 'b/c': 0 } }));
      opened(await b.probe.open([false, true]));
      assert.equal(existsSync(b.pathOf(0)), false);
      assert.equal(lstatSync(b.pathOf(1)).size, 0);
    });

    check('seeding from a wrong folder leaves it as it was', async (t) => {
      const b = setUp(t, makeTorrent({ files: { a: 20, 'b/c': 0 } }));
      opened(await b.probe.open());
      assert.deepEqual((await b.probe.recheck()).good, [0]);
      await assert.rejects(b.probe.read(0, 0, 20), { code: 'disk/not-found' });
      assert.equal(await b.probe.save(Uint8Array.of(1), true), undefined);
      assert.equal(existsSync(b.folder), false);
    });

    check('an empty file that is missing beside data that is there is made', async (t) => {
      const b = setUp(t, makeTorrent({ files: { a: 20, 'b/c': 0 } }));
      mkdirSync(join(b.folder, 'made'), { recursive: true });
      writeFileSync(b.pathOf(0), b.made.contents[0] as Uint8Array);
      opened(await b.probe.open());
      assert.equal(lstatSync(b.pathOf(1)).size, 0);
    });

    check('files not selected are never created: their share lives in the part file', async (t) => {
      const b = setUp(t, makeTorrent({ files: threeFiles }));
      const wanted = [false, true, false];
      opened(await b.probe.open(wanted));
      await b.commitAll([0, 1]);
      const parts = join(b.folder, `.${b.info.hashV1}.parts`);
      const checkAll = async (): Promise<void> => {
        assert.equal(existsSync(b.pathOf(0)), false);
        assert.equal(existsSync(b.pathOf(2)), false);
        assert.ok(readFileSync(b.pathOf(1)).equals(b.made.contents[1] as Uint8Array));
        assert.ok(existsSync(parts));
        assert.deepEqual((await b.probe.recheck()).good, [1, 1, 0, 0, 0]);
        assert.deepEqual(await b.probe.read(0, 0, 32_768), b.pieceOf(0));
        assert.deepEqual(await b.probe.read(1, 16_384, 16_384), b.pieceOf(1).subarray(16_384));
      };
      await checkAll();
      await b.probe.closeStore();
      const again = opened(await b.probe.open(wanted));
      assert.equal(again.partFile?.length, lstatSync(parts).size);
      assert.ok(lstatSync(parts).size < 40_000);
      await checkAll();
      // Now they are wanted: the shares move to where they belong.
      await b.reopen([true, true, true]);
      assert.equal(existsSync(parts), false);
      assert.ok(readFileSync(b.pathOf(0)).equals(b.made.contents[0] as Uint8Array));
      assert.deepEqual((await b.probe.recheck()).good, [1, 1, 0, 0, 0]);
      await b.commitAll([2, 3, 4]);
      checkFiles(b);
    });

    check('shares move one file at a time, and survive a file deselected in between', async (t) => {
      const b = setUp(t, makeTorrent({ files: threeFiles }));
      opened(await b.probe.open([false, true, false]));
      await b.commitAll([0, 1]);
      await b.reopen([true, false, false]);
      assert.ok(readFileSync(b.pathOf(0)).equals(b.made.contents[0] as Uint8Array));
      assert.deepEqual((await b.probe.recheck()).good, [1, 1, 0, 0, 0], 'a deselected file that is there is read');
      await b.commitAll([2]);
      assert.ok(existsSync(join(b.folder, `.${b.info.hashV1}.parts`)));
      await b.reopen([false, true, true]);
      assert.deepEqual((await b.probe.recheck()).good, [1, 1, 1, 0, 0]);
    });

    check('a damaged part file costs its pieces, nothing else', async (t) => {
      const b = setUp(t, makeTorrent({ files: threeFiles }));
      const wanted = [false, true, false];
      opened(await b.probe.open(wanted));
      await b.commitAll([0, 1]);
      await b.probe.closeStore();
      const parts = join(b.folder, `.${b.info.hashV1}.parts`);
      truncateSync(parts, lstatSync(parts).size - 5);
      opened(await b.probe.open(wanted));
      assert.deepEqual((await b.probe.recheck()).good, [1, 0, 0, 0, 0]);
      await b.commitAll([1]);
      assert.deepEqual((await b.probe.recheck()).good, [1, 1, 0, 0, 0]);
      await b.probe.closeStore();
      writeFileSync(parts, 'something else');
      opened(await b.probe.open(wanted));
      assert.deepEqual((await b.probe.recheck()).good, [0, 0, 0, 0, 0]);
      await b.commitAll([0, 1]);
      assert.deepEqual((await b.probe.recheck()).good, [1, 1, 0, 0, 0]);
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

    check('closing a store answers a recheck that is under way first, for every piece', async (t) => {
      const b = setUp(t, makeTorrent({ files: { '': 1_000_000 }, pieceLength: 16_384 }), {
        limits: { recheckStepBytes: 100_000 },
      });
      opened(await b.probe.open());
      await b.commitAll();
      const recheck = b.probe.recheck();
      await b.probe.closeStore();
      const { error } = await recheck;
      assert.equal(error?.code, 'client/aborted');
      assert.equal(b.probe.log.at(-1), 'close');
    });

    check('other requests pass a recheck', async (t) => {
      const b = setUp(t, makeTorrent({ files: { '': 1_000_000 }, pieceLength: 16_384 }), {
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

    describe('resume records', () => {
      check('come back with the states of the files, of the same folder only', async (t) => {
        const made = makeTorrent({ files: threeFiles });
        const b = setUp(t, made);
        assert.equal(opened(await b.probe.open()).resume, undefined);
        await b.commitAll([0, 1]);
        assert.equal(await b.probe.save(Uint8Array.of(1, 2, 3), false), undefined);
        await b.probe.closeStore();
        const first = opened(await b.probe.open());
        assert.deepEqual([...(first.resume?.bytes ?? [])], [1, 2, 3]);
        assert.equal(first.resume?.final, false);
        assert.deepEqual(first.resume?.files, first.files);
        assert.equal(first.files[0]?.length, 10_000);
        assert.ok(Math.abs((first.resume?.savedMs ?? 0) - first.wallMs) < 60_000);
        assert.equal(await b.probe.save(Uint8Array.of(9), true), undefined);
        await b.probe.closeStore();
        const second = opened(await b.probe.open());
        assert.deepEqual([...(second.resume?.bytes ?? [])], [9]);
        assert.equal(second.resume?.final, true);
        const elsewhere = setUp(t, made, { stateDir: b.stateDir });
        assert.equal(opened(await elsewhere.probe.open()).resume, undefined);
      });

      check('fall back to the generation before, then to nothing', async (t) => {
        const b = setUp(t, makeTorrent({ files: threeFiles }));
        opened(await b.probe.open());
        await b.probe.save(Uint8Array.of(1), false);
        await b.probe.save(Uint8Array.of(2), false);
        await b.probe.closeStore();
        const file = join(b.stateDir, 'resume', `${b.info.hashV1}.resume`);
        const bytes = readFileSync(file);
        bytes[10] = (bytes[10] as number) ^ 1;
        writeFileSync(file, bytes);
        assert.deepEqual([...(opened(await b.probe.open()).resume?.bytes ?? [])], [1]);
        await b.probe.closeStore();
        rmSync(`${file}.bak`);
        assert.equal(opened(await b.probe.open()).resume, undefined);
      });
    });

    describe('hostile folders', () => {
      const outside = (b: Bench): string => join(dirname(b.folder), 'outside');

      const attack = (
        what: string,
        prepare: (b: Bench) => void,
        options: { code: string; isSeenAtOpen?: boolean } = { code: 'disk/unsafe-path' },
      ): void => {
        check(what, async (t) => {
          const b = setUp(t, makeTorrent({ files: threeFiles }));
          mkdirSync(join(b.folder, 'made'), { recursive: true });
          mkdirSync(outside(b));
          writeFileSync(join(outside(b), 'b.bin'), Buffer.alloc(50_000, 1));
          if (options.isSeenAtOpen !== true) opened(await b.probe.open());
          prepare(b);
          if (options.isSeenAtOpen === true) {
            const result = await b.probe.open();
            assert.equal(result.kind === 'failed' && result.error.code, options.code);
            return;
          }
          const { outcome, segments } = await b.probe.commit(1, [b.pieceOf(1)]);
          assert.equal(outcome.kind === 'failed' && outcome.error.code, options.code);
          assert.equal(segments[0]?.length, 32_768);
          await assert.rejects(b.probe.read(1, 0, 16_384), { code: options.code });
          assert.ok(
            readFileSync(join(outside(b), 'b.bin')).equals(Buffer.alloc(50_000, 1)),
            'nothing outside is touched',
          );
          assert.deepEqual(readdirSync(outside(b)), ['b.bin']);
        });
      };

      for (const isSeenAtOpen of [false, true]) {
        const when = isSeenAtOpen ? 'when the store opens' : 'later on';
        const options = { code: 'disk/unsafe-path', isSeenAtOpen };
        attack(
          `a link in place of a folder, ${when}`,
          (b) => symlinkSync(outside(b), join(b.folder, 'made/sub')),
          options,
        );
        attack(
          `a link in place of a file, ${when}`,
          (b) => {
            mkdirSync(join(b.folder, 'made/sub'));
            symlinkSync(join(outside(b), 'b.bin'), join(b.folder, 'made/sub/b.bin'));
          },
          options,
        );
        attack(
          `a link that leads nowhere yet, ${when}`,
          (b) => {
            mkdirSync(join(b.folder, 'made/sub'));
            symlinkSync(join(outside(b), 'new.bin'), join(b.folder, 'made/sub/b.bin'));
          },
          options,
        );
        attack(
          `a folder in place of a file, ${when}`,
          (b) => mkdirSync(join(b.folder, 'made/sub/b.bin'), { recursive: true }),
          options,
        );
        attack(`a file in place of a folder, ${when}`, (b) => writeFileSync(join(b.folder, 'made/sub'), ''), options);
        if (process.platform !== 'win32') {
          attack(
            `a pipe in place of a file, ${when}`,
            (b) => {
              mkdirSync(join(b.folder, 'made/sub'));
              execFileSync('mkfifo', [join(b.folder, 'made/sub/b.bin')]);
            },
            options,
          );
        }
      }

      check('a link in place of the part file', async (t) => {
        const b = setUp(t, makeTorrent({ files: threeFiles }));
        mkdirSync(b.folder);
        mkdirSync(outside(b));
        opened(await b.probe.open([false, true, false]));
        symlinkSync(join(outside(b), 'x'), join(b.folder, `.${b.info.hashV1}.parts`));
        const { outcome } = await b.probe.commit(0, [b.pieceOf(0)]);
        assert.equal(outcome.kind === 'failed' && outcome.error.code, 'disk/unsafe-path');
        assert.deepEqual(readdirSync(outside(b)), []);
      });

      check('the download folder itself may be a link', async (t) => {
        const base = makeTempFolder(t);
        mkdirSync(join(base, 'real'));
        symlinkSync(join(base, 'real'), join(base, 'link'));
        const b = setUp(t, makeTorrent({ files: threeFiles }), { folder: join(base, 'link') });
        opened(await b.probe.open());
        await b.commitAll();
        checkFiles(b);
      });

      check('two names that are one file on disk do not overwrite each other', async (t) => {
        const b = setUp(t, makeTorrent({ files: { a: 40_000, b: 40_000 } }));
        mkdirSync(join(b.folder, 'made'), { recursive: true });
        writeFileSync(b.pathOf(0), '');
        execFileSync('ln', [b.pathOf(0), b.pathOf(1)]);
        opened(await b.probe.open());
        await b.commitAll([0]);
        const { outcome } = await b.probe.commit(2, [b.pieceOf(2)]);
        assert.equal(outcome.kind === 'failed' && outcome.error.code, 'disk/unsafe-path');
      });
    });

    check('a file that has become shorter, or is gone, is told when it is read', async (t) => {
      const b = setUp(t, makeTorrent({ files: { a: 40_000, b: 40_000 } }));
      opened(await b.probe.open());
      await b.commitAll();
      await b.reopen();
      truncateSync(b.pathOf(0), 10_000);
      await assert.rejects(b.probe.read(0, 0, 32_768), { code: 'disk/changed' });
      unlinkSync(b.pathOf(1));
      await assert.rejects(b.probe.read(2, 0, 1000), { code: 'disk/not-found' });
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

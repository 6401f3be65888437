import assert from 'node:assert/strict';
import {
  closeSync,
  existsSync,
  lstatSync,
  mkdirSync,
  openSync,
  readdirSync,
  readFileSync,
  readlinkSync,
  renameSync,
  rmSync,
  statSync,
  truncateSync,
  unlinkSync,
  utimesSync,
  writeFileSync,
  writeSync,
} from 'node:fs';
import { join } from 'node:path';
import { describe, type TestContext } from 'node:test';

import { check, checkFiles, type DiskSuite, setUpDisk, threeFiles } from '../support/disk-bench.ts';
import { opened } from '../support/disk-probe.ts';

import { makeTempFolder } from '../support/temp-folder.ts';
import { makeTorrent } from '../support/torrents.ts';

/** Until what is written gets another time than what was written before: file systems keep it in ticks of some milliseconds. */
function passTick(t: TestContext): void {
  const path = join(makeTempFolder(t), 'clock');
  const write = () => {
    writeFileSync(path, 'x');
    return Math.floor(statSync(path).mtimeMs);
  };
  for (const start = write(); write() === start; );
}

function overwrite(path: string, at: number, text: string): void {
  const fd = openSync(path, 'r+');
  writeSync(fd, text, at);
  closeSync(fd);
  // Not within the same tick of the file system's clock.
  const later = new Date(Date.now() + 1_000);
  utimesSync(path, later, later);
}

/** Another file in the place of one, with its times, as a copy has them. */
function replace(path: string, bytes: Uint8Array): void {
  const { atime, mtime } = statSync(path);
  writeFileSync(`${path}.new`, bytes);
  utimesSync(`${path}.new`, atime, mtime);
  renameSync(`${path}.new`, path);
}

/** What becomes of the files: sizes, selections, resume records. */
export function diskFilesContract(suite: DiskSuite): void {
  const setUp = setUpDisk.bind(undefined, suite);

  describe(`disk contract, files: ${suite.name}`, () => {
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
        const records = readdirSync(join(b.stateDir, 'resume')).filter((name) => name.endsWith('.resume'));
        assert.equal(records.length, 1);
        const file = join(b.stateDir, 'resume', records[0] as string);
        const bytes = readFileSync(file);
        bytes[10] = (bytes[10] as number) ^ 1;
        writeFileSync(file, bytes);
        assert.deepEqual([...(opened(await b.probe.open()).resume?.bytes ?? [])], [1]);
        await b.probe.closeStore();
        rmSync(`${file}.bak`);
        assert.equal(opened(await b.probe.open()).resume, undefined);
      });
    });

    check('the record of a clean stop knows how the part file stands', async (t) => {
      const b = setUp(t, makeTorrent({ files: threeFiles }));
      const wanted = [false, true, false];
      opened(await b.probe.open(wanted));
      await b.commitAll([0, 1]);
      assert.equal(await b.probe.save(Uint8Array.of(1), true), undefined);
      await b.probe.closeStore();
      const { resume, partFile } = opened(await b.probe.open(wanted));
      assert.ok(partFile !== undefined);
      assert.deepEqual(resume?.partFile, partFile);
    });

    check('pieces stored after the record are found again', async (t) => {
      const b = setUp(t, makeTorrent({ files: threeFiles }));
      opened(await b.probe.open());
      await b.probe.save(Uint8Array.of(1), false);
      await b.commitAll();
      await b.probe.closeStore();
      const resume = opened(await b.probe.open()).resume;
      assert.deepEqual(
        resume?.committed,
        Array.from({ length: b.info.pieceCount }, (_, piece) => piece),
      );
      assert.equal(resume?.isSameBoot, true);
      await b.probe.save(Uint8Array.of(2), true);
      await b.probe.closeStore();
      assert.deepEqual(opened(await b.probe.open()).resume?.committed, []);
    });

    check('a file that was short when it was looked at last, and is whole again, is found by a recheck', async (t) => {
      const b = setUp(t, makeTorrent({ files: { a: 40_000, b: 40_000 } }));
      opened(await b.probe.open());
      await b.commitAll();
      const whole = readFileSync(b.pathOf(1));
      truncateSync(b.pathOf(1), 0);
      await b.probe.save(Uint8Array.of(1), false);
      writeFileSync(b.pathOf(1), whole);
      assert.ok((await b.probe.recheck()).good.every((good) => good === 1));
    });

    check('a file that others change under a seed is not read until its pieces are hashed again', async (t) => {
      const b = setUp(t, makeTorrent({ files: { a: 100_000, b: 40_000 } }));
      opened(await b.probe.open());
      await b.commitAll();
      // Often enough for every way of reading to have been used.
      for (let n = 0; n < 4; n++) assert.deepEqual(await b.probe.read(0, 0, 32_768), b.pieceOf(0));
      const changes: [string, () => void][] = [
        ['overwritten in place', () => overwrite(b.pathOf(0), 50_000, 'XX')],
        ['replaced by another of the same length', () => replace(b.pathOf(0), readFileSync(b.pathOf(0)))],
        ['cut', () => truncateSync(b.pathOf(0), 50_000)],
        ['made longer', () => writeFileSync(b.pathOf(0), Buffer.concat([readFileSync(b.pathOf(0)), Buffer.alloc(9)]))],
      ];
      for (const [what, change] of changes) {
        change();
        await assert.rejects(b.probe.read(0, 0, 32_768), { code: 'disk/changed' }, what);
        await assert.rejects(b.probe.read(0, 0, 32_768), { code: 'disk/changed' }, `${what}: nor by trying again`);
        assert.deepEqual(await b.probe.read(4, 0, 8_928), b.pieceOf(4), 'the other file is served');
        const { good } = await b.probe.recheck();
        assert.equal(good[0], 1, what);
        assert.equal(good[1], 0, what);
        assert.deepEqual(await b.probe.read(0, 0, 32_768), b.pieceOf(0), `${what}: what is good is read again`);
      }
      unlinkSync(b.pathOf(0));
      await assert.rejects(b.probe.read(0, 0, 32_768), { code: 'disk/not-found' });
      const { checks } = await b.probe.recheck();
      assert.deepEqual(checks, [2, 2, 2, 2, 1]);
    });

    check('a file that others have changed is not believed because it was moved', async (t) => {
      const b = setUp(t, makeTorrent({ files: { a: 100_000, b: 40_000, empty: 0 } }));
      opened(await b.probe.open());
      await b.commitAll();
      await b.probe.save(Uint8Array.of(1), true);
      for (let n = 0; n < 4; n++) assert.deepEqual(await b.probe.read(4, 0, 8_928), b.pieceOf(4));
      overwrite(b.pathOf(0), 50_000, 'XX');
      const to = join(b.folder, '../elsewhere');
      assert.equal((await b.probe.move(to)).error, undefined);
      for (let n = 0; n < 4; n++) assert.deepEqual(await b.probe.read(4, 0, 8_928), b.pieceOf(4));
      await assert.rejects(b.probe.read(1, 0, 32_768), { code: 'disk/changed' });
      await b.probe.closeStore();
      const { resume, files, movedTo } = opened(await b.probe.open());
      assert.equal(movedTo, to);
      assert.equal(resume?.files[0], undefined);
      assert.deepEqual(resume?.files[1], files[1]);
      assert.deepEqual((await b.probe.recheck()).good, [1, 0, 1, 1, 1]);
    });

    check('a file that others delete while it is written is told once, and made anew', async (t) => {
      const b = setUp(t, makeTorrent({ files: { a: 100_000, b: 40_000 } }));
      opened(await b.probe.open());
      await b.commitAll([0, 4]);
      // Often enough for every way of reading to be in use, which has not met the file yet.
      for (let n = 0; n < 4; n++) assert.deepEqual(await b.probe.read(4, 0, 8_928), b.pieceOf(4));
      unlinkSync(b.pathOf(0));
      const { outcome } = await b.probe.commit(1, [b.pieceOf(1)]);
      assert.ok(outcome.kind === 'failed' && outcome.error.code === 'disk/not-found', JSON.stringify(outcome));
      await b.commitAll([1]);
      // The hole where the first piece was is not given away for it.
      await assert.rejects(b.probe.read(0, 0, 32_768), { code: 'disk/changed' });
      assert.deepEqual((await b.probe.recheck()).good, [0, 1, 0, 0, 1]);
      assert.deepEqual(await b.probe.read(1, 0, 32_768), b.pieceOf(1));
    });

    check(
      'neither record nor journal vouches for a file that others have changed and we have written since',
      async (t) => {
        const b = setUp(t, makeTorrent({ files: { a: 100_000 } }));
        opened(await b.probe.open());
        await b.commitAll([0, 1]);
        await b.probe.save(Uint8Array.of(1), false);
        passTick(t);
        overwrite(b.pathOf(0), 5_000, 'XX');
        const { outcome } = await b.probe.commit(2, [b.pieceOf(2)]);
        assert.ok(outcome.kind === 'failed' && outcome.error.code === 'disk/changed', JSON.stringify(outcome));
        await b.commitAll([3]);
        for (const isSaved of [false, true]) {
          if (isSaved) await b.probe.save(Uint8Array.of(2), false);
          await b.probe.closeStore();
          const { resume, files } = opened(await b.probe.open());
          assert.ok(resume !== undefined);
          assert.notDeepEqual(resume.written.get(0), files[0]);
          assert.notDeepEqual(resume.files[0], files[0]);
          // As the first time: found to be changed, and written nevertheless.
          passTick(t);
          overwrite(b.pathOf(0), 5_000, 'YY');
          await b.probe.commit(2, [b.pieceOf(2)]);
          await b.commitAll([3]);
        }
      },
    );

    check('a record does not vouch for what others did since we wrote', async (t) => {
      const b = setUp(t, makeTorrent({ files: { a: 100_000 } }));
      opened(await b.probe.open());
      await b.commitAll();
      overwrite(b.pathOf(0), 50_000, 'XX');
      await b.probe.save(Uint8Array.of(1), true);
      await b.probe.closeStore();
      const { resume, files } = opened(await b.probe.open());
      assert.notDeepEqual(resume?.files, files);
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
  });
}

import assert from 'node:assert/strict';
import { execFileSync } from 'node:child_process';

import { mkdirSync, readdirSync, readFileSync, renameSync, rmSync, symlinkSync, writeFileSync } from 'node:fs';
import { dirname, join } from 'node:path';
import { describe } from 'node:test';

import { PieceCheck } from '#swarm';
import { type Bench, check, checkFiles, type DiskSuite, setUpDisk, threeFiles } from '../support/disk-bench.ts';
import { opened } from '../support/disk-probe.ts';
import { makeTempFolder } from '../support/temp-folder.ts';
import { makeTorrent } from '../support/torrents.ts';

/** Folders in which somebody has prepared something: nothing outside of them is read or written. */
export function diskHostileContract(suite: DiskSuite): void {
  const setUp = setUpDisk.bind(undefined, suite);

  describe(`disk contract, hostile folders: ${suite.name}`, () => {
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

    check('a link in place of a file that is hashed again', async (t) => {
      const b = setUp(t, makeTorrent({ files: threeFiles }));
      opened(await b.probe.open());
      await b.commitAll([0]);
      await b.probe.closeStore();
      rmSync(b.pathOf(1));
      opened(await b.probe.open());
      mkdirSync(outside(b));
      writeFileSync(join(outside(b), 'b.bin'), b.made.contents[1] as Uint8Array);
      symlinkSync(join(outside(b), 'b.bin'), b.pathOf(1));
      const { checks, error } = await b.probe.recheck();
      assert.equal(error?.code, 'disk/unsafe-path');
      assert.ok(checks.every((check) => check === PieceCheck.unknown));
    });

    check('a link in place of a folder whose files are hashed again', async (t) => {
      const b = setUp(t, makeTorrent({ files: threeFiles }));
      opened(await b.probe.open());
      await b.commitAll();
      await b.reopen();
      renameSync(join(b.folder, 'made/sub'), outside(b));
      symlinkSync(outside(b), join(b.folder, 'made/sub'));
      const { checks, error } = await b.probe.recheck();
      assert.equal(error?.code, 'disk/unsafe-path');
      assert.ok(checks.every((check) => check === PieceCheck.unknown));
    });

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
}

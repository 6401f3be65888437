import assert from 'node:assert/strict';
import { join } from 'node:path';
import { describe, type TestContext, test } from 'node:test';
import { seededRng } from '#base';
import { Geometry, type TorrentFormat } from '#metainfo';
import { InlineDisk, MemoryStore, type StoreMaker } from '#node';
import { DiskProbe, opened } from '../support/disk-probe.ts';
import { makeTempFolder } from '../support/temp-folder.ts';
import { makeTorrent } from '../support/torrents.ts';

/*
 * What every PieceStore must do, whatever it keeps its bytes in; files have more to do (piece-store.ts). Run through the port, as the
 * brain uses it.
 */
const stores: { name: string; make: (t: TestContext) => { folder: string; makeStore?: StoreMaker } }[] = [
  {
    name: 'memory',
    make: () => {
      const files = new Map<string, Uint8Array>();
      return { folder: '/', makeStore: ({ info }) => new MemoryStore(info, files) };
    },
  },
  { name: 'files', make: (t) => ({ folder: join(makeTempFolder(t), 'downloads') }) },
];

for (const { name, make } of stores) {
  describe(`store contract: ${name}`, () => {
    for (const format of ['v1', 'v2', 'hybrid'] satisfies TorrentFormat[]) {
      test(`${format}: reads what was written, tells what is not there, forgets nothing when closed`, async (t) => {
        const made = makeTorrent({ files: { a: 40_000, 'b/c': 3, 'b/d': 70_000, e: 0 }, format });
        const { info } = made.torrent;
        const { folder, makeStore } = make(t);
        const disk = new InlineDisk({ folderOf: () => folder, makeStore });
        t.after(() => disk.close());
        const probe = new DiskProbe(disk, made.torrent);
        const geometry = new Geometry(info);
        const space = new Uint8Array(info.spaceLength);
        for (const [i, file] of info.files.entries()) space.set(made.contents[i] ?? [], file.offset);
        const start = opened(await probe.open());
        assert.ok(start.files.every((file) => file === undefined));
        assert.equal((await probe.recheck()).good.includes(1), false);
        await assert.rejects(probe.read(0, 0, 100), { code: 'disk/not-found' });
        const rng = seededRng(5);
        const order = rng.shuffle(Array.from({ length: info.pieceCount }, (_, i) => i));
        for (const piece of order) {
          const from = geometry.pieceStart(piece);
          const bytes = space.slice(from, from + geometry.pieceBytes(piece));
          assert.deepEqual((await probe.commit(piece, [bytes])).outcome, { kind: 'ok' });
        }
        await probe.closeStore();
        const again = opened(await probe.open());
        assert.deepEqual(again.files[0]?.length, 40_000);
        assert.equal((await probe.recheck()).good.includes(0), false);
        for (const piece of order) {
          const from = geometry.pieceStart(piece);
          const length = 1 + rng.below(geometry.pieceBytes(piece));
          assert.deepEqual(await probe.read(piece, 0, length), space.subarray(from, from + length));
        }
      });
    }
  });
}

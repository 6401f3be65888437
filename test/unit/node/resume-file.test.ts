import assert from 'node:assert/strict';
import { readdirSync, readFileSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { describe, type TestContext, test } from 'node:test';
import { writeU32 } from '#base';
import { encode } from '#bencode';
import { DiskPool, InlineDisk } from '#node';
import { crc32 } from '#room/node/crc32';
import { DiskProbe, opened } from '../../support/disk-probe.ts';
import { makeTempFolder } from '../../support/temp-folder.ts';
import { type MadeTorrent, makeTorrent } from '../../support/torrents.ts';

interface Place {
  readonly probe: DiskProbe;
  readonly stateDir: string;
  readonly made: MadeTorrent;
  record(): string;
}

function setUp(t: TestContext): Place {
  const made = makeTorrent({ files: { a: 100_000 } });
  const base = makeTempFolder(t);
  const folder = join(base, 'downloads');
  const stateDir = join(base, 'state');
  const disk = new InlineDisk({ folderOf: () => folder, stateDir });
  t.after(() => disk.close());
  const record = () => {
    const [name] = readdirSync(join(stateDir, 'resume')).filter((n) => n.endsWith('.resume'));
    return join(stateDir, 'resume', name as string);
  };
  return { probe: new DiskProbe(disk, made.torrent), stateDir, made, record };
}

/** A record as a later program may write it: what the file itself says is all that we can read. */
function later(): Uint8Array {
  const body = encode({ v: 3, novelty: 'x' });
  const out = new Uint8Array(body.length + 4);
  out.set(body);
  writeU32(out, body.length, crc32(body));
  return out;
}

describe('resume records', () => {
  test('of a later program: the store is not opened, and nothing is written over it', async (t) => {
    const place = setUp(t);
    opened(await place.probe.open());
    await place.probe.save(Uint8Array.of(1), false);
    await place.probe.save(Uint8Array.of(2), true);
    await place.probe.closeStore();
    const path = place.record();
    const before = readFileSync(`${path}.bak`);
    writeFileSync(path, later());
    const result = await place.probe.open();
    assert.ok(result.kind === 'failed');
    assert.equal(result.error.code, 'swarm/state-newer');
    assert.ok(result.error.message.includes(path), result.error.message);
    assert.match(result.error.message, /newer version of Eider: use that version, or move it away/);
    await place.probe.closeStore();
    assert.deepEqual(new Uint8Array(readFileSync(path)), later());
    assert.deepEqual(readFileSync(`${path}.bak`), before);
    // Moved away, as we said.
    writeFileSync(`${path}.bak`, later());
    writeFileSync(path, 'damaged');
    assert.equal((await place.probe.open()).kind, 'failed', 'nor is one passed over that stands behind a damaged one');
  });

  test('a damaged one is told, and of the one before nothing about the data is believed', async (t) => {
    const place = setUp(t);
    opened(await place.probe.open());
    await place.probe.save(Uint8Array.of(1), false);
    await place.probe.save(Uint8Array.of(2), true);
    await place.probe.closeStore();
    writeFileSync(place.record(), 'damaged');
    const { resume, resumeTrouble } = opened(await place.probe.open());
    assert.deepEqual([...(resume?.bytes ?? [])], [1]);
    assert.equal(resume?.isBelieved, false);
    assert.equal(resumeTrouble?.code, 'swarm/state-damaged');
    assert.match(resumeTrouble?.message ?? '', /the resume data in .*\.resume is damaged/);
    await place.probe.closeStore();
    writeFileSync(`${place.record()}.bak`, 'damaged too');
    const none = opened(await place.probe.open());
    assert.deepEqual([none.resume, none.resumeTrouble?.code], [undefined, 'swarm/state-damaged']);
  });

  test('a worker tells the same', async (t) => {
    const place = setUp(t);
    opened(await place.probe.open());
    await place.probe.save(Uint8Array.of(1), true);
    await place.probe.closeStore();
    const pool = new DiskPool({ folderOf: () => join(place.stateDir, '../downloads'), stateDir: place.stateDir });
    t.after(() => pool.close());
    const probe = new DiskProbe(pool, place.made.torrent);
    const path = place.record();
    const good = readFileSync(path);
    writeFileSync(path, 'damaged');
    assert.equal(opened(await probe.open()).resumeTrouble?.code, 'swarm/state-damaged');
    await probe.closeStore();
    writeFileSync(path, later());
    const refused = await probe.open();
    assert.equal(refused.kind === 'failed' && refused.error.code, 'swarm/state-newer');
    writeFileSync(path, good);
    assert.equal(opened(await probe.open()).resume?.bytes[0], 1);
    await probe.closeStore();
  });

  test('of the version before are read, without their journal', async (t) => {
    const place = setUp(t);
    opened(await place.probe.open());
    await place.probe.save(Uint8Array.of(1), false);
    await place.probe.closeStore();
    const path = place.record();
    const folder = join(place.stateDir, '../downloads');
    const body = encode({
      v: 1,
      bytes: Uint8Array.of(7),
      files: new Uint8Array(16),
      final: 1,
      folder,
      part: new Uint8Array(16),
      saved: 5,
    });
    const old = new Uint8Array(body.length + 4);
    old.set(body);
    writeU32(old, body.length, crc32(body));
    writeFileSync(path, old);
    writeFileSync(`${path}.journal`, new Uint8Array(16));
    const { resume } = opened(await place.probe.open());
    assert.deepEqual([...(resume?.bytes ?? [])], [7]);
    assert.equal(resume?.final, true);
    // The journal of the old kind is no obstacle to the new one.
    await place.probe.save(Uint8Array.of(8), false);
    await place.probe.commit(0, [place.made.contents[0]?.slice(0, 32_768)]);
    await place.probe.closeStore();
    assert.deepEqual(opened(await place.probe.open()).resume?.committed, [0]);
  });
});

import assert from 'node:assert/strict';
import {
  existsSync,
  mkdirSync,
  readdirSync,
  readFileSync,
  renameSync,
  rmSync,
  unlinkSync,
  utimesSync,
  writeFileSync,
} from 'node:fs';
import { join } from 'node:path';
import { describe, test } from 'node:test';
import { Bitfield, type TorrentId } from '#base';
import { Geometry, v1PieceHash } from '#metainfo';
import { readIntact, writeAtomic } from '#node';
import { type SystemCalls, systemCalls } from '#room/node/disk/system-calls';
import { encodeResume } from '#room/swarm/resume';
import { type Believed, HostProbe, readBelieved } from '../support/believed.ts';
import { Crash, CrashCalls, type CrashPlan } from '../support/crash-calls.ts';
import { faultyCalls, noFaults } from '../support/faulty-calls.ts';
import { makeTempFolder } from '../support/temp-folder.ts';
import { makeTorrent } from '../support/torrents.ts';

const id = 1 as TorrentId;
const wanted = [true, false, true];
const made = makeTorrent({ files: { a: 40_000, 'sub/b': 60_000, 'sub/c': 80_000 }, pieceLength: 32_768 });
const { info } = made.torrent;
const geometry = new Geometry(info);
const space = new Uint8Array(info.spaceLength);
for (const [i, file] of info.files.entries()) space.set(made.contents[i] ?? [], file.offset);

function pieceOf(piece: number): Uint8Array {
  const start = geometry.pieceStart(piece);
  return space.slice(start, start + geometry.pieceBytes(piece));
}

/** A small download, step by step: what the brain asks of the disk, without the brain. */
class Download {
  /** Pieces of which the disk has said that they are stored. */
  readonly told = new Set<number>();
  readonly #host: HostProbe;

  constructor(stateDir: string, calls: SystemCalls) {
    this.#host = new HostProbe(stateDir, calls);
  }

  /** @throws Crash */
  run(folder: string): void {
    this.#host.ask({ verb: 'open', torrent: id, info, wanted, folder });
    this.#save(false);
    this.#commit(0);
    this.#commit(1);
    this.#save(false);
    // In two parts, as pieces longer than a buffer are.
    const bytes = pieceOf(3);
    this.#host.ask({ verb: 'segment', torrent: id, piece: 3, offset: 0, bytes: bytes.slice(0, 16_384) });
    this.#commit(4);
    this.#host.ask({ verb: 'segment', torrent: id, piece: 3, offset: 16_384, bytes: bytes.slice(16_384) });
    this.#commit(3, [undefined, undefined]);
    this.#commit(5);
    this.#save(true);
    this.#host.ask({ verb: 'close', torrent: id });
  }

  #commit(piece: number, segments: (Uint8Array | undefined)[] = [pieceOf(piece)]): void {
    const expect = { v1: v1PieceHash(info, piece) as Uint8Array };
    const segmentBytes = segments.length === 1 ? info.pieceLength : 16_384;
    const job = { torrent: id, piece, segments, segmentBytes, expect, blockHashes: false };
    const reply = this.#host.ask({ verb: 'commit', job });
    assert.ok(reply.verb === 'commit' && reply.outcome.kind === 'ok', JSON.stringify(reply));
    this.told.add(piece);
  }

  #save(final: boolean): void {
    const have = new Bitfield(info.pieceCount);
    for (const piece of this.told) have.set(piece);
    const hashes = [info.hashV1].filter((h) => h !== undefined);
    const bytes = encodeResume({ infoHashes: hashes, have, wanted, uploaded: 0, downloaded: 0, peers: [] });
    const reply = this.#host.ask({ verb: 'save', torrent: id, bytes, final });
    assert.ok(reply.verb === 'save' && reply.error === undefined, JSON.stringify(reply));
  }
}

/** What the next process believes; every piece of it is hashed there. */
function reopen(place: { folder: string; stateDir: string }, calls: SystemCalls): Believed {
  return readBelieved({ info, wanted, ...place }, calls);
}

function crashAt(
  base: string,
  plan: CrashPlan,
): { calls: CrashCalls; download: Download; folder: string; stateDir: string } {
  rmSync(base, { recursive: true, force: true });
  const [folder, stateDir] = [join(base, 'downloads'), join(base, 'state')];
  const calls = new CrashCalls(plan);
  const download = new Download(stateDir, calls.calls);
  try {
    download.run(folder);
    calls.end();
  } catch (error) {
    if (!(error instanceof Crash)) throw error;
  }
  return { calls, download, folder, stateDir };
}

describe('a process that dies after any system call of a small download', () => {
  for (const isTorn of [false, true]) {
    test(`loses nothing that it has told, believes nothing bad, hashes nothing again${isTorn ? ': torn writes' : ''}`, (t) => {
      const base = join(makeTempFolder(t), 'place');
      let points = 0;
      for (let after = 0; ; after++) {
        const { calls, download, ...place } = crashAt(base, { after, isTorn });
        if (!calls.isDead) break;
        points++;
        const { trusted, recheck, hadRecord } = reopen(place, systemCalls);
        const lost = [...download.told].filter((piece) => !trusted.includes(piece));
        assert.deepEqual(lost, [], `after ${after} calls: told as stored and not believed`);
        if (hadRecord) assert.deepEqual(recheck, [], `after ${after} calls: hashed again`);
      }
      // Were the download to need fewer calls than this, it would not be what is meant here.
      assert.ok(points > 100, `${points} points`);
      t.diagnostic(`${points} crash points`);
    });
  }

  test('and the machine with it: nothing bad is believed', (t) => {
    const base = join(makeTempFolder(t), 'place');
    const rebooted: SystemCalls = { ...systemCalls, uptime: () => -1e6 };
    let believed = 0;
    for (let after = 0; ; after++) {
      const { calls, ...place } = crashAt(base, { after });
      calls.losePower();
      const { trusted, recheck } = reopen(place, rebooted);
      believed = trusted.length;
      assert.equal(
        trusted.length > 0 && recheck.length > 0,
        false,
        `all or nothing after ${after} calls: ${trusted}; ${recheck}`,
      );
      if (!calls.isDead) break;
    }
    assert.equal(believed, 5, 'after a clean stop all of it is believed');
  });

  test('and somebody changes a file afterwards: every change is noticed', (t) => {
    const base = join(makeTempFolder(t), 'place');
    const later = new Date(Date.now() + 60_000);
    for (let after = 40; ; after += 7) {
      const { calls, ...place } = crashAt(base, { after });
      if (!calls.isDead) break;
      for (const name of ['made/a', 'made/sub/c', `.${info.hashV1}.parts`]) {
        const path = join(place.folder, name);
        if (!existsSync(path)) continue;
        const bytes = readFileSync(path);
        const at = bytes.length >> 1;
        bytes[at] = (bytes[at] as number) ^ 1;
        writeFileSync(path, bytes);
        // Later than a write that was going on can have taken.
        utimesSync(path, later, later);
      }
      assert.deepEqual(reopen(place, systemCalls).trusted, [], `after ${after} calls`);
    }
  });
});

describe('a process that dies after any system call of a move', () => {
  const isWhole = (folder: string): boolean =>
    readTree(join(folder, 'made/a')).equals(made.contents[0] as Uint8Array) &&
    readTree(join(folder, 'made/sub/c')).equals(made.contents[2] as Uint8Array);

  for (const isAcross of [false, true]) {
    test(`has all of it in one of the two places${isAcross ? ', which are on two file systems' : ''}`, (t) => {
      const base = join(makeTempFolder(t), 'place');
      const reached = new Set<string>();
      // Opening it is tried above: from its end on.
      for (let after = 30; ; after++) {
        rmSync(base, { recursive: true, force: true });
        const [from, to, stateDir] = [join(base, 'from'), join(base, 'to'), join(base, 'state')];
        new Download(stateDir, systemCalls).run(from);
        const calls = new CrashCalls({ after, isAcross });
        const probe = new HostProbe(stateDir, calls.calls);
        try {
          probe.ask({ verb: 'open', torrent: id, info, wanted, folder: from });
          const reply = probe.ask({ verb: 'move', torrent: id, folder: to });
          assert.ok(reply.verb === 'open', 'it takes a turn of its own');
          const moved = probe.finish();
          assert.ok(moved.verb === 'move' && moved.error === undefined, JSON.stringify(moved));
          calls.end();
        } catch (error) {
          if (!(error instanceof Crash)) throw error;
        }
        const next = new HostProbe(stateDir);
        const opened = next.ask({ verb: 'open', torrent: id, info, wanted, folder: calls.isDead ? from : to });
        assert.ok(opened.verb === 'open' && opened.result.kind === 'ok', JSON.stringify(opened));
        const at = opened.result.movedTo ?? (calls.isDead ? from : to);
        next.ask({ verb: 'close', torrent: id });
        assert.ok(isWhole(at), `after ${after} calls it is not whole in ${at}`);
        assert.ok(existsSync(join(at, `.${info.hashV1}.parts`)), `after ${after} calls: the part file`);
        const other = at === from ? to : from;
        assert.equal(existsSync(join(other, 'made')), false, `after ${after} calls something is left in ${other}`);
        const left = existsSync(other) ? readdirSync(other) : [];
        assert.deepEqual(left, [], `after ${after} calls something is left in ${other}`);
        const { trusted, recheck, hadRecord, notes } = readBelieved({ info, wanted, folder: at, stateDir });
        const what = `${at} after ${after} calls: ${JSON.stringify({ trusted, recheck, hadRecord, notes })}`;
        assert.equal(trusted.length + recheck.length, 5, what);
        if (!calls.isDead) assert.equal(trusted.length, 5, 'nothing is hashed after a move that came to its end');
        reached.add(at);
        if (!calls.isDead) break;
      }
      assert.equal(reached.size, 2);
    });
  }

  test('the old place leads to the new one until that is remembered', (t) => {
    const base = join(makeTempFolder(t), 'place');
    const [from, to, stateDir] = [join(base, 'from'), join(base, 'to'), join(base, 'state')];
    new Download(stateDir, systemCalls).run(from);
    const openedFrom = (probe: HostProbe): string | undefined => {
      const opened = probe.ask({ verb: 'open', torrent: id, info, wanted, folder: from });
      assert.ok(opened.verb === 'open' && opened.result.kind === 'ok', JSON.stringify(opened));
      return opened.result.movedTo;
    };
    const killed = new HostProbe(stateDir, systemCalls);
    assert.equal(openedFrom(killed), undefined);
    killed.ask({ verb: 'move', torrent: id, folder: to });
    killed.finish();
    assert.ok(isWhole(to));
    const next = new HostProbe(stateDir, systemCalls);
    assert.equal(openedFrom(next), to);
    next.ask({ verb: 'settle', torrent: id });
    next.ask({ verb: 'close', torrent: id });
    assert.equal(readBelieved({ info, wanted, folder: to, stateDir }).trusted.length, 5);
    assert.equal(openedFrom(new HostProbe(stateDir, systemCalls)), undefined);
  });

  test('a full target, or one where the name is taken: all stays where it was', (t) => {
    const base = join(makeTempFolder(t), 'place');
    const [from, to, stateDir] = [join(base, 'from'), join(base, 'to'), join(base, 'state')];
    new Download(stateDir, systemCalls).run(from);
    const faults = { ...noFaults(), isAcross: true, spaceBytes: 60_000 };
    const probe = new HostProbe(stateDir, faultyCalls(faults));
    probe.ask({ verb: 'open', torrent: id, info, wanted, folder: from });
    probe.ask({ verb: 'move', torrent: id, folder: to });
    const full = probe.finish();
    assert.ok(full.verb === 'move' && full.error?.code === 'disk/no-space', JSON.stringify(full));
    assert.deepEqual(readdirSync(to), []);
    mkdirSync(join(to, 'made'));
    const taken = probe.ask({ verb: 'move', torrent: id, folder: to });
    assert.ok(taken.verb === 'move' && taken.error?.code === 'disk/exists', JSON.stringify(taken));
    const inside = probe.ask({ verb: 'move', torrent: id, folder: join(from, 'made/deeper') });
    assert.ok(inside.verb === 'move' && inside.error?.code === 'client/invalid', JSON.stringify(inside));
    assert.equal(existsSync(join(from, 'made/deeper')), false);
    assert.ok(isWhole(from));
    faults.spaceBytes = Number.POSITIVE_INFINITY;
    probe.ask({ verb: 'close', torrent: id });
    assert.equal(readBelieved({ info, wanted, folder: from, stateDir }).trusted.length, 5);
  });
});

function readTree(path: string): Buffer {
  return existsSync(path) ? readFileSync(path) : Buffer.alloc(0);
}

describe('state files at every crash point', () => {
  const generation = (bytes: Uint8Array): number => {
    const text = Buffer.from(bytes).toString();
    if (!/^\d+\.$/.test(text)) throw new Error(`torn: ${JSON.stringify(text)}`);
    return Number.parseInt(text, 10);
  };
  const write = (path: string, n: number, calls: SystemCalls) =>
    writeAtomic(path, Buffer.from(`${n}.`), { keepPrevious: true, sync: n % 2 === 0, calls });

  for (const isTorn of [false, true]) {
    test(`one generation or the one before can be read${isTorn ? ': torn writes' : ''}`, (t) => {
      const base = makeTempFolder(t);
      for (let after = 0; ; after++) {
        const path = join(base, `${after}`, 'state');
        const calls = new CrashCalls({ after, isTorn });
        let written = 0;
        try {
          for (let n = 100; n < 105; n++) {
            write(path, n, calls.calls);
            written = n;
          }
          calls.end();
        } catch (error) {
          if (!(error instanceof Crash)) throw error;
        }
        const read = readIntact(path, generation);
        const isNext = read === (written === 0 ? 100 : written + 1);
        assert.ok(read === (written === 0 ? undefined : written) || isNext, `${read} after ${written}`);
        if (!calls.isDead) break;
      }
    });
  }

  test('renames that a power cut takes back leave one of the generations too', (t) => {
    const base = makeTempFolder(t);
    for (const lost of ['newest', 'both', 'contents']) {
      const path = join(base, lost, 'state');
      for (const n of [100, 101, 102]) write(path, n, systemCalls);
      if (lost === 'contents') {
        // The names are on the medium, the bytes of what was not synced are not.
        write(path, 103, systemCalls);
        writeFileSync(path, '');
        assert.equal(readIntact(path, generation), 102);
        continue;
      }
      // 103 has been written beside and renamed; the medium has not heard of the second rename, or of both.
      renameSync(path, `${path}.bak`);
      if (lost === 'both') renameSync(`${path}.bak`, path);
      writeFileSync(`${path}.1.tmp`, '10');
      assert.equal(readIntact(path, generation), 102);
      unlinkSync(`${path}.1.tmp`);
      assert.ok(readdirSync(join(base, lost)).length > 0);
    }
  });
});

import assert from 'node:assert/strict';
import { spawn } from 'node:child_process';
import { once } from 'node:events';
import {
  existsSync,
  mkdirSync,
  readFileSync,
  rmSync,
  truncateSync,
  unlinkSync,
  utimesSync,
  writeFileSync,
} from 'node:fs';
import { join } from 'node:path';
import { type TestContext, test } from 'node:test';
import { setTimeout as pause } from 'node:timers/promises';
import { fileURLToPath } from 'node:url';
import { createSession, type Session } from 'eider';
import { type Rng, seededRng } from '#base';
import { type Info, parseTorrentFile } from '#metainfo';
import { readBelieved } from '../support/believed.ts';
import type { VictimOrder } from '../support/kill-victim.ts';
import { nodeCrypto } from '../support/node-crypto.ts';
import { makeTempFolder, writeTree } from '../support/temp-folder.ts';
import { makeTorrent } from '../support/torrents.ts';
import { TransferPlace } from '../support/transfer-place.ts';

/** Downloads killed by SIGKILL: EIDER_KILLS of them, hundreds in CI. */
const killCount = Number(process.env['EIDER_KILLS'] ?? (process.env['CI'] === 'true' ? 240 : 48));
const downloadsAtOnce = 6;
const victimPath = fileURLToPath(new URL('../support/kill-victim.js', import.meta.url));

const lengths = { 'a.bin': 400_000, 'b/c.bin': 250_003, 'b/d.bin': 7, 'b/e.bin': 900_001 };
const made = makeTorrent({ files: lengths, pieceLength: 16_384, name: 'victim' });
const { info } = made.torrent;

/** One download that is killed again and again, until it is complete; then another begins in its place. */
class Victim {
  readonly folder: string;
  readonly stateDir: string;
  readonly files: readonly number[];
  /** Pieces of which the process has said that they are verified and stored. */
  readonly told = new Set<number>();
  /** Pieces that may be hashed at the next start; undefined: any, there was no record yet. */
  mayHash: number | undefined;
  isDone = false;

  constructor(folder: string, files: readonly number[]) {
    this.folder = join(folder, 'got');
    this.stateDir = join(folder, 'state');
    this.files = files;
  }

  get wanted(): boolean[] {
    return info.files.map((file) => this.files.includes(file.index));
  }
}

const counts = { kills: 0, midway: 0, changed: 0, told: 0, heldUp: 0, hashed: 0, done: 0 };

async function life(order: VictimOrder, victims: readonly Victim[], killAfterMs: number): Promise<void> {
  const child = spawn(process.execPath, [victimPath, JSON.stringify(order)], { stdio: ['ignore', 'pipe', 'inherit'] });
  const heard = (line: string): void => {
    const [i, what, value] = line.split(' ');
    const victim = victims[Number(i)] as Victim;
    if (what === 'piece') victim.told.add(Number(value));
    else if (what === 'done') victim.isDone = true;
    else if (what === 'checking' && victim.mayHash !== undefined) {
      counts.hashed += Number(value);
      assert.ok(Number(value) <= victim.mayHash, `${value} pieces hashed at a start, ${victim.mayHash} expected`);
    }
  };
  let text = '';
  let failed: unknown;
  child.stdout.setEncoding('utf8').on('data', (more: string) => {
    text += more;
    const lines = text.split('\n');
    text = lines.pop() as string;
    try {
      for (const line of lines) heard(line);
    } catch (error) {
      failed ??= error;
    }
  });
  const closed = once(child, 'close');
  // From the first word on: before it nothing is at work yet.
  await Promise.race([once(child.stdout, 'data'), closed]);
  await Promise.race([pause(killAfterMs), closed]);
  child.kill('SIGKILL');
  const [code, signal] = await closed;
  assert.deepEqual([code, signal], [null, 'SIGKILL'], 'the victim ended by itself');
  if (failed !== undefined) throw failed;
}

/** Somebody changes a file of a dead process, a moment later than its last write can have been. @returns the file's index */
function change(victim: Victim, rng: Rng): number | undefined {
  const there = victim.files.filter((i) => existsSync(pathOf(victim, i)) && (info.files[i]?.length ?? 0) > 100);
  if (there.length === 0) return undefined;
  const index = there[rng.below(there.length)] as number;
  const path = pathOf(victim, index);
  const bytes = readFileSync(path);
  const how = rng.below(4);
  if (how === 3) {
    unlinkSync(path);
    return index;
  }
  if (how === 0) {
    const at = rng.below(bytes.length);
    bytes[at] = (bytes[at] as number) ^ (1 << rng.below(8));
    writeFileSync(path, bytes);
  } else if (how === 1) writeFileSync(path, Buffer.concat([bytes, Buffer.alloc(1 + rng.below(50_000), 7)]));
  else truncateSync(path, rng.below(bytes.length));
  const later = new Date(Date.now() + 1_000);
  utimesSync(path, later, later);
  return index;
}

function pathOf(victim: Victim, file: number): string {
  return join(victim.folder, ...(info.files[file]?.path ?? []));
}

function piecesOf(file: number): number[] {
  const { offset, length } = info.files[file] as Info['files'][number];
  const first = Math.floor(offset / info.pieceLength);
  const last = Math.floor((offset + length - 1) / info.pieceLength);
  return Array.from({ length: last - first + 1 }, (_, i) => first + i);
}

/** What must hold of every download after its process was killed. */
function check(victim: Victim, rng: Rng): void {
  counts.kills++;
  counts.told += victim.told.size;
  if (victim.told.size > 0 && !victim.isDone) counts.midway++;
  const changed = rng.below(4) === 0 ? change(victim, rng) : undefined;
  if (changed !== undefined) counts.changed++;
  const suspect = new Set(changed === undefined ? [] : piecesOf(changed));
  const { wanted, folder, stateDir } = victim;
  const { trusted, recheck, hadRecord, notes } = readBelieved({ info, wanted, folder, stateDir });
  // The process may have been held up in the middle of a write for longer than we go by: then that file is hashed, and no other.
  const heldUp = recheck.filter((piece) => !suspect.has(piece));
  if (heldUp.length > 0) {
    counts.heldUp++;
    assert.ok(
      info.files.some((f) => heldUp.every((piece) => piecesOf(f.index).includes(piece))),
      `more than one file is to be hashed: ${JSON.stringify(notes)}`,
    );
  }
  const lost = [...victim.told].filter((p) => !trusted.includes(p) && !recheck.includes(p) && !suspect.has(p));
  assert.deepEqual(lost, [], `told as verified, and lost by the kill: ${JSON.stringify(notes)}`);
  assert.deepEqual(
    trusted.filter((piece) => suspect.has(piece)),
    [],
    'a file that somebody changed is not believed',
  );
  victim.mayHash = hadRecord ? recheck.length : undefined;
  // What was changed is no longer to be found.
  for (const piece of suspect) victim.told.delete(piece);
}

async function seedOf(folder: string): Promise<{ session: Session; torrent: string }> {
  writeTree(
    folder,
    Object.fromEntries(Object.keys(lengths).map((path, i) => [`victim/${path}`, made.contents[i] ?? ''])),
  );
  const torrent = join(folder, 'victim.torrent');
  writeFileSync(torrent, made.bytes);
  const session = await createSession({ path: folder, listen: { host: '127.0.0.1', port: 0 } });
  await (await session.add(made.bytes)).ready();
  return { session, torrent };
}

test(`${killCount} downloads killed at random moments`, { timeout: 110_000 }, async (t: TestContext) => {
  const base = makeTempFolder(t);
  const rng = seededRng(20_251);
  const { session, torrent } = await seedOf(join(base, 'seed'));
  t.after(() => session.close());
  let made = 0;
  const another = (): Victim => {
    const folder = join(base, `victim-${++made}`);
    mkdirSync(folder);
    // Every third leaves a file out, so that there is a part file.
    return new Victim(folder, made % 3 === 0 ? [0, 2, 3] : [0, 1, 2, 3]);
  };
  let victims = Array.from({ length: downloadsAtOnce }, another);
  const peer = session.addresses[0] as VictimOrder['peer'];
  const startedAt = performance.now();
  while (counts.kills < killCount) {
    const downloads = victims.map(({ folder, stateDir, files }) => {
      return { folder, stateDir, files, bytesPerSec: 400_000 + rng.below(4_000_000) };
    });
    await life({ torrent, peer, downloads }, victims, rng.below(500));
    for (const victim of victims) check(victim, rng);
    victims = victims.map((victim) => {
      if (!victim.isDone) return victim;
      counts.done++;
      rmSync(join(victim.folder, '..'), { recursive: true });
      return another();
    });
  }
  const seconds = ((performance.now() - startedAt) / 1000).toFixed(1);
  t.diagnostic(
    `${counts.kills} kills in ${seconds} s, ${counts.midway} in the middle of a download, ${counts.changed} with a file changed ` +
      `afterwards; ${counts.told} pieces told before a kill, none lost; ${counts.hashed} hashed at restarts; ` +
      `${counts.heldUp} held up in the middle of a write, ${counts.done} completed`,
  );
  assert.ok(counts.midway > killCount / 4, 'kills in the middle of a download');
  // A write that a busy machine holds up longer than its grace is hashed again: how often depends on the machine, and is told above.
  assert.ok(counts.heldUp <= 2 + killCount / 3, 'files that are hashed although nobody changed them are not the rule');
});

test('eider download, killed again and again, goes on where it was without looking at all of it', {
  timeout: 60_000,
}, async (t) => {
  const place = new TransferPlace(t);
  const rng = seededRng(7);
  const seeder = await place.seed();
  const state = place.path('state');
  const info = parseTorrentFile(readFileSync(place.path('share.torrent')), nodeCrypto).info;
  const args = ['share.torrent', '--dir', 'got', '--peer', await seeder.address(), '--state-dir', state];
  let before: readonly number[] = [];
  for (let n = 0; n < 8; n++) {
    const client = place.download(...(args as [string, ...string[]]), '--download-limit', '100K');
    const { pieces } = await client.waitFor('checking');
    if (n > 0) assert.equal(pieces, 0, 'nothing is hashed again');
    const ready = await client.waitFor('ready');
    assert.ok((ready['doneBytes'] as number) >= Math.max(0, before.length - 1) * info.pieceLength);
    await pause(rng.below(300));
    client.kill('SIGKILL');
    await client.ended;
    const wanted = info.files.map(() => true);
    const { trusted } = readBelieved({ info, wanted, folder: place.path('got'), stateDir: state });
    assert.ok(
      before.every((piece) => trusted.includes(piece)),
      'nothing verified is lost',
    );
    before = trusted;
  }
  assert.ok(before.length > 0 && before.length < info.pieceCount, `${before.length} of ${info.pieceCount}`);
  await place.download(...(args as [string, ...string[]])).end(0);
  assert.deepEqual(place.differences('got'), []);
});

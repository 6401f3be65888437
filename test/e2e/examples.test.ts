import assert from 'node:assert/strict';
import { type ChildProcess, spawn } from 'node:child_process';
import { once } from 'node:events';
import { readdirSync, readFileSync } from 'node:fs';
import { readFile, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { type TestContext, test } from 'node:test';
import { fileURLToPath } from 'node:url';
import { createTorrent } from 'eider/create';
import { parseTorrentFile } from 'eider/metainfo';
import { decodeTrace } from 'eider/trace';
import { startTracker } from 'eider/trackerd';
import { fromHex } from '#base';
import { TrackerClient } from '#node';
import { nodeCrypto } from '../support/node-crypto.ts';
import { makeBytes, makeTempFolder } from '../support/temp-folder.ts';

const projectRoot = fileURLToPath(new URL('../../../', import.meta.url));
const timeoutMs = 30_000;
const tested = new Set<string>();

/** An example at work: a process with the arguments that a reader would type. */
class Example {
  readonly #child: ChildProcess;
  readonly #ended: Promise<readonly [code: number | null]>;
  readonly #chunks: Buffer[] = [];
  #stderr = '';

  constructor(t: TestContext, name: string, args: readonly string[]) {
    tested.add(`${name}.ts`);
    const path = join(projectRoot, `build/examples/${name}.js`);
    this.#child = spawn(process.execPath, [path, ...args], { stdio: ['ignore', 'pipe', 'pipe'], timeout: timeoutMs });
    this.#child.stdout?.on('data', (chunk: Buffer) => this.#chunks.push(chunk));
    this.#child.stderr?.setEncoding('utf8').on('data', (text: string) => {
      this.#stderr += text;
    });
    this.#ended = once(this.#child, 'close') as Promise<[number | null]>;
    t.after(async () => {
      this.#child.kill('SIGKILL');
      await this.#ended;
    });
  }

  /** The first so many lines, as soon as they are there. */
  async lines(count: number): Promise<string[]> {
    for (;;) {
      const lines = this.#text().split('\n').slice(0, -1);
      if (lines.length >= count) return lines.slice(0, count);
      const more = once(this.#child.stdout as NodeJS.ReadableStream, 'data');
      const over = this.#ended.then(([code]) =>
        assert.fail(`ended with ${code} after ${lines.length} lines: ${this.#stderr}`),
      );
      await Promise.race([more, over]);
    }
  }

  interrupt(): void {
    this.#child.kill('SIGINT');
  }

  /** @returns all of stdout, once it has ended by itself and without a failure */
  async end(): Promise<Buffer> {
    const [code] = await this.#ended;
    assert.equal(code, 0, this.#stderr);
    return Buffer.concat(this.#chunks);
  }

  #text(): string {
    return Buffer.concat(this.#chunks).toString('utf8');
  }
}

interface Scene {
  readonly folder: string;
  /** What is shared. */
  readonly bytes: Buffer;
  readonly magnet: string;
  readonly torrentFile: string;
  readonly seeder: Example;
}

/** A tracker, and `share.ts` seeding one file through it: by itself the test of that example. */
async function withSeeder(t: TestContext, run: (scene: Scene) => Promise<void>): Promise<void> {
  const folder = makeTempFolder(t);
  await using tracker = await startTracker({ http: [{ host: '127.0.0.1', port: 0 }] });
  const announce = `http://127.0.0.1:${tracker.addresses[0]?.port}/announce`;
  const bytes = makeBytes(300_000);
  const path = join(folder, 'shared.bin');
  await writeFile(path, bytes);
  const torrentFile = join(folder, 'shared.torrent');
  await writeFile(torrentFile, (await createTorrent(path, { trackers: [[announce]] })).bytes);
  const seeder = new Example(t, 'share', [path, announce]);
  const [magnet = ''] = await seeder.lines(1);
  await run({ folder, bytes, magnet, torrentFile, seeder });
  seeder.interrupt();
  await seeder.end();
}

test('download.ts: by .torrent file and by magnet link', { timeout: timeoutMs }, async (t) => {
  await withSeeder(t, async ({ folder, bytes, magnet, torrentFile }) => {
    for (const [i, source] of [torrentFile, magnet].entries()) {
      const target = join(folder, `download-${i}`);
      const lines = (await new Example(t, 'download', [source, target]).end()).toString('utf8').trimEnd().split('\n');
      assert.equal(lines.at(-1), 'shared.bin is here');
      assert.match(lines.at(-2) ?? '', /^seeding 100 %, \d peers$/);
      assert.deepEqual(await readFile(join(target, 'shared.bin')), bytes);
    }
  });
});

test('stream.ts: the file itself on stdout', { timeout: timeoutMs }, async (t) => {
  await withSeeder(t, async ({ folder, bytes, magnet }) => {
    const stream = new Example(t, 'stream', [magnet, 'shared.bin', join(folder, 'streamed')]);
    assert.deepEqual(await stream.end(), bytes);
  });
});

test('magnet-to-torrent.ts: the same info dictionary', { timeout: timeoutMs }, async (t) => {
  await withSeeder(t, async ({ folder, magnet, torrentFile }) => {
    const file = join(folder, 'from-magnet.torrent');
    await new Example(t, 'magnet-to-torrent', [magnet, file]).end();
    const info = async (path: string) => parseTorrentFile(await readFile(path), nodeCrypto).info;
    assert.equal((await info(file)).hashV1, (await info(torrentFile)).hashV1);
  });
});

test('events.ts: pieces, then done', { timeout: timeoutMs }, async (t) => {
  await withSeeder(t, async ({ folder, torrentFile }) => {
    const out = (await new Example(t, 'events', [torrentFile, join(folder, 'watched')]).end()).toString('utf8');
    const lines = out.trimEnd().split('\n');
    assert.ok(lines.includes('torrent.piece 0'), out);
    assert.equal(lines.at(-1)?.trim(), 'torrent.done');
  });
});

test('why.ts: a trace with a reason for every piece', { timeout: timeoutMs }, async (t) => {
  await withSeeder(t, async ({ folder, torrentFile }) => {
    const out = (await new Example(t, 'why', [torrentFile, join(folder, 'traced')]).end()).toString('utf8');
    const { events } = decodeTrace(out);
    const picked = new Set(events.flatMap((e) => (e.kind === 'pick' && e.reason !== 'end-game' ? [e.piece] : [])));
    assert.equal(picked.size, Math.ceil(300_000 / 16_384));
  });
});

test('tracker.ts: knows what it was given', { timeout: timeoutMs }, async (t) => {
  const known = 'ab'.repeat(20);
  const example = new Example(t, 'tracker', [known]);
  const urls = await example.lines(2);
  assert.match(urls.join(' '), /^http:\S+\/announce udp:\S+\/announce$/);
  const client = new TrackerClient();
  for (const url of urls) {
    const ask = (infoHash: string) =>
      client.announce(url, {
        infoHash: fromHex(infoHash) as Uint8Array,
        peerId: new Uint8Array(20),
        port: 6881,
        uploaded: 0,
        downloaded: 0,
        left: 1,
        event: 'started',
        numWant: 50,
        key: 1,
      });
    assert.equal((await ask(known)).ok, true);
    const stranger = await ask('cd'.repeat(20));
    assert.ok(!stranger.ok && stranger.error.code === 'tracker/refused', JSON.stringify(stranger));
  }
  await client.close();
  example.interrupt();
  await example.end();
});

test('every example is run', () => {
  const all = readdirSync(join(projectRoot, 'examples')).filter((name) => name.endsWith('.ts') && name !== 'demo.ts');
  assert.deepEqual([...tested].sort(), all.sort());
  for (const name of all) {
    const code = readFileSync(join(projectRoot, 'examples', name), 'utf8').split('\n');
    assert.ok(code.length <= 24, `${name} is short`);
  }
});

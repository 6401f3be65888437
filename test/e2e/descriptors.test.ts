import assert from 'node:assert/strict';
import { spawn } from 'node:child_process';
import { randomBytes } from 'node:crypto';
import { mkdirSync, readdirSync, readFileSync, writeFileSync } from 'node:fs';
import { connect, type Socket } from 'node:net';
import { join } from 'node:path';
import { createInterface } from 'node:readline';
import { test } from 'node:test';
import { fileURLToPath } from 'node:url';
import { createSession } from 'eider';
import { createTorrent } from 'eider/create';
import { eiderPath } from '../support/run-cli.ts';
import { withTempFolder } from '../support/temp-folder.ts';

const torrentCount = 6;
const filesEach = 40;
const isLinux = process.platform === 'linux';

/** Torrents of many files each, and their .torrent files in one folder. */
async function makeTorrents(folder: string): Promise<{ from: string; torrents: string }> {
  const from = join(folder, 'from');
  const torrents = join(folder, 'torrents');
  mkdirSync(torrents, { recursive: true });
  for (let t = 0; t < torrentCount; t++) {
    const root = join(from, `torrent ${t}`);
    mkdirSync(root, { recursive: true });
    for (let f = 0; f < filesEach; f++) writeFileSync(join(root, `${f}.bin`), randomBytes(20_000));
    const made = await createTorrent(root, { format: 'v1', pieceLength: 32_768 });
    writeFileSync(join(torrents, `${t}.torrent`), made.bytes);
  }
  return { from, torrents };
}

/** A process that may have so many descriptors, and speaks JSON lines. */
class LimitedProcess {
  readonly #child;
  readonly #lines: Record<string, unknown>[] = [];
  #stderr = '';
  #wake: (() => void) | undefined;
  #code: number | null | undefined;

  constructor(max: number, args: readonly string[]) {
    const script = 'ulimit -n "$0" && exec "$@"';
    this.#child = spawn('sh', ['-c', script, String(max), process.execPath, ...args]);
    createInterface({ input: this.#child.stdout }).on('line', (line) => {
      this.#lines.push(JSON.parse(line) as Record<string, unknown>);
      this.#wake?.();
    });
    this.#child.stderr.on('data', (text) => {
      this.#stderr += text;
    });
    this.#child.on('close', (code) => {
      this.#code = code;
      this.#wake?.();
    });
  }

  async next(event: string): Promise<Record<string, unknown>> {
    for (;;) {
      const line = this.#lines.shift();
      if (line?.['event'] === event) return line;
      if (line !== undefined) continue;
      assert.equal(this.#code, undefined, `it ended before it said ${event}: ${this.#stderr}`);
      await new Promise<void>((resolve) => {
        this.#wake = resolve;
      });
    }
  }

  ask(line = ''): Promise<Record<string, unknown>> {
    this.#child.stdin.write(`${line}\n`);
    return this.next('open');
  }

  async end(signal?: NodeJS.Signals): Promise<void> {
    if (signal === undefined) this.#child.stdin.end();
    else this.#child.kill(signal);
    if (this.#code === undefined) await new Promise((resolve) => this.#child.once('close', resolve));
    assert.equal(this.#stderr.match(/EMFILE/), null, this.#stderr);
  }
}

const program = fileURLToPath(new URL('../support/few-descriptors.js', import.meta.url));

/** Connections that say nothing: as many as there can be. */
async function flood(port: number, count: number): Promise<Socket[]> {
  return Promise.all(
    Array.from(
      { length: count },
      () =>
        new Promise<Socket>((resolve) => {
          const socket = connect({ host: '127.0.0.1', port });
          socket.on('error', () => {});
          socket.once('connect', () => resolve(socket));
          socket.once('close', () => resolve(socket));
        }),
    ),
  );
}

test(
  '64 descriptors: many torrents of many files go both ways, among connections that say nothing',
  { skip: !isLinux },
  () =>
    withTempFolder(async (folder) => {
      const { from, torrents } = await makeTorrents(folder);
      const seed = new LimitedProcess(64, [program, 'seed', from, torrents]);
      const sockets: Socket[] = [];
      try {
        const { port, descriptors } = await seed.next('ready');
        const { connections, files } = descriptors as { connections: number; files: number };
        assert.ok(connections + files <= 32, `${connections} connections and ${files} files`);
        sockets.push(...(await flood(port as number, 100)));
        const to = join(folder, 'to');
        const leech = new LimitedProcess(64, [program, 'leech', to, torrents, `127.0.0.1:${port}`]);
        try {
          await leech.next('done');
          for (const side of [seed, leech]) {
            const { open } = await side.ask();
            assert.ok((open as number) <= 64, `${open}`);
          }
          for (let t = 0; t < torrentCount; t++) {
            const name = `torrent ${t}`;
            assert.equal(readdirSync(join(to, name)).length, filesEach);
            for (let f = 0; f < filesEach; f++) {
              const file = join(name, `${f}.bin`);
              assert.ok(readFileSync(join(to, file)).equals(readFileSync(join(from, file))), file);
            }
          }
        } finally {
          await leech.end();
        }
      } finally {
        for (const socket of sockets) socket.destroy();
        await seed.end();
      }
    }),
);

test('64 descriptors: the command says how many connections it can have, and serves', { skip: !isLinux }, () =>
  withTempFolder(async (folder) => {
    const { from, torrents } = await makeTorrents(folder);
    const torrentFile = join(torrents, '0.torrent');
    const args = [
      'seed',
      torrentFile,
      '--dir',
      from,
      '--listen',
      '127.0.0.1:0',
      '--json',
      '--state-dir',
      join(folder, 'state'),
    ];
    const seed = new LimitedProcess(64, [eiderPath, ...args]);
    const sockets: Socket[] = [];
    try {
      const warning = await seed.next('warning');
      assert.equal(warning['code'], 'client/few-descriptors');
      assert.match(warning['message'] as string, /^\d+ connections at most: this process may open 64 files/);
      const { port } = await seed.next('listening');
      await seed.next('ready');
      sockets.push(...(await flood(port as number, 100)));
      await using session = await createSession({ path: join(folder, 'to'), listen: false });
      const torrent = await session.add(readFileSync(torrentFile), {
        peers: [{ host: '127.0.0.1', port: port as number }],
      });
      await torrent.done({ signal: AbortSignal.timeout(60_000) });
    } finally {
      for (const socket of sockets) socket.destroy();
      await seed.end('SIGTERM');
    }
  }),
);

test(
  'without a descriptor left peers are lost, which is told, and the listener goes on when there are some',
  { skip: !isLinux },
  () =>
    withTempFolder(async (folder) => {
      const { from, torrents } = await makeTorrents(folder);
      const seed = new LimitedProcess(64, [program, 'seed', from, torrents]);
      try {
        const { port } = await seed.next('ready');
        await seed.ask('hog');
        const sockets = await flood(port as number, 5);
        let back: readonly { readonly code: string; readonly count: number }[] = [];
        for (let tries = 0; tries < 1_000 && back.length === 0; tries++) {
          back = (await seed.ask())['heldBack'] as typeof back;
        }
        assert.deepEqual(
          back.map((b) => b.code),
          ['no-descriptor'],
        );
        for (const socket of sockets) socket.destroy();
        await seed.ask('free');
        await using session = await createSession({ path: join(folder, 'to'), listen: false });
        const torrent = await session.add(readFileSync(join(torrents, '0.torrent')), {
          peers: [{ host: '127.0.0.1', port: port as number }],
        });
        await torrent.done({ signal: AbortSignal.timeout(60_000) });
      } finally {
        await seed.end();
      }
    }),
);

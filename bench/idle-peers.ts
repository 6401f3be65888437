import { randomBytes } from 'node:crypto';
import { mkdtemp, rm, writeFile } from 'node:fs/promises';
import { connect, type Socket } from 'node:net';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { setTimeout as delay } from 'node:timers/promises';
import { parseArgs } from 'node:util';
import { createTorrent } from 'eider/create';
import { nodeCrypto } from '#hash';
import { parseTorrentFile } from '#metainfo';
import { encodeExtendedHandshake, encodeHandshake, encodeMessage, extendedHandshakeId, extensionNames } from '#wire';
import { toChoice, toCount } from './support/arguments.ts';
import { JsonChild } from './support/processes.ts';
import { makeReport, writeReport } from './transfer/report.ts';

/** What the issue asks for, KiB of resident memory a peer. */
const target = 10;
const mib = 1_048_576;
const pieceCount = 1_000;
const pieceLength = 16_384;

/**
 * Memory of a session for each idle peer of one torrent it seeds: the slope between two numbers of connections, after garbage collection.
 * A peer has shaken hands, told its extensions (PEX among them) and that it has nothing, and been told the same of us; then it is silent.
 *
 *     npm run bench -- idle-peers [--from 2000] [--to 10000] [--kind session|transport|net] [--snapshot] [--json FILE]
 *
 * `transport` and `net` say what of it the sockets cost; `--snapshot` leaves heap snapshots in the current folder. Both processes need a descriptor for each connection (`ulimit -n`: 10,100 for
 * 10,000). All come from 127.0.0.1, whose number of connections is not bounded as that of other hosts is.
 */
export async function run(args: readonly string[]): Promise<void> {
  const { values } = parseArgs({
    args: [...args],
    options: {
      from: { type: 'string', default: '2000' },
      to: { type: 'string', default: '10000' },
      kind: { type: 'string', default: 'session' },
      snapshot: { type: 'boolean', default: false },
      json: { type: 'string' },
    },
  });
  const counts = [toCount(values.from, '--from'), toCount(values.to, '--to')];
  const kind = toChoice(values.kind, '--kind', ['session', 'transport', 'net']);
  const folder = await mkdtemp(join(tmpdir(), 'eider-bench-'));
  const sockets: Socket[] = [];
  try {
    const content = join(folder, 'content.bin');
    await writeFile(content, randomBytes(pieceCount * pieceLength));
    const made = await createTorrent(content, { format: 'v1', pieceLength });
    const torrentFile = join(folder, 'content.torrent');
    await writeFile(torrentFile, made.bytes);
    const nodeArgs = ['--expose-gc', ...(values.snapshot ? ['--heapsnapshot-signal=SIGUSR2'] : [])];
    const child = new JsonChild('./idle-host.js', [kind, torrentFile, folder], { nodeArgs });
    try {
      const port = Number((await child.next('ready'))['port']);
      const hello = toHello(made.bytes);
      const rows = [await measure(child, 0)];
      for (const count of counts) {
        while (sockets.length < count) {
          const batch = Array.from({ length: Math.min(100, count - sockets.length) }, (_, i) =>
            openPeer(port, sockets.length + i, hello, kind === 'session'),
          );
          sockets.push(...(await Promise.all(batch)));
        }
        // The first PEX messages go out within three seconds, and belong to it.
        await delay(5_000);
        if (values.snapshot) {
          child.child.kill('SIGUSR2');
          await delay(20_000);
        }
        rows.push(await measure(child, count));
      }
      report(kind, rows);
      const results = rows.map(({ connections, rss, heapUsed, external }) => ({
        program: `${kind}, ${connections} connections`,
        round: 0,
        figures: { 'resident MiB': rss / mib, 'heap MiB': heapUsed / mib, 'external MiB': external / mib },
      }));
      writeReport(makeReport('idle-peers', 'peers that do nothing', results), values.json);
    } finally {
      await child.end();
    }
  } finally {
    for (const socket of sockets) socket.destroy();
    await rm(folder, { recursive: true, force: true });
  }
}

interface Memory {
  readonly connections: number;
  readonly rss: number;
  readonly heapUsed: number;
  readonly external: number;
}

function report(kind: string, rows: readonly Memory[]): void {
  const show = (bytes: number): string => (bytes / mib).toFixed(1).padStart(7);
  for (const row of rows) {
    process.stdout.write(
      `${String(row.connections).padStart(6)} connections: resident ${show(row.rss)} MiB, heap ${show(row.heapUsed)} MiB, external ${show(row.external)} MiB\n`,
    );
  }
  const [, low, high] = rows;
  if (low === undefined || high === undefined) return;
  const slope = (what: 'rss' | 'heapUsed' | 'external'): number =>
    (high[what] - low[what]) / (high.connections - low.connections) / 1_024;
  const verdict = kind !== 'session' ? '' : slope('rss') <= target ? ': reached' : ': MISSED';
  process.stdout.write(
    `a connection (${kind}), Node ${process.versions.node}: resident ${slope('rss').toFixed(2)} KiB, ` +
      `heap ${slope('heapUsed').toFixed(2)} KiB, external ${slope('external').toFixed(2)} KiB; at most ${target} KiB${verdict}\n`,
  );
}

async function measure(child: JsonChild, expected: number): Promise<Memory> {
  for (let tries = 0; ; tries++) {
    child.child.stdin?.write('measure\n');
    const row = (await child.next('memory')) as unknown as Memory;
    if (row.connections === expected) return row;
    if (tries === 20) throw new Error(`${row.connections} connections instead of ${expected}`);
    await delay(500);
  }
}

/** Everything a peer says, but for its id and its port. */
function toHello(torrentBytes: Uint8Array): (index: number) => Uint8Array {
  const { info } = parseTorrentFile(torrentBytes, nodeCrypto);
  const infoHash = Buffer.from(info.hashV1 as string, 'hex');
  return (index) => {
    const payload = encodeExtendedHandshake({
      m: new Map([
        [extensionNames.metadata, 2],
        [extensionNames.pex, 1],
      ]),
      version: 'qBittorrent/5.0.1',
      port: 10_000 + index,
      reqq: 500,
    });
    return Buffer.concat([
      encodeHandshake({
        infoHash,
        peerId: randomBytes(20),
        flags: { extensions: true, fast: true, dht: true, v2: false },
      }),
      encodeMessage({ kind: 'extended', id: extendedHandshakeId, payload }),
      encodeMessage({ kind: 'have-none' }),
    ]);
  };
}

/** Connects, says its hello, and waits until the other side has said its own. */
function openPeer(
  port: number,
  index: number,
  hello: (index: number) => Uint8Array,
  isAnswered: boolean,
): Promise<Socket> {
  return new Promise((resolve, reject) => {
    const socket = connect({ host: '127.0.0.1', port, localAddress: '127.0.0.1' });
    socket.on('error', () => socket.destroy());
    socket.once('close', () => reject(new Error('the connection was closed')));
    if (isAnswered) socket.once('data', () => resolve(socket));
    else socket.once('connect', () => resolve(socket));
    socket.on('data', () => {});
    socket.write(hello(index));
  });
}

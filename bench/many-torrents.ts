/**
 * `npm run bench -- many-torrents [--count 10000] [--runs 3] [--wait 5] [--profile] [--json FILE]`: a session that remembers `count` complete torrents of
 * 1,000 pieces and 10 files each is started as a process of its own. Prints ms from the start of the process until an incoming handshake
 * for one of them chosen by chance is answered, and for ten others; resident memory when it has settled and after a forced collection; CPU;
 * ms until a torrent that slept has given a block; how long the stop takes. Without `--count`: 1, 1,000 and 10,000.
 *
 * The .torrent files are real, with made-up piece hashes. Content is there (sparse) for the torrents that are asked for a block. All of them
 * announce to one HTTP tracker in the bench's process.
 */
import { mkdir, mkdtemp, open, rm } from 'node:fs/promises';
import { createServer, type Server } from 'node:http';
import { type AddressInfo, connect, type Socket } from 'node:net';
import { tmpdir } from 'node:os';
import { dirname, join } from 'node:path';
import { parseArgs } from 'node:util';
import { createSession } from 'eider';
import { fromHex, type InfoHash, seededRng } from '#base';
import { nodeCrypto } from '#hash';
import { buildTorrent, parseTorrentFile, planTorrent } from '#metainfo';
import { JournaledFile, TorrentFolder } from '#node';
import { decodeState, encodeState, type TorrentRow } from '#session';
import { encodeHandshake, encodeMessage, HandshakeDecoder, PeerDecoder } from '#wire';
import { toCount } from './support/arguments.ts';
import { JsonChild, median } from './support/processes.ts';
import { makeReport, type Row, writeReport } from './transfer/report.ts';

/** What the issue asks for. */
const goals: Readonly<Record<number, { ms: number; mib: number }>> = {
  1000: { ms: 600, mib: 90 },
  10000: { ms: 3_000, mib: 250 },
};
const pieceCount = 1_000;
const fileCount = 10;
const pieceLength = 65_536;
/** Torrents that are dialled, and whose content is there. */
const probeCount = 11;

export async function run(args: readonly string[]): Promise<void> {
  const { values } = parseArgs({
    args: [...args],
    options: {
      count: { type: 'string' },
      runs: { type: 'string', default: '3' },
      wait: { type: 'string', default: '5' },
      json: { type: 'string' },
      profile: { type: 'boolean', default: false },
    },
  });
  const counts = values.count === undefined ? [1, 1_000, 10_000] : [toCount(values.count, '--count')];
  const [runs, waitSec] = [toCount(values.runs, '--runs'), toCount(values.wait, '--wait')];
  const results: Row[] = [];
  const tracker = await startTracker();
  try {
    for (const count of counts) {
      const folder = await mkdtemp(join(tmpdir(), 'eider-many-'));
      try {
        const probes = await makeState(folder, count, tracker.url);
        const rows: SessionFigures[] = [];
        for (let i = 0; i < runs; i++) {
          const session = await measureSession(folder, probes, { waitSec, isProfiled: values.profile });
          rows.push(session);
          results.push({ program: `${count} torrents`, round: i, figures: toFigures(session) });
        }
        print(count, rows, tracker.takeCount());
      } finally {
        await rm(folder, { recursive: true, force: true });
      }
    }
  } finally {
    tracker.server.closeAllConnections();
    tracker.server.close();
  }
  writeReport(
    makeReport('many-torrents', 'a session with complete torrents starts, answers and stops', results),
    values.json,
  );
}

export interface SessionFigures {
  readonly loadedMs: number;
  readonly listeningMs: number;
  readonly cpuMs: number;
  readonly firstMs: number;
  /** Of ten others, from the dial. */
  readonly otherMs: number[];
  /** From the dial of a torrent that slept. */
  readonly blockMs: number[];
  readonly rssMiB: number;
  readonly afterMiB: number;
  readonly heapMiB: number;
  readonly cpuSec: number;
  readonly stopMs: number;
}

/** @returns info-hashes of the torrents that have content */
export async function makeState(folder: string, count: number, tracker: string): Promise<string[]> {
  const stateDir = join(folder, 'state');
  const dataDir = join(folder, 'data');
  const rng = seededRng(count);
  const make = (n: number) => {
    const files = Array.from({ length: fileCount }, (_, i) => ({
      path: [`part-${i}.bin`],
      length: (pieceCount * pieceLength) / fileCount,
    }));
    const plan = planTorrent({ files, format: 'v1', pieceLength });
    const sha1 = rng.bytes(pieceCount * 20);
    const bytes = buildTorrent({ plan, name: `torrent number ${n}`, trackers: [[tracker]], sha1 }, nodeCrypto);
    return { bytes, torrent: parseTorrentFile(bytes, nodeCrypto) };
  };
  const isProbe = new Set<number>();
  while (isProbe.size < Math.min(count, probeCount)) isProbe.add(rng.below(count));
  const probes: string[] = [];
  // Those with content go through a session: it leaves its records as it always does.
  {
    await using session = await createSession({ stateDir, remember: true, listen: false });
    for (const n of isProbe) {
      const { torrent } = make(n);
      for (const file of torrent.info.files) {
        const path = join(dataDir, ...file.path);
        await mkdir(dirname(path), { recursive: true });
        const handle = await open(path, 'w');
        await handle.truncate(file.length);
        await handle.close();
      }
      const added = await session.add({ ...torrent, trackers: [] }, { path: dataDir, verified: true });
      await added.done();
      probes.push(torrent.info.hashV1 as string);
    }
  }
  const file = new JournaledFile(join(stateDir, 'session.state'));
  const state = file.read(decodeState);
  const torrents = new TorrentFolder(stateDir);
  const withContent = (state.contents?.rows ?? []).map((row) => ({ ...row, trackers: [[tracker]] }));
  const rows: TorrentRow[] = [];
  for (let n = 0; n < count; n++) {
    const known = isProbe.has(n) ? withContent.pop() : undefined;
    if (known !== undefined) {
      rows.push({ ...known, rank: n + 1 });
      continue;
    }
    const { bytes, torrent } = make(n);
    const { info } = torrent;
    const hash = info.hashV1 as InfoHash;
    torrents.save(hash, bytes);
    rows.push({
      hashV1: hash,
      folder: dataDir,
      trackers: [[tracker]],
      peers: [],
      rank: n + 1,
      addedMs: 0,
      isPaused: false,
      isKept: true,
      uploaded: 0,
      downloaded: 0,
      known: {
        name: info.name,
        totalBytes: info.totalLength,
        pieceCount,
        piecesHave: pieceCount,
        wantedBytes: info.totalLength,
        doneBytes: info.totalLength,
        isComplete: true,
      },
    });
  }
  file.replace(encodeState({ rows, gone: [] }));
  return probes;
}

export async function measureSession(
  folder: string,
  probes: readonly string[],
  options: { waitSec: number; isProfiled: boolean },
): Promise<SessionFigures> {
  const profile = options.isProfiled ? ['--cpu-prof', '--cpu-prof-name=many-torrents.cpuprofile'] : [];
  const startedAt = performance.now();
  const child = new JsonChild('./many-torrents-session.js', [join(folder, 'state')], {
    nodeArgs: ['--expose-gc', ...profile],
  });
  const listening = await child.next('listening');
  const port = Number(listening['port']);
  const [first = '', ...others] = probes;
  await handshake(port, first);
  const firstMs = performance.now() - startedAt;
  const otherMs: number[] = [];
  for (const hash of others) {
    const at = performance.now();
    await handshake(port, hash);
    otherMs.push(performance.now() - at);
  }
  await new Promise((resolve) => setTimeout(resolve, options.waitSec * 1000));
  const settled = await figures(child, 'look');
  const collected = await figures(child, 'gc');
  const blockMs: number[] = [];
  for (const hash of probes) {
    const at = performance.now();
    await fetchBlock(port, hash);
    blockMs.push(performance.now() - at);
  }
  child.child.stdin?.end();
  const { stopMs } = await child.next('stopped');
  await child.end();
  return {
    loadedMs: Number(listening['loadedMs']),
    listeningMs: Number(listening['listeningMs']),
    cpuMs: Number(listening['cpuMs']),
    firstMs,
    otherMs,
    blockMs,
    rssMiB: Number(settled['rssMiB']),
    cpuSec: Number(settled['cpuSec']),
    afterMiB: Number(collected['rssMiB']),
    heapMiB: Number(collected['heapMiB']),
    stopMs: Number(stopMs),
  };
}

async function figures(child: JsonChild, how: 'look' | 'gc'): Promise<Record<string, unknown>> {
  child.child.stdin?.write(`${how}\n`);
  return child.next('figures');
}

const flags = { extensions: false, fast: true, dht: false, v2: false };

/** Dials and shakes hands without saying who we are: the torrent is found and answered for, and sleeps on. */
async function handshake(port: number, infoHash: string): Promise<void> {
  const socket = connect(port, '127.0.0.1');
  const decoder = new HandshakeDecoder();
  // The peer id comes last: without it the connection never belongs to the torrent.
  socket.write(hello(infoHash).subarray(0, 48));
  for await (const chunk of socket) {
    decoder.push(chunk as Buffer);
    if (decoder.start !== undefined) break;
  }
  if (decoder.start === undefined) throw new Error(`no answer for ${infoHash}`);
  socket.destroy();
}

function hello(infoHash: string): Uint8Array {
  const peerId = nodeCrypto.random(20);
  return encodeHandshake({ infoHash: fromHex(infoHash) as Uint8Array, peerId, flags });
}

/** Dials, waits to be unchoked, and takes one block. */
async function fetchBlock(port: number, infoHash: string): Promise<void> {
  const socket = connect(port, '127.0.0.1');
  socket.write(hello(infoHash));
  socket.write(encodeMessage({ kind: 'have-none' }));
  socket.write(encodeMessage({ kind: 'interested' }));
  await takeBlock(socket);
  socket.destroy();
}

async function takeBlock(socket: Socket): Promise<void> {
  const handshakes = new HandshakeDecoder();
  const decoder = new PeerDecoder();
  let isShaken = false;
  let isDone = false;
  const sink = {
    onMessage: (message: { kind: string }) => {
      if (message.kind !== 'unchoke') return;
      socket.write(encodeMessage({ kind: 'request', piece: 7, begin: 0, length: 16_384 }));
    },
    onBlockStart: () => {},
    onBlockBytes: () => {},
    onBlockEnd: () => {
      isDone = true;
    },
  };
  for await (const chunk of socket) {
    let bytes: Uint8Array = chunk as Buffer;
    if (!isShaken) {
      const done = handshakes.push(bytes);
      if (done === undefined) continue;
      isShaken = true;
      bytes = done.rest;
    }
    decoder.push(bytes, sink);
    if (isDone) return;
  }
  throw new Error('the connection ended before the block was here');
}

export interface Tracker {
  readonly server: Server;
  readonly url: string;
  /** Announces since it was asked last. */
  takeCount(): number;
}

export async function startTracker(): Promise<Tracker> {
  let count = 0;
  const answer = 'd8:completei1e10:incompletei0e8:intervali1800e5:peers0:e';
  const server = createServer((_, response) => {
    count++;
    response.end(answer);
  });
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve));
  const { port } = server.address() as AddressInfo;
  const takeCount = () => {
    const taken = count;
    count = 0;
    return taken;
  };
  return { server, url: `http://127.0.0.1:${port}/announce`, takeCount };
}

function toFigures(of: SessionFigures): Record<string, number> {
  return {
    'listening ms': of.listeningMs,
    'CPU until then ms': of.cpuMs,
    'first answer ms': of.firstMs,
    'first block ms': median(of.blockMs),
    'resident MiB': of.rssMiB,
    'collected MiB': of.afterMiB,
    'heap MiB': of.heapMiB,
    'CPU until settled s': of.cpuSec,
    'stop ms': of.stopMs,
  };
}

function print(count: number, rows: readonly SessionFigures[], announces: number): void {
  const line = (what: string, values: readonly number[], unit: string, goal?: number) => {
    const verdict = goal === undefined ? '' : `   at most ${goal}: ${median(values) <= goal ? 'reached' : 'MISSED'}`;
    const digits = unit === 's' ? 2 : 1;
    const [low, high] = [Math.min(...values).toFixed(digits), Math.max(...values).toFixed(digits)];
    process.stdout.write(`${what.padEnd(46)} ${median(values).toFixed(digits)} (${low} - ${high}) ${unit}${verdict}\n`);
  };
  const goal = goals[count];
  const of = (key: keyof SessionFigures) => rows.flatMap((row) => row[key] as number | number[]);
  process.stdout.write(
    `\n${count} torrents of ${pieceCount} pieces and ${fileCount} files, Node ${process.versions.node}, median (min - max) of ${rows.length}\n`,
  );
  line('process started, modules loaded', of('loadedMs'), 'ms');
  line('restored and listening', of('listeningMs'), 'ms');
  line('CPU until then', of('cpuMs'), 'ms');
  line('a handshake is answered', of('firstMs'), 'ms', goal?.ms);
  if (count > 1) line('each of the next, from the dial', of('otherMs'), 'ms');
  line('a sleeper gives a block, from the dial', of('blockMs'), 'ms');
  line('resident, settled', of('rssMiB'), 'MiB', goal?.mib);
  line('resident after a collection', of('afterMiB'), 'MiB');
  line('heap after a collection', of('heapMiB'), 'MiB');
  line('CPU until settled', of('cpuSec'), 's');
  line('stop', of('stopMs'), 'ms');
  process.stdout.write(`announces that the tracker got, all runs: ${announces}\n`);
}

/** The process that is attacked: the library as any program uses it, with a line to the test that reads its figures. */
import { readdirSync, readFileSync } from 'node:fs';
import { monitorEventLoopDelay } from 'node:perf_hooks';
import { createSession, type Session, type Torrent } from 'eider';
import type { VictimCalls, VictimFacts, VictimMemory, VictimReply, VictimRequest } from './victim-calls.ts';

const sampleMs = 20;

let session: Session | undefined;
let torrent: Torrent | undefined;
let closed: Record<string, number> = {};
let bans: { key: string; reason: string }[] = [];
let peak: VictimMemory = memory();
let peakFds = 0;
const loopDelay = monitorEventLoopDelay({ resolution: sampleMs });
loopDelay.enable();

function memory(): VictimMemory {
  const { rss, heapUsed, external } = process.memoryUsage();
  return { rss, heap: heapUsed, external };
}

function countFds(): number {
  return readdirSync('/proc/self/fd').length;
}

function lookAtPeak(): void {
  const now = memory();
  peakFds = Math.max(peakFds, countFds());
  peak = {
    rss: Math.max(peak.rss, now.rss),
    heap: Math.max(peak.heap, now.heap),
    external: Math.max(peak.external, now.external),
  };
}

function facts(): VictimFacts {
  lookAtPeak();
  const { user, system } = process.cpuUsage();
  const state = torrent?.state;
  return {
    memory: memory(),
    peak,
    stallMs: loopDelay.max / 1e6,
    cpuMs: (user + system) / 1000,
    fds: countFds(),
    peakFds,
    phase: state?.phase ?? 'none',
    piecesHave: state?.piecesHave ?? 0,
    badPieces: state?.badPieces ?? 0,
    peersKnown: state?.peersKnown ?? 0,
    wasted: state?.wasted ?? 0,
    connections: session?.connectionCount ?? 0,
    peers: (torrent?.peers ?? []).map((p) => ({ host: p.address.host, downloaded: p.downloaded })),
    pieceBytes: session?.memory.pieceBytes ?? 0,
    uploadBytes: session?.memory.uploadBytes ?? 0,
    closed,
    refused: Object.fromEntries(session?.refused ?? []),
    bans,
    error: state?.error?.message,
  };
}

const calls: {
  [K in keyof VictimCalls]: (...args: Parameters<VictimCalls[K]>) => Promise<ReturnType<VictimCalls[K]>>;
} = {
  async open(o) {
    closed = {};
    bans = [];
    const limits = o.connectionsMax === undefined ? {} : { connectionsMax: o.connectionsMax };
    session = await createSession({ listen: { host: '127.0.0.1', port: 0 }, path: o.folder, ...limits });
    const input = o.torrent.startsWith('magnet:') ? o.torrent : new Uint8Array(readFileSync(o.torrent));
    torrent = await session.add(input, {
      peers: o.peers ?? [],
      ...(o.verified === undefined ? {} : { verified: o.verified }),
      tracer: {
        closed: (_at, _conn, code) => {
          closed[code] = (closed[code] ?? 0) + 1;
        },
        ban: (_at, key, reason) => {
          bans.push({ key, reason });
        },
      },
    });
    if (!o.torrent.startsWith('magnet:')) await torrent.ready();
    return { address: session.addresses[0] as { host: string; port: number } };
  },
  async addPeers(peers) {
    await torrent?.addPeers(peers);
    return undefined;
  },
  async facts() {
    return facts();
  },
  async settle() {
    for (let i = 0; i < 3; i++) {
      globalThis.gc?.();
      // Freed buffers and closed sockets are let go on later turns.
      await new Promise((resolve) => setImmediate(resolve));
    }
    peak = memory();
    peakFds = countFds();
    loopDelay.reset();
    return facts();
  },
  async close() {
    await session?.close();
    session = undefined;
    torrent = undefined;
    return undefined;
  },
};

process.on('message', (request: VictimRequest) => {
  const call = calls[request.call] as (...args: readonly unknown[]) => Promise<unknown>;
  const reply = (r: Omit<VictimReply, 'id'>) => process.send?.({ id: request.id, ...r });
  call(...request.args).then(
    (result) => reply({ result }),
    (error: unknown) => reply({ error: error instanceof Error ? (error.stack ?? error.message) : String(error) }),
  );
});
process.on('disconnect', () => process.exit(0));
setInterval(lookAtPeak, sampleMs).unref();
process.send?.({ id: 0 });

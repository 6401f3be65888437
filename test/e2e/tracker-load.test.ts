import assert from 'node:assert/strict';
import { execFile } from 'node:child_process';
import { test } from 'node:test';
import { fileURLToPath } from 'node:url';
import { loadUdpBatches } from '#node';
import type { AnnounceCall, ScrapeCall } from '#tracker';
import { startTracker } from '#trackerd';

/**
 * The load generator finds what is wrong: it plays against Eider's tracker, whose answers a hook falsifies. Each case is one lie and
 * what the load has to say of it.
 */
const loadProcess = fileURLToPath(new URL('../../bench/tracker-load/load-process.js', import.meta.url));
const needsBatches = { skip: (await loadUdpBatches()).isAvailable ? false : 'the load needs batched UDP' };

interface Lie {
  readonly name: string;
  /** After how many announces it is told. */
  readonly after?: number;
  readonly announce?: (call: AnnounceCall) => void;
  readonly scrape?: (call: ScrapeCall) => { reason: string } | undefined;
  readonly found: RegExp;
}

const lies: readonly Lie[] = [
  {
    name: 'an address that is nobody',
    announce: (call) => {
      if (call.peerCount4 > 0) call.out.set([192, 0, 2, 1], call.outAt);
    },
    found: /a peer of another torrent \(-1\)/,
  },
  {
    name: 'a peer of another torrent',
    announce: (call) => {
      // The neighbour by port is of this torrent once in five hundred times.
      if (call.peerCount4 > 0) call.out[call.outAt + 5] = (call.out[call.outAt + 5] as number) ^ 1;
    },
    found: /a peer of another torrent/,
  },
  {
    name: 'a peer twice',
    announce: (call) => {
      if (call.peerCount4 > 1) call.out.copyWithin(call.outAt + 6, call.outAt, call.outAt + 6);
    },
    found: /peer \d+ twice/,
  },
  {
    name: 'the asker itself',
    announce: (call) => {
      if (call.peerCount4 === 0) return;
      call.out.set(call.source, call.outAt);
      call.out.set([call.port >> 8, call.port & 0xff], call.outAt + 4);
    },
    found: /the asker itself/,
  },
  {
    name: 'fewer peers than there are',
    after: 2_100,
    announce: (call) => {
      if (call.event === 'none' && call.peerCount4 > 0) call.peerCount4 -= 1;
    },
    found: /\d+ peers, right are/,
  },
  {
    name: 'a seeder too many',
    after: 2_100,
    announce: (call) => {
      if (call.event === 'none') call.complete += 1;
    },
    found: /complete \d+, incomplete \d+, right are/,
  },
  { name: 'a refused scrape', scrape: () => ({ reason: 'no' }), found: /action 3 instead of 2: no/ },
];

for (const lie of lies) {
  test(`the load finds ${lie.name}`, needsBatches, async () => {
    const { code, said } = await play(lie);
    assert.equal(code, 1);
    assert.match(said, /"event":"failed"/);
    assert.match(said, lie.found);
  });
}

test('the load judges honest answers right', needsBatches, async () => {
  const { code, said } = await play({});
  assert.equal(code, 0, said);
  assert.match(said, /"event":"result"/);
});

async function play(lie: Partial<Lie>): Promise<{ code: number; said: string }> {
  let announces = 0;
  await using tracker = await startTracker({
    http: [{ host: '127.0.0.1', port: 0 }],
    udp: [{ host: '127.0.0.1', port: 0 }],
    hooks: [
      {
        postAnnounce: (call) => {
          if (++announces > (lie.after ?? 0)) lie.announce?.(call);
        },
        preScrape: (call) => lie.scrape?.(call),
      },
    ],
  });
  const at = (protocol: 'http' | 'udp') => tracker.addresses.find((address) => address.protocol === protocol);
  const order = {
    pid: process.pid,
    udp: at('udp'),
    http: at('http'),
    rules: { seedersToSeeders: false, mayGiveSelf: false, countsDownloads: true },
    peerCount: 2_000,
    torrentCount: 50,
    distribution: 'uniform',
    sourceCount: 4,
    seed: 7,
    numWant: 50,
    phases: [
      { name: 'fill', work: 'fill', answers: 2_000, window: 16 },
      { name: 'announce', work: 'announce', answers: 2_000, window: 16 },
      { name: 'connect + announce', work: 'connect-announce', answers: 2_000, window: 16 },
      { name: 'scrape', work: 'scrape', answers: 500, torrents: 10, window: 16 },
      { name: 'by HTTP', work: 'http-announce', keepsAlive: true, answers: 500, window: 8 },
      { name: 'by HTTP, closing', work: 'http-announce', keepsAlive: false, answers: 100, window: 8 },
      { name: 'scrape by HTTP', work: 'http-scrape', keepsAlive: true, answers: 100, window: 8 },
    ],
  };
  // Awaited here: the tracker ends with this function.
  return await new Promise((resolve) => {
    const child = execFile(process.execPath, [loadProcess, JSON.stringify(order)], (_error, stdout, stderr) => {
      resolve({ code: child.exitCode ?? -1, said: stdout + stderr });
    });
  });
}

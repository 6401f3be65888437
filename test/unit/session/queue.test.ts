import assert from 'node:assert/strict';
import { test } from 'node:test';
import type { Millis, TorrentId } from '#base';
import { orderDownloads } from '#room/session/queue';
import { sessionLimits as limits } from '#session';
import { FakePeer, readBlock, type SimTorrent } from '#sim';
import { Scene, sceneTorrent } from '../../support/scene.ts';

const download = (rank: number, stalledAt = 0) => ({ rank, stalledAt: stalledAt as Millis });

test('places go by rank; who has stalled comes after all who have not, in turn', () => {
  const all = [download(3), download(1, 500), download(2, 400), download(4)];
  const { go, wait } = orderDownloads(all, 3);
  assert.deepEqual(
    go.map((d) => d.rank),
    [3, 4, 2],
  );
  assert.deepEqual(
    wait.map((d) => d.rank),
    [1],
  );
});

interface Added {
  readonly id: TorrentId;
  readonly torrent: SimTorrent;
}

/** A client with places for `downloads`, its own torrent being the first; `more` torrents wait behind. */
function queueScene(downloads: number, more: number) {
  const scene = new Scene({ client: { activeLimits: { downloads } } });
  scene.client.start();
  scene.run('100ms');
  const added: Added[] = [];
  for (let n = 0; n < more; n++) {
    const torrent = sceneTorrent({ seed: 100 + n, files: 300_000 });
    scene.client.ask((session, _, now) => {
      const { info } = torrent.torrent;
      added.push({ id: session.add(now, { info, trackers: [] }), torrent });
    });
    scene.run('100ms');
  }
  const first = { id: 1 as TorrentId, torrent: scene.torrent };
  const all = [first, ...added];
  const look = () => all.map(({ id }) => scene.client.session.snapshot(scene.world.now, id));
  const phases = () => look().map((s) => s?.phase);
  return { scene, all, look, phases };
}

/** Somebody who has all of it and gives it. */
function feed(scene: Scene, { torrent }: Added): FakePeer {
  const seed = new FakePeer({
    world: scene.world,
    net: scene.net.addHost(),
    infoHash: torrent.swarmKey,
    flags: { fast: true },
    readBlock: (piece, begin, length) => readBlock(torrent, piece, begin, length),
  });
  seed.dial(scene.client.address);
  const onMessage = seed.onMessage.bind(seed);
  seed.onMessage = (link, m) => {
    if (m.kind === 'request') seed.sendBlock(m.piece, m.begin, readBlock(torrent, m.piece, m.begin, m.length));
    else onMessage(link, m);
  };
  seed.send('have-all', 'unchoke');
  return seed;
}

test('downloads beyond the limit wait with their place and reason, and go when one is complete', () => {
  const { scene, all, look, phases } = queueScene(2, 3);
  assert.deepEqual(phases(), ['downloading', 'downloading', 'queued', 'queued']);
  assert.deepEqual(
    look().map((s) => [s?.queuePosition, s?.restReason]),
    [
      [undefined, undefined],
      [undefined, undefined],
      [1, 'active-downloads'],
      [2, 'active-downloads'],
    ],
  );
  feed(scene, all[1] as Added);
  scene.until(() => phases()[1] === 'seeding', '30s');
  scene.run('100ms');
  assert.deepEqual(phases(), ['downloading', 'seeding', 'downloading', 'queued']);
  assert.equal(look()[3]?.queuePosition, 1);
});

test('a peer for a torrent that waits is sent away', () => {
  const { scene, all } = queueScene(1, 1);
  const peer = feed(scene, all[1] as Added);
  scene.run('1s');
  assert.equal(peer.link?.isOpen, false);
  assert.equal(scene.closed['session/no-place'], 1);
});

test('who moves to the front takes the place of the last that has one, whose files are closed', () => {
  const { scene, all, phases } = queueScene(1, 2);
  assert.deepEqual(phases(), ['downloading', 'queued', 'queued']);
  const third = (all[2] as Added).id;
  scene.client.host.gate.enter((_, now) => scene.client.session.moveInQueue(now, third, 1));
  scene.run('1s');
  assert.deepEqual(phases(), ['queued', 'queued', 'downloading']);
  assert.equal(scene.calls.filter((c) => c === 'openStore').length, 2);
  assert.equal(scene.calls.filter((c) => c === 'closeStore').length, 1);
});

test('a paused one gives its place away, and comes back behind nobody', () => {
  const { scene, all, phases } = queueScene(1, 1);
  const { gate } = scene.client.host;
  const first = (all[0] as Added).id;
  gate.enter((_, now) => scene.client.session.pause(now, first));
  scene.run('1s');
  assert.deepEqual(phases(), ['paused', 'downloading']);
  gate.enter((_, now) => scene.client.session.unpause(now, first));
  scene.run('1s');
  assert.deepEqual(phases(), ['downloading', 'queued']);
});

test('a download that gets nothing lets others have a turn, and has its own again after them', () => {
  const { scene, all, look, phases } = queueScene(1, 2);
  scene.run(`${limits.stalledMs - 2_000}ms`);
  assert.deepEqual(phases(), ['downloading', 'queued', 'queued']);
  scene.run(`${limits.queueMs + 3_000}ms`);
  assert.deepEqual(phases(), ['queued', 'downloading', 'queued']);
  assert.equal(look()[0]?.restReason, 'stalled');
  assert.equal(look()[0]?.queuePosition, 2);
  scene.run(`${limits.stalledMs + limits.queueMs}ms`);
  assert.deepEqual(phases(), ['queued', 'queued', 'downloading']);
  scene.run(`${limits.stalledMs + limits.queueMs}ms`);
  assert.deepEqual(phases(), ['downloading', 'queued', 'queued']);
  // Something comes: it stays.
  feed(scene, all[0] as Added);
  scene.until(() => phases()[0] === 'seeding', '30s');
});

test('where nobody waits a stalled download keeps its place', () => {
  const { scene, phases } = queueScene(2, 1);
  scene.run('30m');
  assert.deepEqual(phases(), ['downloading', 'downloading']);
});

test('more places, more downloads; fewer, fewer', () => {
  const { scene, phases } = queueScene(1, 2);
  const { gate } = scene.client.host;
  gate.enter((_, now) => scene.client.session.setActiveLimits(now, { downloads: 3 }));
  scene.run('1s');
  assert.deepEqual(phases(), ['downloading', 'downloading', 'downloading']);
  gate.enter((_, now) => scene.client.session.setActiveLimits(now, { downloads: 2 }));
  scene.run('1s');
  assert.deepEqual(phases(), ['downloading', 'downloading', 'queued']);
});

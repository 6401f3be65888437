import assert from 'node:assert/strict';
import { test } from 'node:test';
import type { TorrentId } from '#base';
import { FakePeer, readBlock, type SimTorrent } from '#sim';
import { Scene, sceneTorrent } from '../../support/scene.ts';

const KIB = 1_024;

/** A second torrent in the client of a scene, and a peer that has all of it. */
function addSecond(scene: Scene): { id: TorrentId; torrent: SimTorrent; seed: FakePeer; isDone: () => boolean } {
  const torrent = sceneTorrent({ seed: 77, files: 500_000 });
  let id = 0 as TorrentId;
  scene.client.ask((session, _, now) => {
    id = session.add(now, { info: torrent.torrent.info, trackers: [] });
  });
  scene.run('100ms');
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
  const isDone = () => {
    let complete = false;
    scene.client.ask((session) => {
      complete = session.torrent(id)?.content?.ledger.isComplete === true;
    });
    return complete;
  };
  return { id, torrent, seed, isDone };
}

test('buffers of a torrent whose peers have gone serve the others', () => {
  const scene = new Scene({ client: { pieceBytesMax: 128 * KIB } }).start();
  scene.join('A');
  scene.play(['A< bitfield fe', 'A> interested', 'A< unchoke', 'A= 50']);
  // Half of each piece that is asked for.
  for (const m of scene.peer('A').received.splice(0)) {
    if (m.kind === 'request' && m.begin % 32_768 === 0) scene.play([`A< piece ${m.piece} ${m.begin} ${m.length}`]);
  }
  scene.play(['A= 50', 'A-']);
  const second = addSecond(scene);
  scene.run('40s');
  assert.ok(second.isDone(), 'the second torrent is complete');
});

test('who found all buffers with another torrent goes on when they are free', () => {
  const scene = new Scene({ client: { pieceBytesMax: 64 * KIB } }).start();
  const giver = scene.join('A', { fast: true });
  giver.send('have-all', 'unchoke');
  scene.run('100ms');
  // The only buffer is with the first torrent, and whoever could give to the second has nothing to say any more.
  const second = addSecond(scene);
  scene.run('1s');
  const give = (m: { piece: number; begin: number; length: number }) =>
    giver.sendBlock(m.piece, m.begin, readBlock(scene.torrent, m.piece, m.begin, m.length));
  giver.onMessage = (_link, m) => {
    if (m.kind === 'request') give(m);
  };
  for (const m of giver.received.splice(0)) if (m.kind === 'request') give(m);
  scene.run('5s');
  assert.equal(scene.have.length, 7);
  assert.ok(second.isDone(), 'the second torrent is complete');
});

test('who found all buffers with another torrent tries again when those may be stale', () => {
  const scene = new Scene({ client: { pieceBytesMax: 64 * KIB } }).start();
  scene.join('A');
  scene.play(['A< bitfield fe', 'A> interested', 'A< unchoke', 'A= 50']);
  const [asked] = scene
    .peer('A')
    .received.splice(0)
    .flatMap((m) => (m.kind === 'request' ? [m] : []));
  scene.play([`A< piece ${asked?.piece} ${asked?.begin} ${asked?.length}`, 'A< choke', 'A= 50']);
  const second = addSecond(scene);
  scene.run('40s');
  assert.ok(second.isDone(), 'the second torrent is complete');
});

test('a torrent is stopped and removed while another goes on', () => {
  const scene = new Scene({ has: 'all' }).start();
  const second = addSecond(scene);
  scene.join('A');
  scene.play(['A> bitfield', 'A< interested', 'A> unchoke', 'A< request 0 0', 'A> piece 0 0']);
  scene.run('2s');
  assert.ok(second.isDone());
  const { session } = scene.client;
  const { gate } = scene.client.host;
  gate.enter((_, now) => session.stop(now, second.id));
  scene.run('5s');
  assert.equal(scene.events('stopped').length, 1);
  gate.enter((_, now) => session.remove(now, second.id));
  assert.equal(session.torrent(second.id), undefined);
  scene.play(['A< request 0 16384', 'A> piece 0 16384']);
});

test('both torrents of a session share its upload limit', () => {
  const scene = new Scene({ has: 'all', client: { uploadLimit: 128 * KIB } }).start();
  const second = addSecond(scene);
  scene.run('3s');
  assert.ok(second.isDone());
  const got = { first: 0, second: 0 };
  const take = (peer: FakePeer, name: keyof typeof got, pieces: number) => {
    let at = 0;
    const ask = () => peer.send(`request ${(at >> 2) % pieces} ${(at++ & 3) * 16_384}`);
    peer.onBlock = (_link, _piece, _begin, bytes) => {
      got[name] += bytes.length;
      ask();
    };
    for (let n = 0; n < 60; n++) ask();
  };
  scene.join('A', { fast: true });
  scene.play(['A>* have-all', 'A< interested', 'A>* unchoke']);
  const taker = new FakePeer({
    world: scene.world,
    net: scene.net.addHost(),
    infoHash: second.torrent.swarmKey,
    flags: { fast: true },
  });
  taker.dial(scene.client.address);
  taker.play(['>* have-all', '< interested', '>* unchoke']);
  take(scene.peer('A'), 'first', 6);
  take(taker, 'second', 7);
  scene.run('2s');
  got.first = got.second = 0;
  scene.run('20s');
  const sum = (got.first + got.second) / 20;
  assert.ok(Math.abs(sum - 128 * KIB) < 128 * KIB * 0.03, `${sum}`);
  assert.ok(got.first > sum * 5 && got.second > sum * 5, JSON.stringify(got));
});

test('reads that wait for a buffer while the torrent stops come to nothing', () => {
  const scene = new Scene({ has: 'all', torrent: { files: 40 * 16_384, pieceLength: 16_384 } }).start();
  scene.client.disk.speed = { latencyMs: 100, reorderMs: 0, bytesPerSec: 1e9 };
  const heard: boolean[] = [];
  for (let piece = 0; piece < 40; piece++) {
    scene.client.ask((session, id, now) => session.read(now, id, piece, 0, (run) => heard.push(run.ok)));
  }
  assert.deepEqual(scene.stop(), []);
  assert.equal(heard.length, 40);
  assert.equal(heard.filter((ok) => ok).length, 16);
});

test('a read brings what is verified, and nothing else', () => {
  const scene = new Scene({ has: [1] }).start();
  const heard: string[] = [];
  const read = (piece: number, begin: number) =>
    scene.client.ask((session, id, now) =>
      session.read(now, id, piece, begin, (run) => heard.push(run.ok ? `${run.begin} ${run.bytes.length}` : 'none')),
    );
  read(1, 70);
  read(0, 0);
  read(1_000_000, 0);
  scene.run('100ms');
  read(1, 65_535);
  assert.deepEqual(heard, ['none', 'none', '0 65536', '0 65536']);
  assert.deepEqual(scene.stop(), []);
});

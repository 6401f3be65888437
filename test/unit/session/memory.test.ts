import assert from 'node:assert/strict';
import { test } from 'node:test';
import { listHeldBack } from '#room/session/held-back';
import type { Session } from '#session';
import { type SimClient, SimSwarm, type SwarmOptions } from '#sim';
import { LimitedSession } from '../../support/limited-session.ts';
import { nodeCrypto as crypto } from '../../support/node-crypto.ts';
import { Scene } from '../../support/scene.ts';

const KIB = 1_024;
const MIB = 1_024 * KIB;

const bytesOf = (session: Session, holder: string) => session.holders.find((h) => h.holder === holder)?.bytes ?? -1;
const partOf = (session: Session, holder: string, part: string) =>
  session.holders.find((h) => h.holder === holder)?.parts?.[part] ?? -1;

/** What the brain's books say is out is what the simulated disk and network have, byte for byte and view for view. */
function compare({ label, host, session }: SimClient): void {
  const { takenBytes, lentViews } = host.held;
  const atDisk =
    partOf(session, 'piece-buffers', 'atDisk') +
    partOf(session, 'upload-runs', 'beingRead') +
    bytesOf(session, 'resume');
  assert.equal(atDisk, takenBytes, `${label}: bytes at the disk`);
  assert.equal(session.runs.lentViews, lentViews, `${label}: views at sockets`);
}

function swarm(options: Partial<SwarmOptions>, play: (w: SimSwarm) => void): void {
  const w = new SimSwarm({ seed: 11, crypto, ...options });
  play(w);
  const most = new Map<string, number>();
  const sessions = new Set<Session>();
  w.every('7ms', () => {
    for (const client of w.clients) {
      if (!client.isRunning) continue;
      sessions.add(client.session);
      compare(client);
      for (const { holder, bytes } of client.session.holders) most.set(holder, Math.max(most.get(holder) ?? 0, bytes));
    }
  });
  w.until(w.done, '20m');
  for (const holder of ['piece-buffers', 'upload-runs', 'upload-copies', 'peer-books', 'handshakes', 'resume']) {
    assert.ok((most.get(holder) ?? 0) > 0, `${holder} held something at some time: ${JSON.stringify([...most])}`);
  }
  w.finish();
  for (const session of sessions) {
    assert.deepEqual(
      session.holders.filter((h) => h.bytes !== 0),
      [],
      'nothing is held after the stop',
    );
  }
}

test('the books are what disk and sockets have: a swarm with liars and stallers', () => {
  swarm({}, (w) => {
    w.seeders(1);
    w.leechers(3, { line: 'cable' });
    w.peers('liar', 1);
    w.peers('staller', 1);
  });
});

test('the books are what disk and sockets have: pieces in segments, little memory, a hybrid magnet link', () => {
  swarm({ torrent: { files: 48 * MIB, pieceLength: 16 * MIB, format: 'hybrid' } }, (w) => {
    w.seeders(1, { line: 'fibre' });
    w.leechers(2, { isMagnet: true, pieceBytesMax: 3 * MIB, line: 'fibre' });
  });
});

test('a budget that holds peers back says so, and whom', () => {
  const scene = new Scene({
    torrent: { files: 4 * MIB, pieceLength: 256 * KIB },
    client: { pieceBytesMax: 256 * KIB },
  });
  scene.start();
  for (const name of ['A', 'B', 'C']) {
    scene.join(name, { fast: true });
    scene.play([`${name}< have-all`, `${name}< unchoke`]);
  }
  scene.run('3s');
  let back: readonly { code: string; count: number; text: string }[] = [];
  scene.client.ask((session) => {
    back = session.heldBack();
    assert.equal(bytesOf(session, 'piece-buffers'), 256 * KIB);
  });
  assert.deepEqual(
    back.map((b) => b.code),
    ['no-buffer'],
  );
  // A and B are asked for the one piece that there is room for.
  assert.equal(back[0]?.text, 'no buffer free for another piece: 1 peer not asked for more');
});

test('limits that are used up are told', () => {
  const down = new LimitedSession({ torrents: 1, peers: 3, download: 64 * KIB });
  const codes = new Set<string>();
  for (let i = 0; i < 50; i++) {
    down.run('50ms');
    for (const { code } of down.session.heldBack()) codes.add(code);
  }
  assert.deepEqual([...codes], ['download-limit']);
  const up = new LimitedSession({ torrents: 2, peers: 2, upload: 64 * KIB });
  up.run('1s');
  assert.equal(up.session.heldBack().find((b) => b.code === 'upload-limit')?.count, 2);
});

test('nothing is said where nothing is held back', () => {
  const facts = { withoutBuffer: 0, withoutRun: 0, waitingToSend: 0, notRead: 0, connections: 3, connectionsMax: 4 };
  assert.deepEqual(listHeldBack(facts), []);
  assert.deepEqual(
    listHeldBack({ ...facts, connections: 4, withoutRun: 1 }).map((b) => b.text),
    ['no buffer free to read for upload: 1 peer not served', 'all 4 connections are in use'],
  );
});

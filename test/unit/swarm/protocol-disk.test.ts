import assert from 'node:assert/strict';
import { test } from 'node:test';
import { BtError } from '#base';
import { encode } from '#bencode';
import { decodeResume } from '#room/swarm/resume';
import type { ReadRun } from '#session';
import { readBlock } from '#sim';
import { crc32c } from '#wire';
import { dontHaveOut, hello } from '../../support/extension-lines.ts';
import { Scene } from '../../support/scene.ts';
import { isDone, joinSeed, serve, withSeed } from '../../support/scene-seed.ts';

test('a clean stop saves and syncs what is known, then closes, then says so', () => {
  const scene = withSeed();
  serve(scene, ['A'], () => scene.have.length >= 3);
  assert.deepEqual(scene.stop(), []);
  assert.deepEqual(scene.calls.slice(-3), ['saveResume final', 'closeStore', 'event stopped']);
  const { resume } = scene.client.disk.image(scene.torrent.torrent.info);
  assert.equal(resume?.final, true);
});

test('after a clean stop nothing is hashed again', () => {
  const scene = withSeed();
  serve(scene, ['A'], () => scene.have.length >= 3);
  const before = scene.have;
  scene.stop();
  scene.client.start();
  scene.run('1s');
  assert.deepEqual(scene.have, before);
  assert.equal(scene.calls.includes('recheck'), false);
  assert.deepEqual(scene.stop(), []);
});

test('after a kill what the last record has is believed', () => {
  const scene = withSeed();
  serve(scene, ['A'], () => scene.have.length >= 3);
  scene.run('11s');
  const before = scene.have.length;
  scene.client.kill();
  scene.run('1s');
  scene.client.start();
  scene.run('1s');
  assert.ok(scene.have.length >= before);
  assert.deepEqual(scene.stop(), []);
});

test('a file that changed while we were away is hashed again', () => {
  const scene = withSeed();
  serve(scene, ['A'], isDone(scene));
  scene.stop();
  scene.run('30s');
  const image = scene.client.disk.image(scene.torrent.torrent.info);
  image.flipBit(2, scene.world.rng);
  image.truncate(0, 400_000, scene.world.wallMs);
  scene.client.start();
  scene.run('1s');
  assert.deepEqual(scene.have, [0, 1, 3, 4, 5, 6]);
  assert.equal(scene.events('checking').length, 1);
  assert.deepEqual(scene.stop(), []);
});

test('a file that is gone is fetched again', () => {
  const scene = withSeed();
  serve(scene, ['A'], isDone(scene));
  scene.stop();
  scene.client.disk.image(scene.torrent.torrent.info).truncate(0, 0, scene.world.wallMs, true);
  scene.client.start();
  scene.run('1s');
  assert.deepEqual(scene.have, []);
  joinSeed(scene, 'B');
  serve(scene, ['B'], () => scene.have.length === 7);
  assert.deepEqual(scene.stop(), []);
});

test('a recheck finds what went bad, keeps the rest, and fetches it again', () => {
  const scene = withSeed({ has: 'all' });
  scene.client.disk.image(scene.torrent.torrent.info).flipBit(4, scene.world.rng);
  scene.client.ask((session, id, now) => session.recheck(now, id));
  scene.run('1s');
  assert.deepEqual(scene.have, [0, 1, 2, 3, 5, 6]);
  assert.equal(scene.snapshot.phase, 'downloading');
  joinSeed(scene, 'B');
  serve(scene, ['B'], () => scene.have.length === 7);
  assert.deepEqual(scene.stop(), []);
});

const twoFiles = { torrent: { files: [200_000, 200_000] }, client: { select: () => [true, false] } };

test('a recheck does not make files wanted that were not selected', () => {
  // All of it lies there from an earlier download.
  const scene = new Scene({ ...twoFiles, has: 'all' }).start();
  assert.equal(scene.snapshot.phase, 'seeding');
  scene.client.disk.image(scene.torrent.torrent.info).flipBit(5, scene.world.rng);
  scene.client.ask((session, id, now) => session.recheck(now, id));
  scene.run('1s');
  assert.deepEqual(scene.have, [0, 1, 2, 3, 4, 6]);
  assert.equal(scene.snapshot.phase, 'seeding');
  joinSeed(scene, 'A');
  scene.run('1s');
  assert.deepEqual(
    scene.peer('A').received.filter((m) => m.kind === 'request'),
    [],
  );
  assert.deepEqual(scene.stop(), []);
});

test('files that are not selected are not fetched beyond the piece they share, and never made', () => {
  const scene = withSeed(twoFiles);
  serve(scene, ['A'], isDone(scene));
  // 200,000 bytes: three pieces and a bit of the fourth.
  assert.deepEqual(scene.have, [0, 1, 2, 3]);
  const [wanted, other] = scene.client.disk.image(scene.torrent.torrent.info).fileStates();
  assert.equal(wanted?.length, 200_000);
  assert.equal(other, undefined);
  assert.deepEqual(scene.stop(), []);
});

test('where nothing is selected nothing is fetched', () => {
  const scene = withSeed({ torrent: { files: [200_000, 200_000] }, client: { select: () => [false, false] } });
  scene.run('5s');
  assert.deepEqual(scene.have, []);
  assert.equal(scene.snapshot.phase, 'seeding');
  assert.deepEqual(scene.stop(), []);
});

test('a full disk is waited for, and nothing is fetched twice', () => {
  const scene = withSeed();
  scene.client.disk.capacityBytes = 200_000;
  serve(scene, ['A'], () => scene.snapshot.waitingFor !== undefined);
  assert.ok(BtError.is(scene.snapshot.waitingFor, 'disk/no-space'));
  assert.equal(scene.events('waiting').length, 1);
  // What is here is given to others meanwhile.
  const piece = scene.have[0] as number;
  scene.join('B');
  scene.play(['B>* bitfield', 'B< interested', 'B>* unchoke', `B< request ${piece} 0`, `B>* piece ${piece} 0`]);
  scene.run('40s');
  assert.equal(scene.events('done').length, 0);
  scene.client.disk.capacityBytes = Number.POSITIVE_INFINITY;
  serve(scene, ['A'], isDone(scene));
  assert.equal(scene.snapshot.waitingFor, undefined);
  assert.ok(scene.snapshot.downloaded <= 400_000 + 8 * 16_384, `${scene.snapshot.downloaded}`);
  assert.deepEqual(scene.stop(), []);
});

test('a torrent can be stopped while the disk is full', () => {
  const scene = withSeed();
  scene.client.disk.capacityBytes = 200_000;
  serve(scene, ['A'], () => scene.snapshot.waitingFor !== undefined);
  assert.deepEqual(scene.stop(), []);
});

test('a folder that cannot be written to is told at once, and what is there is given', () => {
  const scene = new Scene({ has: [0, 1, 2, 3] });
  scene.client.disk.faults.isReadOnly = true;
  scene.start();
  assert.equal(scene.snapshot.phase, 'downloading');
  assert.ok(BtError.is(scene.snapshot.waitingFor, 'disk/access'));
  scene.join('A', { fast: true });
  scene.play(['>* bitfield', '< bitfield 0c', '>* interested', '< unchoke', '< interested', '>* unchoke']);
  scene.play(['< request 2 0', '>* piece 2 0']);
  scene.run('5s');
  assert.equal(scene.peer('A').received.filter((m) => m.kind === 'request').length, 0);
  scene.client.disk.faults.isReadOnly = false;
  joinSeed(scene, 'B');
  serve(scene, ['A', 'B'], isDone(scene));
  assert.equal(scene.snapshot.waitingFor, undefined);
  assert.deepEqual(scene.stop(), []);
});

test('a complete torrent in a folder that cannot be written to is seeded without a word', () => {
  const scene = new Scene({ has: 'all' });
  scene.client.disk.faults.isReadOnly = true;
  scene.start();
  assert.equal(scene.snapshot.phase, 'seeding');
  assert.equal(scene.snapshot.waitingFor, undefined);
  assert.deepEqual(scene.stop(), []);
});

test('a folder that can no longer be written to is waited for', () => {
  const scene = withSeed();
  serve(scene, ['A'], () => scene.have.length >= 2);
  scene.client.disk.faults.isReadOnly = true;
  serve(scene, ['A'], () => scene.snapshot.waitingFor !== undefined);
  assert.ok(BtError.is(scene.snapshot.waitingFor, 'disk/access'));
  scene.client.disk.faults.isReadOnly = false;
  serve(scene, ['A'], isDone(scene));
  assert.deepEqual(scene.stop(), []);
});

test('a disk that fails is waited for, however long it takes, and nothing held is fetched twice', () => {
  const scene = withSeed();
  scene.client.disk.faults.writeErrorRate = 1;
  serve(scene, ['A'], () => scene.snapshot.waitingFor !== undefined);
  assert.ok(BtError.is(scene.snapshot.waitingFor, 'disk/io'));
  scene.run('10m');
  assert.equal(scene.snapshot.phase, 'downloading');
  assert.equal(scene.events('waiting').length, 1);
  scene.client.disk.faults.writeErrorRate = 0;
  joinSeed(scene, 'B');
  serve(scene, ['B'], isDone(scene));
  assert.equal(scene.snapshot.waitingFor, undefined);
  assert.deepEqual(scene.stop(), []);
});

/** A peer that wants all, and knows what lt_donthave means. */
function joinLeech(scene: Scene, name: string): void {
  scene.join(name, { fast: true, extensions: true });
  scene.play([`${name}>* have-all`, `${name}< ${hello()}`, '< interested', '>* unchoke']);
}

const threeFiles = { torrent: { files: [200_000, 200_000, 200_000] } };

test('one file that cannot be written keeps no other from coming', () => {
  const scene = withSeed(threeFiles);
  const image = scene.client.disk.image(scene.torrent.torrent.info);
  image.brokenFiles.add(0);
  // Pieces 0 to 3 have bytes of it.
  serve(scene, ['A'], () => scene.have.length === 6);
  assert.deepEqual(scene.have, [4, 5, 6, 7, 8, 9]);
  const { waitingFor } = scene.snapshot;
  assert.ok(BtError.is(waitingFor, 'disk/io') && waitingFor.detail.path.endsWith('0000'), waitingFor?.message);
  image.brokenFiles.clear();
  serve(scene, ['A'], isDone(scene));
  assert.equal(scene.snapshot.waitingFor, undefined);
  assert.deepEqual(scene.stop(), []);
});

test('a store that cannot be opened ends the torrent, which can be stopped all the same', () => {
  const scene = new Scene();
  scene.client.disk.faults.openError = new BtError('disk/access', { path: 'x', what: 'no' });
  scene.start();
  assert.equal(scene.snapshot.phase, 'error');
  scene.client.ask((session, id, now) => session.recheck(now, id));
  assert.deepEqual(scene.stop(), []);
});

test('a piece that cannot be read is taken back until the disk gives it again; others are served', () => {
  const scene = new Scene({ has: 'all', ...threeFiles }).start();
  const image = scene.client.disk.image(scene.torrent.torrent.info);
  scene.join('A', { fast: true });
  scene.play(['>* have-all', '< interested', '>* unchoke']);
  image.brokenFiles.add(0);
  scene.play(['< request 0 0', (s) => s.run('100ms')]);
  assert.ok(BtError.is(scene.snapshot.waitingFor, 'disk/io'));
  assert.deepEqual(scene.have, [1, 2, 3, 4, 5, 6, 7, 8, 9]);
  // It does not understand lt_donthave, so it has to come again to hear what is true.
  assert.deepEqual(scene.open, []);
  assert.deepEqual(scene.closed, { 'session/pieces-lost': 1 });
  scene.join('B', { fast: true });
  scene.play([
    'B>* bitfield',
    '< interested',
    '>* unchoke',
    '< request 6 0',
    '>* piece 6 0',
    '< request 0 0',
    '>* reject 0 0',
  ]);
  // Two more looks at it change nothing.
  scene.run('25s');
  assert.equal(scene.have.length, 9);
  assert.equal(scene.events('waiting').length, 1);
  image.brokenFiles.clear();
  scene.play([(s) => s.run('11s'), '>* have 0', '< request 0 0', '>* piece 0 0']);
  assert.equal(scene.snapshot.waitingFor, undefined);
  assert.equal(scene.snapshot.phase, 'seeding');
  assert.deepEqual(scene.stop(), []);
});

test('a reader waits for a piece that cannot be read', () => {
  const scene = new Scene({ has: 'all' }).start();
  scene.client.disk.faults.readErrorRate = 1;
  const runs: ReadRun[] = [];
  const read = () => scene.client.ask((session, id, now) => session.read(now, id, 2, 0, (run) => runs.push(run)));
  read();
  scene.run('1s');
  assert.deepEqual(runs.splice(0), [{ ok: false, error: undefined }], 'not here now');
  scene.client.disk.faults.readErrorRate = 0;
  scene.until(() => scene.events('piece').length === 1, '20s', 'the piece');
  read();
  scene.run('1s');
  assert.equal(runs[0]?.ok, true);
  assert.deepEqual(scene.stop(), []);
});

test('a file that vanishes under a seed: nobody is sent a byte of it, and it is served again when it is back', () => {
  const scene = new Scene({ has: 'all', ...threeFiles }).start();
  const { info } = scene.torrent.torrent;
  const image = scene.client.disk.image(info);
  joinLeech(scene, 'A');
  scene.play(['< request 1 0', '>* piece 1 0']);
  image.truncate(0, 0, scene.world.wallMs, true);
  scene.play(['< request 2 0', `>* ${dontHaveOut(0)}`, `> ${dontHaveOut(1)}`, '>* reject 2 0']);
  // Piece 3 lies in the second file too, and nobody knows how much of it is there.
  assert.deepEqual(scene.have, [4, 5, 6, 7, 8, 9]);
  assert.ok(BtError.is(scene.snapshot.waitingFor, 'disk/not-found'));
  assert.equal(scene.snapshot.phase, 'seeding', 'what is missing may come back: it is not fetched');
  const looks = scene.calls.filter((call) => call === 'recheck').length;
  scene.run('60s');
  assert.ok(scene.calls.filter((call) => call === 'recheck').length <= looks + 7, 'it is looked for, not hammered');
  scene.client.disk.fill(info, [0, 1, 2, 3]);
  scene.run('21s');
  assert.equal(scene.have.length, 10);
  assert.equal(scene.snapshot.waitingFor, undefined);
  assert.deepEqual(scene.stop(), []);
});

test('a file that vanishes for good is fetched again when the user has all looked at', () => {
  const scene = new Scene({ has: 'all', ...threeFiles }).start();
  scene.client.disk.image(scene.torrent.torrent.info).truncate(0, 0, scene.world.wallMs, true);
  joinLeech(scene, 'B');
  scene.play(['< request 2 0', '>* reject 2 0']);
  scene.client.ask((session, id, now) => session.recheck(now, id));
  scene.run('1s');
  assert.equal(scene.snapshot.phase, 'downloading');
  assert.equal(scene.snapshot.waitingFor, undefined);
  joinSeed(scene, 'A');
  serve(scene, ['A'], () => scene.have.length === 10);
  assert.deepEqual(scene.stop(), []);
});

test('a file that is cut under a seed: what is left is found, the rest is fetched again', () => {
  const scene = new Scene({ has: 'all', ...threeFiles }).start();
  scene.client.disk.image(scene.torrent.torrent.info).truncate(1, 100_000, scene.world.wallMs);
  joinLeech(scene, 'B');
  scene.play(['< request 5 0', '>* reject 5 0']);
  scene.run('1s');
  // The second file is bytes 200,000 to 400,000: pieces 3 to 6.
  assert.deepEqual(scene.have, [0, 1, 2, 3, 7, 8, 9]);
  const [lost] = scene.events('lost');
  assert.deepEqual([lost?.pieces, lost?.error.code], [3, 'disk/changed']);
  assert.equal(scene.snapshot.phase, 'downloading');
  assert.equal(scene.snapshot.waitingFor, undefined, 'what it waits for is peers');
  joinSeed(scene, 'A');
  serve(scene, ['A'], () => scene.have.length === 10);
  assert.equal(scene.events('done').length, 2);
  assert.deepEqual(scene.stop(), []);
});

test('a file that vanishes while it is being downloaded is made and fetched anew', () => {
  const scene = withSeed(threeFiles);
  serve(scene, ['A'], () => scene.have.length >= 5);
  const image = scene.client.disk.image(scene.torrent.torrent.info);
  const [gone] = [0, 1, 2].filter(
    (file) => image.fileStates()[file] !== undefined && scene.have.some((p) => p >= file * 3.1),
  );
  image.truncate(gone as number, 0, scene.world.wallMs, true);
  serve(scene, ['A'], isDone(scene));
  assert.equal(scene.have.length, 10, 'done means that all is there');
  assert.deepEqual(scene.stop(), []);
  for (let piece = 0; piece < 10; piece++) assert.ok(image.isWhole(piece), `piece ${piece}`);
});

test('what others have changed is not vouched for by the record', () => {
  const scene = new Scene({ has: 'all', ...threeFiles }).start();
  const image = scene.client.disk.image(scene.torrent.torrent.info);
  joinLeech(scene, 'B');
  image.truncate(0, 0, scene.world.wallMs, true);
  scene.play(['< request 2 0', '>* reject 2 0']);
  assert.deepEqual(scene.stop(), []);
  const { have } = decodeResume(image.resume?.bytes as Uint8Array);
  assert.deepEqual([...(have ?? [])], [4, 5, 6, 7, 8, 9]);
});

for (const [what, torrent] of [
  ['a piece', {}],
  ['a part of a piece', { files: 16_777_216, pieceLength: 8_388_608 }],
] as const) {
  test(`${what} that fails at the disk while all is being checked is fetched again, and waited for as ever`, () => {
    const verb = what === 'a piece' ? 'commit' : 'storeSegment';
    const scene = withSeed({ torrent });
    scene.client.disk.speed = { latencyMs: 50, reorderMs: 1, bytesPerSec: 100_000_000 };
    serve(scene, ['A'], () => scene.calls.includes(verb));
    scene.client.disk.faults.isReadOnly = true;
    scene.client.ask((session, id, now) => session.recheck(now, id));
    scene.run('60s');
    assert.equal(scene.snapshot.phase, 'downloading');
    assert.deepEqual(scene.events('error'), []);
    scene.client.disk.faults.isReadOnly = false;
    scene.run('20s');
    joinSeed(scene, 'B');
    serve(scene, ['B'], isDone(scene));
    assert.deepEqual(scene.stop(), []);
  });
}

test('stopping in the middle of a check writes nothing to a store that is closed', () => {
  const scene = withSeed();
  serve(scene, ['A'], () => scene.have.length >= 3);
  // A record is due in a few seconds.
  scene.client.disk.speed = { latencyMs: 3_000, reorderMs: 0, bytesPerSec: 100_000_000 };
  scene.client.ask((session, id, now) => session.recheck(now, id));
  scene.run('10ms');
  const from = scene.calls.length;
  assert.deepEqual(scene.stop(), []);
  assert.deepEqual(
    scene.calls.slice(from).filter((call) => call.startsWith('saveResume')),
    [],
  );
});

test('a check that is broken off leaves the last record as it was', () => {
  const scene = withSeed();
  serve(scene, ['A'], () => scene.have.length >= 3);
  scene.run('6s');
  serve(scene, ['A'], () => scene.have.length >= 4);
  scene.client.disk.speed = { latencyMs: 8_000, reorderMs: 0, bytesPerSec: 100_000_000 };
  scene.client.ask((session, id, now) => session.recheck(now, id));
  const from = scene.calls.length;
  // The record that was due before the check is not written in its middle, when nothing is known.
  scene.run('6s');
  assert.deepEqual(
    scene.calls.slice(from).filter((call) => call.startsWith('saveResume')),
    [],
  );
  scene.client.kill();
  scene.client.disk.speed = { latencyMs: 1, reorderMs: 0, bytesPerSec: 100_000_000 };
  scene.client.start();
  scene.run('5s');
  assert.ok(scene.have.length >= 3, `${scene.have}`);
});

for (const pieceBytesMax of [1, 65_536, 100_000]) {
  test(`with ${pieceBytesMax} bytes for pieces a download completes all the same`, () => {
    const scene = withSeed({ client: { pieceBytesMax } });
    joinSeed(scene, 'B');
    serve(scene, ['A', 'B'], isDone(scene));
    assert.equal(scene.snapshot.wasted, 0);
    assert.deepEqual(scene.stop(), []);
  });
}

test('the only buffer is not kept from others by a peer that says it has everything and gives nothing', () => {
  const scene = new Scene({ client: { pieceBytesMax: 65_536 } }).start();
  const liar = scene.join('A', { fast: true });
  liar.onMessage = (_link, m) => {
    if (m.kind === 'request') liar.send(`reject ${m.piece} ${m.begin} ${m.length}`);
  };
  liar.send('have-all', 'unchoke');
  scene.run('1s');
  // Each piece that B has the liar claims too, and the others are rarer.
  const honest = scene.join('B', { fast: true });
  honest.onMessage = (_link, m) => {
    if (m.kind !== 'request') return;
    honest.sendBlock(m.piece, m.begin, readBlock(scene.torrent, m.piece, m.begin, m.length));
  };
  honest.send('bitfield f0', 'unchoke');
  scene.run('10s');
  assert.deepEqual(scene.have, [0, 1, 2, 3]);
});

test('a recheck while a file is waited for forgets the trouble, and the download goes on', () => {
  const scene = withSeed();
  scene.run('100ms');
  scene.client.disk.faults.writeErrorRate = 1;
  serve(scene, ['A'], () => scene.events('waiting').length > 0);
  scene.client.disk.faults.writeErrorRate = 0;
  scene.client.ask((session, id, now) => session.recheck(now, id));
  scene.run('1s');
  joinSeed(scene, 'B');
  serve(scene, ['B'], isDone(scene));
  assert.deepEqual(scene.stop(), []);
});

test('resume data of a later program are left alone, and the torrent says so', () => {
  const scene = withSeed();
  serve(scene, ['A'], () => scene.have.length >= 3);
  scene.stop();
  const image = scene.client.disk.image(scene.torrent.torrent.info);
  const body = encode({ v: 99 });
  const later = new Uint8Array(body.length + 4);
  later.set(body, 4);
  new DataView(later.buffer).setUint32(0, crc32c(body));
  image.save(later, true, scene.world.wallMs);
  scene.client.start();
  scene.run('30s');
  assert.equal(scene.snapshot.phase, 'error');
  assert.ok(BtError.is(scene.snapshot.error, 'swarm/state-newer'));
  assert.deepEqual(scene.stop(), []);
  assert.deepEqual(image.resume?.bytes, later);
});

test('a torrent is moved in the middle of a download: nothing is written or saved meanwhile, and it goes on', () => {
  const scene = withSeed({ torrent: { files: 2_000_000 } });
  serve(scene, ['A'], () => scene.have.length >= 3);
  scene.client.disk.speed = { latencyMs: 500, reorderMs: 1, bytesPerSec: 100_000_000 };
  const from = scene.calls.length;
  scene.client.ask((session, id, now) => session.move(now, id, '/there'));
  serve(scene, ['A'], () => scene.events('moved').length > 0);
  const calls = scene.calls.slice(from);
  const between = calls.slice(calls.indexOf('moveStore') + 1, calls.indexOf('event moved'));
  assert.deepEqual(between, [], 'the disk is left alone');
  assert.deepEqual(scene.events('moved')[0]?.folder, '/there');
  serve(scene, ['A'], isDone(scene));
  assert.deepEqual(scene.stop(), []);
});

test('a move that fails is told, and all goes on; one at a time', () => {
  const scene = new Scene({ has: 'all' }).start();
  scene.client.disk.faults.moveError = new BtError('disk/no-space', { path: '/there' });
  scene.client.ask((session, id, now) => session.move(now, id, '/there'));
  scene.client.ask((session, id, now) => session.move(now, id, '/elsewhere'));
  scene.client.ask((session, id, now) => session.recheck(now, id));
  scene.run('5s');
  const codes = scene.events('moved').map((event) => event.error?.code);
  assert.deepEqual(codes.sort(), ['client/invalid', 'disk/no-space']);
  assert.equal(scene.events('checking').length, 2, 'the check that was asked for came after it');
  assert.equal(scene.snapshot.phase, 'seeding');
  assert.deepEqual(scene.stop(), []);
});

test('a torrent can be stopped while it is moved', () => {
  const scene = new Scene({ has: 'all' }).start();
  scene.client.disk.speed = { latencyMs: 5_000, reorderMs: 1, bytesPerSec: 100_000_000 };
  scene.client.ask((session, id, now) => session.move(now, id, '/there'));
  scene.run('100ms');
  assert.deepEqual(scene.stop(), []);
});

test('the reject that answers a cancel is not one of the request made since', () => {
  const scene = withSeed();
  const isRequest = (m: { kind: string }) => m.kind === 'request';
  scene.until(() => scene.peer('A').received.some(isRequest), '5s');
  const early = scene.peer('A').received.splice(0).filter(isRequest);
  scene.client.ask((session, id, now) => session.move(now, id, '/there'));
  scene.until(() => scene.peer('A').received.some(isRequest), '5s');
  for (const m of early) {
    if (m.kind === 'request') scene.peer('A').play([`< reject ${m.piece} ${m.begin} ${m.length}`]);
  }
  serve(scene, ['A'], isDone(scene), 10_000);
  assert.deepEqual(scene.stop(), []);
});

import assert from 'node:assert/strict';
import { test } from 'node:test';
import { toMs } from '#sim';
import { Scene } from '../../support/scene.ts';

const KIB = 1_024;
const MIB = 1_024 * KIB;

// Large enough never to be done, with hashes that nobody computes.
const endless = { files: 4_096 * MIB, pieceLength: MIB, isPretended: true };

const small = { files: 4 * MIB, pieceLength: MIB, isPretended: true };

/** Peers that take all they can get. @returns payload bytes that each got in `time`, after two seconds to begin with */
function upload(options: { limit: number; takers: number; time: string }): number[] {
  const scene = new Scene({ has: 'all', torrent: small, client: { uploadLimit: options.limit } });
  scene.start();
  const names = Array.from({ length: options.takers }, (_, i) => String.fromCharCode(65 + i));
  const got = new Map(names.map((name) => [name, 0]));
  for (const name of names) {
    const peer = scene.join(name, { fast: true });
    let at = 0;
    const ask = () => peer.send(`request ${(at >> 6) & 3} ${(at++ & 63) * 16_384}`);
    peer.onBlock = (_link, _piece, _begin, bytes) => {
      got.set(name, (got.get(name) as number) + bytes.length);
      ask();
    };
    scene.play([`${name}>* have-all`, `${name}< interested`, `${name}>* unchoke`]);
    for (let n = 0; n < 100; n++) ask();
  }
  scene.run('2s');
  for (const name of names) got.set(name, 0);
  scene.run(options.time);
  return [...got.values()];
}

const near = (actual: number, expected: number, share: number, what: string) =>
  assert.ok(Math.abs(actual - expected) <= expected * share, `${what}: ${Math.round(actual)} instead of ${expected}`);

for (const limit of [64 * KIB, 300 * KIB, MIB, 20 * MIB]) {
  test(`an upload limit of ${limit / KIB} KiB/s holds within 3 % over 10 s, and is shared fairly`, () => {
    const got = upload({ limit, takers: 4, time: '10s' });
    near(got.reduce((a, b) => a + b) / 10, limit, 0.03, 'sum');
    for (const bytes of got) near(bytes / 10, limit / 4, 0.1, 'share');
  });
}

/** Seeds that give all they are asked for. @returns payload bytes that the client took in `time` */
function download(options: { limit: number; seeds: number; time: string }): { sum: number; each: number[] } {
  const scene = new Scene({ torrent: endless, client: { downloadLimit: options.limit } }).start();
  const block = new Uint8Array(16_384);
  for (let i = 0; i < options.seeds; i++) {
    const name = String.fromCharCode(65 + i);
    const peer = scene.join(name, { fast: true });
    peer.onMessage = (_link, m) => {
      if (m.kind !== 'request') return;
      scene.torrent.content.read(scene.torrent.geometry.pieceStart(m.piece) + m.begin, block);
      peer.sendBlock(m.piece, m.begin, block);
    };
    peer.send('have-all', 'unchoke');
  }
  const takenBy = () => {
    let each: number[] = [];
    scene.client.ask((session, id, now) => {
      each =
        session
          .torrent(id)
          ?.peers(now)
          .map((p) => p.downloaded) ?? [];
    });
    return each;
  };
  scene.run('5s');
  const before = takenBy();
  scene.run(options.time);
  const each = takenBy().map((bytes, i) => bytes - (before[i] as number));
  return { sum: each.reduce((a, b) => a + b, 0), each };
}

for (const limit of [64 * KIB, 300 * KIB, MIB, 8 * MIB]) {
  test(`a download limit of ${limit / KIB} KiB/s holds within 3 % over 10 s`, () => {
    const { sum } = download({ limit, seeds: 3, time: '10s' });
    near(sum / 10, limit, 0.03, 'sum');
  });
}

test('under a download limit no peer is starved', () => {
  const { each } = download({ limit: 300 * KIB, seeds: 4, time: '60s' });
  const mean = each.reduce((a, b) => a + b) / each.length;
  for (const bytes of each) assert.ok(bytes > mean / 4, `${each}`);
});

test('a limit can be changed, and taken away', () => {
  const scene = new Scene({ has: 'all', torrent: small, client: { uploadLimit: 64 * KIB } }).start();
  const peer = scene.join('A', { fast: true });
  let got = 0;
  let at = 0;
  const ask = () => peer.send(`request 0 ${(at++ & 63) * 16_384}`);
  peer.onBlock = (_link, _piece, _begin, bytes) => {
    got += bytes.length;
    ask();
  };
  scene.play(['>* have-all', '< interested', '>* unchoke']);
  for (let n = 0; n < 100; n++) ask();
  const rate = (time: string) => {
    got = 0;
    scene.run(time);
    return (got * 1_000) / toMs(time);
  };
  rate('2s');
  near(rate('10s'), 64 * KIB, 0.05, 'first');
  scene.client.ask((session, _, now) => session.setRates(now, { upload: 256 * KIB }));
  near(rate('10s'), 256 * KIB, 0.05, 'second');
  scene.client.ask((session, id, now) => session.setRates(now, { upload: 128 * KIB }, id));
  near(rate('10s'), 128 * KIB, 0.05, 'of the torrent');
  scene.client.ask((session, _, now) => session.setRates(now, { upload: 0 }));
  rate('1s');
  assert.equal(rate('10s'), 0);
  scene.client.ask((session, _, now) => session.setRates(now, { upload: Number.POSITIVE_INFINITY }));
  scene.client.ask((session, id, now) => session.setRates(now, { upload: Number.POSITIVE_INFINITY }, id));
  assert.ok(rate('2s') > 4 * MIB);
  assert.deepEqual(scene.stop(), []);
});

import assert from 'node:assert/strict';
import { type Attack, scale } from '../../support/hostile/arena.ts';
import { BLOCK, getUnchoked, greet, poseAsSeed } from '../../support/hostile/behaviour.ts';
import { hashMessage, ids, message, request, times, u32 } from '../../support/hostile/raw-wire.ts';
import { runAttacks } from '../../support/hostile/run-attacks.ts';

const many = 100_000 * scale;

/** Requests, hashes and cancels without end: what a victim that uploads has to bear. */
const attacks: readonly Attack[] = [
  {
    name: 'a hundred thousand requests while choked, not all of them read',
    act: async (peer, scene) => {
      await greet(peer, scene);
      const hundred = times(100, (i) => request(i % (scene.target.pieceCount - 1), 0));
      await peer.flood(hundred, { times: many / 100 });
      await peer.closed;
    },
    expect: { code: 'peer/request-flood', also: ['peer/message-flood'] },
  },
  {
    name: 'a hundred thousand requests for pieces that are not here, and no reading of the rejects',
    act: async (peer, scene) => {
      await greet(peer, scene);
      peer.reading(false);
      const hundred = times(100, (i) => request(i % (scene.target.pieceCount - 1), 0));
      await peer.flood(hundred, { times: many / 100 });
    },
    expect: { also: ['peer/request-flood', 'peer/message-flood', 'peer/not-reading'] },
  },
  {
    name: 'a hundred thousand requests of a seed, and no reading',
    seeding: true,
    target: 'large',
    attackers: 4,
    act: async (peer, scene) => {
      await getUnchoked(peer, scene);
      peer.reading(false);
      const thousand = times(1_000, (i) => request(i % (scene.target.pieceCount - 1), 0));
      await Promise.race([peer.flood(thousand, { times: many / 4_000 }), peer.closed]);
    },
    expect: { also: ['peer/request-flood', 'peer/message-flood', 'peer/not-reading'] },
  },
  {
    name: 'requests for single bytes, and no reading',
    seeding: true,
    target: 'large',
    attackers: 8,
    act: async (peer, scene) => {
      await getUnchoked(peer, scene);
      peer.reading(false);
      for (let n = 0; n < 20; n++) await peer.sendAll(times(1_900, (i) => request(n, i, 1)));
    },
    expect: { also: ['peer/request-flood', 'peer/message-flood'], peakMiB: 48 },
  },
  {
    name: 'requests as long as may be, and one byte longer',
    seeding: true,
    target: 'large',
    act: async (peer, scene) => {
      await getUnchoked(peer, scene);
      const answer = peer.next((m) => m.id === ids.piece);
      peer.send(request(0, 0, BLOCK));
      assert.equal((await answer).body.length, 8 + BLOCK);
      peer.send(request(0, 1, BLOCK));
    },
    expect: { code: 'peer/bad-request' },
  },
  {
    name: 'requests and their cancels in turn',
    seeding: true,
    target: 'large',
    act: async (peer, scene) => {
      await getUnchoked(peer, scene);
      const pairs = times(500, (i) => Buffer.concat([request(i, 0), request(i, 0, BLOCK, ids.cancel)]));
      await peer.flood(pairs, { times: 20 * scale });
    },
    expect: { also: ['peer/message-flood'] },
  },
  {
    name: 'cancels of what nobody asked for, without end',
    seeding: true,
    target: 'large',
    act: async (peer, scene) => {
      await getUnchoked(peer, scene);
      peer.send(times(1_990, (i) => request(i % 1_000, 0)));
      await peer.flood(times(1_000, () => request(1_400, 0, BLOCK, ids.cancel)));
    },
    expect: { code: 'peer/message-flood' },
  },
  {
    name: 'requests for hashes without end, and no reading',
    seeding: true,
    target: 'v2',
    attackers: 4,
    act: async (peer, scene) => {
      await getUnchoked(peer, scene);
      peer.reading(false);
      const root = scene.target.root as Uint8Array;
      const range = { root, baseLayer: 0, index: 0, length: 512, proofLayers: 0 };
      await Promise.race([
        peer.flood(
          times(100, () => hashMessage(ids.hashRequest, range)),
          { times: 100 },
        ),
        peer.closed,
      ]);
    },
    expect: { also: ['peer/not-reading', 'peer/message-flood'] },
  },
  {
    name: 'requests for hashes that make no sense',
    seeding: true,
    target: 'v2',
    act: async (peer, scene) => {
      await getUnchoked(peer, scene);
      const root = scene.target.root as Uint8Array;
      const wrong = 0xff_ff_ff_ff;
      let rejects = 0;
      const all = new Promise<void>((resolve) => {
        peer.onMessage(({ id }) => {
          if (id === ids.hashReject && ++rejects === 5) resolve();
        });
      });
      peer.send(
        hashMessage(ids.hashRequest, { root, baseLayer: wrong, index: 0, length: 512, proofLayers: 0 }),
        hashMessage(ids.hashRequest, { root, baseLayer: 0, index: wrong, length: 512, proofLayers: 0 }),
        hashMessage(ids.hashRequest, { root, baseLayer: 0, index: 0, length: wrong, proofLayers: 0 }),
        hashMessage(ids.hashRequest, { root, baseLayer: 0, index: 0, length: 512, proofLayers: wrong }),
        hashMessage(ids.hashRequest, { root: Buffer.alloc(32), baseLayer: 0, index: 0, length: 2, proofLayers: 0 }),
      );
      await all;
    },
    expect: { kept: true },
  },
  {
    name: 'false hashes with false proofs',
    direction: 'both',
    magnet: true,
    target: 'v2',
    act: async (peer, scene) => {
      peer.onMessage(({ id, body }) => {
        if (id !== ids.hashRequest) return;
        const [length, proofs] = [body.readUInt32BE(40), body.readUInt32BE(44)];
        peer.send(message(ids.hashes, Buffer.concat([body, Buffer.alloc((length + proofs) * 32, 7)])));
      });
      await poseAsSeed(peer, scene);
      scene.begin();
      await Promise.race([peer.closed, scene.over]);
    },
    expect: { also: ['peer/bad-hashes'] },
  },
  {
    name: 'hashes that nobody asked for, without end',
    target: 'v2',
    act: async (peer, scene) => {
      await greet(peer, scene);
      const root = scene.target.root as Uint8Array;
      const range = { root, baseLayer: 0, index: 0, length: 512, proofLayers: 0 };
      await peer.flood(times(1_000, () => hashMessage(ids.hashes, range)));
    },
    expect: { code: 'peer/message-flood' },
  },
  {
    name: 'a port message, suggest and unknown ids without end',
    act: async (peer, scene) => {
      await greet(peer, scene);
      const one = Buffer.concat([
        message(ids.port, Buffer.from([1, 2])),
        message(ids.suggest, u32(0xff_ff_ff_ff)),
        message(200, Buffer.alloc(10)),
      ]);
      await peer.flood(times(1_000, () => one));
    },
    expect: { code: 'peer/message-flood' },
  },
];

runAttacks(attacks);

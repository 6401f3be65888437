import type { Attack } from '../../support/hostile/arena.ts';
import { BLOCK, getUnchoked, greet, poseAsSeed, serve, spoilt } from '../../support/hostile/behaviour.ts';
import { block, ids, message, times, u32 } from '../../support/hostile/raw-wire.ts';
import { runAttacks } from '../../support/hostile/run-attacks.ts';

/** Blocks that are wrong, not asked for, or not sent. */
const attacks: readonly Attack[] = [
  {
    name: 'whole pieces of rubbish',
    direction: 'both',
    act: async (peer, scene) => {
      await poseAsSeed(peer, scene);
      serve(peer, scene, (right) => Buffer.alloc(right.length, 7));
      await peer.closed;
    },
    expect: { code: 'peer/bad-data', banned: 1 },
  },
  {
    name: 'one bad block in pieces that honest peers help to fill',
    direction: 'both',
    target: 'wide',
    act: async (peer, scene) => {
      await poseAsSeed(peer, scene);
      scene.begin();
      // The first block of each piece, so that the rest of most pieces comes from others.
      serve(peer, scene, (right, { count }) => (count % 8 === 0 ? spoilt(right) : right));
      await peer.closed;
    },
    expect: { code: 'peer/bad-data', banned: 1 },
  },
  {
    name: 'a single bad block, then the truth',
    target: 'wide',
    act: async (peer, scene) => {
      await poseAsSeed(peer, scene);
      scene.begin();
      serve(peer, scene, (right, { count }) => (count === 3 ? spoilt(right) : right));
      await Promise.race([peer.closed, scene.over]);
    },
    expect: { banned: 1, also: ['peer/bad-data'] },
  },
  {
    name: 'good and bad blocks in turn, bad in another way each time',
    target: 'wide',
    act: async (peer, scene) => {
      await poseAsSeed(peer, scene);
      scene.begin();
      serve(peer, scene, (right, { count }) => (count % 2 === 0 ? right : spoilt(right, count)));
      await peer.closed;
    },
    expect: { code: 'peer/bad-data', banned: 1 },
  },
  {
    name: 'two liars in league, each the other half of the blocks',
    direction: 'both',
    target: 'wide',
    attackers: 2,
    act: async (peer, scene) => {
      await poseAsSeed(peer, scene);
      scene.begin();
      serve(peer, scene, (right, { begin }) => ((begin / BLOCK) % 2 === scene.index ? spoilt(right) : right));
      await Promise.race([peer.closed, scene.over]);
    },
    expect: { banned: 'some', also: ['peer/bad-data'] },
  },
  {
    name: 'four liars among themselves before anybody honest comes',
    attackers: 4,
    target: 'wide',
    act: async (peer, scene) => {
      await poseAsSeed(peer, scene);
      serve(peer, scene, (right, { count }) => (count % 3 === scene.index % 3 ? spoilt(right, scene.index) : right));
      await peer.closed;
    },
    expect: { code: 'peer/bad-data', banned: 4 },
  },
  {
    name: 'a liar who comes back from the same host, and is known',
    act: async (peer, scene) => {
      await poseAsSeed(peer, scene);
      serve(peer, scene, (right) => spoilt(right));
      await peer.closed;
      for (let i = 0; i < 3; i++) {
        const again = await scene.connect();
        await Promise.race([greet(again, scene), again.closed]);
        await again.closed;
      }
    },
    expect: { code: 'peer/bad-data', banned: 1, also: ['peer/banned'] },
  },
  {
    name: 'blocks that nobody asked for',
    direction: 'both',
    act: async (peer, scene) => {
      await greet(peer, scene);
      await peer.flood(block(1, 0, scene.target.read(1, 0, BLOCK)), { times: 200 });
      await peer.closed;
    },
    expect: { code: 'peer/unasked-data' },
  },
  {
    name: 'blocks that nobody asked for, before the metadata is known',
    magnet: true,
    act: async (peer, scene) => {
      await greet(peer, scene);
      await peer.flood(block(1, 0, Buffer.alloc(BLOCK)), { times: 200 });
      await peer.closed;
    },
    expect: { code: 'peer/unasked-data' },
  },
  {
    name: 'empty blocks without end',
    act: async (peer, scene) => {
      await poseAsSeed(peer, scene);
      const empty = message(ids.piece, u32(0, 0));
      await peer.flood(times(500, () => empty));
    },
    expect: { code: 'peer/unasked-data' },
  },
  {
    name: 'every block twice',
    act: async (peer, scene) => {
      await poseAsSeed(peer, scene);
      serve(peer, scene, (right, { piece, begin }) => {
        peer.send(block(piece, begin, right));
        return right;
      });
      await peer.closed;
    },
    expect: { code: 'peer/unasked-data' },
  },
  {
    name: 'blocks of a wrong length, or at a wrong place',
    act: async (peer, scene) => {
      await poseAsSeed(peer, scene);
      peer.onMessage(({ id, body }) => {
        if (id !== ids.request) return;
        const [piece, begin] = [body.readUInt32BE(0), body.readUInt32BE(4)];
        peer.send(block(piece, begin, Buffer.alloc(100)), block(piece, begin + 1, Buffer.alloc(BLOCK)));
        peer.send(
          block(piece + 1_000_000, begin, Buffer.alloc(BLOCK)),
          block(0xff_ff_ff_ff, 0xff_ff_ff_ff, Buffer.alloc(1)),
        );
      });
      scene.begin();
      await Promise.race([peer.closed, scene.over]);
    },
    expect: { also: ['peer/unasked-data'] },
  },
  {
    name: 'five who take requests and stay silent',
    direction: 'both',
    attackers: 5,
    act: async (peer, scene) => {
      await poseAsSeed(peer, scene, { fast: scene.index % 2 === 0 });
      await Promise.race([peer.next((m) => m.id === ids.request), peer.closed, scene.over]);
      scene.begin();
      await scene.over;
    },
    expect: {},
  },
  {
    name: 'five who take requests and send empty blocks now and then',
    attackers: 5,
    act: async (peer, scene) => {
      await poseAsSeed(peer, scene);
      peer.onMessage(({ id }) => {
        if (id === ids.request) peer.send(message(ids.piece, u32(0, 0)));
      });
      await Promise.race([peer.next((m) => m.id === ids.request), peer.closed, scene.over]);
      scene.begin();
      await scene.over;
    },
    expect: {},
  },
  {
    name: 'five who begin every block and do not go on',
    direction: 'both',
    attackers: 5,
    act: async (peer, scene) => {
      await poseAsSeed(peer, scene);
      peer.onMessage(({ id, body }) => {
        if (id !== ids.request) return;
        const head = Buffer.concat([body.subarray(0, 8), Buffer.alloc(500)]);
        peer.send(message(ids.piece, head, 9 + BLOCK));
        peer.reading(false);
      });
      await Promise.race([peer.next((m) => m.id === ids.request), peer.closed, scene.over]);
      scene.begin();
      await scene.over;
    },
    expect: {},
  },
  {
    name: 'reject for everything',
    attackers: 3,
    act: async (peer, scene) => {
      await poseAsSeed(peer, scene);
      scene.begin();
      peer.onMessage(({ id, body }) => {
        if (id === ids.request) peer.send(message(ids.reject, body), message(ids.choke), message(ids.unchoke));
      });
      await Promise.race([peer.closed, scene.over]);
    },
    // Nothing else holds it back on a line without latency.
    expect: { also: ['peer/message-flood'] },
  },
  {
    name: 'interest, and then no reading of what is sent',
    target: 'large',
    seeding: true,
    // As many as get a slot at once: the others would have their turn after some rounds of ten seconds.
    attackers: 3,
    act: async (peer, scene) => {
      await getUnchoked(peer, scene);
      peer.reading(false);
      const { pieceCount, blocksPerPiece } = scene.target;
      await peer.sendAll(
        times(1_900, (i) =>
          message(
            ids.request,
            u32(Math.floor(i / blocksPerPiece) % (pieceCount - 1), (i % blocksPerPiece) * BLOCK, BLOCK),
          ),
        ),
      );
    },
    expect: { peakMiB: 64 },
  },
];

runAttacks(attacks);

import { type Attack, type AttackScene, hostOf, scale } from '../../support/hostile/arena.ts';
import { getUnchoked, greet, poseAsSeed } from '../../support/hostile/behaviour.ts';
import { RawPeer } from '../../support/hostile/raw-peer.ts';
import { handshake, ids, message } from '../../support/hostile/raw-wire.ts';
import { runAttacks } from '../../support/hostile/run-attacks.ts';

/** Connects again and again, so many at a time, from many hosts. */
async function storm(
  scene: AttackScene,
  o: { count: number; atOnce: number; hosts: number },
  each: (peer: RawPeer, i: number) => Promise<void>,
): Promise<void> {
  let next = 0;
  const one = async () => {
    while (next < o.count) {
      const i = next++;
      // A victim that is full may cut us off before we know that we are connected.
      const peer = await scene.connect(hostOf(10 + (i % o.hosts))).catch(() => undefined);
      if (peer !== undefined) await each(peer, i);
    }
  };
  await Promise.all(Array.from({ length: o.atOnce }, one));
}

const idOf = async (peer: RawPeer) => (await peer.greeting).subarray(48, 68);

/** What is done with connections and handshakes. */
const attacks: readonly Attack[] = [
  {
    name: 'slow handshakes, five hundred at a time',
    unconnected: true,
    act: async (_, scene) => {
      const hello = handshake({ infoHash: scene.target.infoHash, peerId: Buffer.alloc(20, 1) });
      await storm(scene, { count: 500 * scale, atOnce: 100, hosts: 200 }, async (peer) => {
        await peer.sendInPieces(hello.subarray(0, 20));
      });
    },
    expect: {
      refused: { 'session/too-many-handshakes': 300 * scale, 'peer/handshake-timeout': 150 },
      also: ['peer/handshake-timeout'],
    },
  },
  {
    name: 'a thousand connections that are reset at once',
    unconnected: true,
    act: async (_, scene) => {
      await storm(scene, { count: 1_000 * scale, atOnce: 50, hosts: 50 }, async (peer) => {
        peer.reset();
        await peer.closed;
      });
    },
    expect: {},
  },
  {
    name: 'a thousand connections that stay and say nothing',
    unconnected: true,
    act: async (_, scene) => {
      await storm(scene, { count: 1_000 * scale, atOnce: 50, hosts: 50 }, async () => {});
    },
    expect: {
      refused: { 'session/too-many-handshakes': 700 * scale },
    },
  },
  {
    name: 'a thousand handshakes of one host, which never closes its end',
    unconnected: true,
    act: async (_, scene) => {
      const hello = handshake({ infoHash: scene.target.infoHash, peerId: Buffer.alloc(20, 1) });
      await storm(scene, { count: 1_000 * scale, atOnce: 50, hosts: 1 }, async (peer) => {
        peer.socket.allowHalfOpen = true;
        peer.send(hello);
        await Promise.race([peer.greeting, peer.closed]);
      });
    },
    expect: { also: ['peer/host-full'] },
  },
  {
    name: 'sixty-eight bytes and a reset, again and again',
    unconnected: true,
    act: async (_, scene) => {
      const hello = handshake({ infoHash: scene.target.infoHash, peerId: Buffer.alloc(20, 1) });
      await storm(scene, { count: 500 * scale, atOnce: 20, hosts: 20 }, async (peer) => {
        peer.send(hello);
        await Promise.race([peer.greeting, peer.closed]);
        peer.reset();
        await peer.closed;
      });
    },
    expect: { also: ['peer/host-full'] },
  },
  {
    name: 'all places taken by eighty who want nothing, before the honest one is known',
    attackers: 80,
    act: async (peer, scene) => {
      await Promise.race([greet(peer, scene), peer.closed]);
      peer.send(message(ids.haveNone));
    },
    expect: {},
  },
  {
    name: 'another protocol',
    act: async (peer) => {
      peer.send(Buffer.from('GET / HTTP/1.1\r\nHost: x\r\n\r\n'));
      await peer.closed;
    },
    expect: { refused: { 'peer/bad-handshake': 1 } },
  },
  {
    name: 'another protocol in answer to a dial',
    direction: 'out',
    act: async (peer) => {
      peer.send(Buffer.from('SSH-2.0-OpenSSH_9.6\r\n'));
      await peer.closed;
    },
    expect: { code: 'peer/bad-handshake' },
  },
  {
    name: 'an info-hash that nobody knows',
    act: async (peer) => {
      peer.send(handshake({ infoHash: Buffer.alloc(20, 9), peerId: peer.peerId }));
      await peer.closed;
    },
    expect: { refused: { 'peer/unknown-info-hash': 1 } },
  },
  {
    name: 'the info-hash of another torrent in answer to a dial',
    direction: 'out',
    act: async (peer, scene) => {
      await greet(peer, scene, { infoHash: scene.other.infoHash });
      await peer.closed;
    },
    expect: { code: 'peer/wrong-info-hash' },
  },
  {
    name: 'the victim’s own peer id',
    direction: 'both',
    act: async (peer, scene) => {
      let own: Buffer;
      if (scene.direction === 'out') own = await idOf(peer);
      else {
        const scout = await scene.connect();
        await greet(scout, scene);
        own = await idOf(scout);
        scout.destroy();
        await scout.closed;
      }
      await greet(peer, scene, { peerId: own });
      await peer.closed;
    },
    expect: { code: 'peer/self' },
  },
  {
    name: 'the honest peer’s id, from another host',
    attackers: 3,
    act: async (peer, scene) => {
      const scout = await RawPeer.connect(scene.seederAddress, scene.host);
      const hello = handshake({ infoHash: scene.target.infoHash, peerId: scout.peerId });
      scout.send(hello);
      const peerId = await idOf(scout);
      scout.destroy();
      await greet(peer, scene, { peerId });
      peer.send(message(ids.haveNone));
      scene.begin();
      await scene.over;
    },
    expect: { kept: true },
  },
  {
    name: 'one peer id on many connections of one host',
    act: async (peer, scene) => {
      await greet(peer, scene);
      for (let i = 0; i < 20; i++) {
        const twin = await scene.connect();
        twin.send(handshake({ infoHash: scene.target.infoHash, peerId: peer.peerId }));
        await Promise.race([twin.greeting, twin.closed]);
      }
    },
    expect: { also: ['peer/host-full'] },
  },
  {
    name: 'the whole protocol in one packet, and then its end',
    direction: 'both',
    act: async (peer, scene) => {
      const { infoHash } = scene.target;
      peer.send(handshake({ infoHash, peerId: peer.peerId }), message(ids.haveAll), message(ids.unchoke));
      peer.end();
      await peer.closed;
    },
    expect: {},
  },
  {
    name: 'eight who want data and read nothing, while we download',
    attackers: 8,
    act: async (peer, scene) => {
      await getUnchoked(peer, scene);
      scene.begin();
      peer.reading(false);
      await scene.over;
    },
    expect: {},
  },
  {
    name: 'seeds that leave when they are asked for something, and come back',
    unconnected: true,
    act: async (_, scene) => {
      scene.begin();
      while (!scene.isOver()) {
        const peer = await scene.connect().catch(() => undefined);
        if (peer === undefined) continue;
        await Promise.race([poseAsSeed(peer, scene), peer.closed, scene.over]);
        await Promise.race([peer.next((m) => m.id === ids.request), peer.closed, scene.over]);
        peer.reset();
        await peer.closed;
      }
    },
    expect: {},
  },
];

runAttacks(attacks);

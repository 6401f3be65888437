import assert from 'node:assert/strict';
import { test } from 'node:test';
import { type Millis, parseIp, seededRng } from '#base';
import {
  AddressLimits,
  AnnounceCall,
  type CounterName,
  CounterTable,
  DenseStore,
  type RelayConnection,
  type RelayLimits,
  relayLimits,
  type TrackerHooks,
  TrackerLogic,
  toTrackerLimits,
  WebRelay,
} from '#tracker';
import { decodeWsResponse, encodeWsRequest, type WsAnnounceRequest, type WsResponse } from '#wire';

const torrent = 'torrent of the tests';
const other = 'another torrent here';
const source = parseIp('198.51.100.7') as Uint8Array;

/** A relay with real logic and store, peers by name, time by hand. */
class Scene {
  now = 1_000 as Millis;
  readonly #counters = new CounterTable(1);
  readonly hooks: TrackerHooks[] = [];
  readonly limits = toTrackerLimits({ intervalSec: 1_800, intervalJitterSec: 0, swarmsMax: 5_000, peersMax: 10_000 });
  readonly store = DenseStore.create({ limits: this.limits, rng: seededRng(1) });
  readonly logic = new TrackerLogic({ store: this.store, limits: this.limits, rng: seededRng(2) });
  readonly relay: WebRelay;

  constructor(limits: Partial<RelayLimits> = {}, addressLimits?: AddressLimits) {
    const { logic, store } = this;
    const counts = this.#counters.row(0);
    this.logic.setHooks(this.hooks);
    this.relay = new WebRelay({
      ...{ logic, store, counts },
      limits: { ...relayLimits, ...limits },
      ...(addressLimits !== undefined && { addressLimits }),
    });
  }

  get counts(): Readonly<Record<CounterName, number>> {
    return this.#counters.sums();
  }

  peer(name: string): ScenePeer {
    return new ScenePeer(this, name);
  }

  later(ms: number): void {
    this.now = (this.now + ms) as Millis;
  }

  /** Complete and incomplete, as a peer of another network sees them. */
  counted(): [complete: number, incomplete: number] {
    const peer = this.peer('counter');
    peer.say({ kind: 'scrape', infoHashes: [torrent] });
    const [answer] = peer.takeHeard();
    assert(answer?.kind === 'scrape');
    const { complete = -1, incomplete = -1 } = answer.files[0]?.counts ?? {};
    return [complete, incomplete];
  }
}

class ScenePeer {
  readonly connection: RelayConnection;
  readonly id: string;
  readonly #scene: Scene;
  #heard: WsResponse[] = [];
  isBusy = false;

  constructor(scene: Scene, name: string) {
    this.#scene = scene;
    this.id = toId(name);
    const isBusy = () => this.isBusy;
    const link = {
      get isBusy() {
        return isBusy();
      },
      sendText: (text: string): void => {
        const message = decodeWsResponse(text);
        assert(message.kind !== 'unreadable');
        this.#heard.push(message);
      },
    };
    this.connection = scene.relay.connect(link, { source, target: '/announce' });
  }

  say(message: Parameters<typeof encodeWsRequest>[0] | string): void {
    const text = typeof message === 'string' ? message : encodeWsRequest(message);
    this.#scene.relay.receive(this.#scene.now, this.connection, text);
  }

  /** @param offers ids of offers, cut or filled to 20 */
  announce(offers: string[] = [], over: Partial<WsAnnounceRequest> = {}): void {
    this.say({
      kind: 'announce',
      infoHash: torrent,
      peerId: this.id,
      uploaded: 0,
      downloaded: 0,
      left: 1,
      event: 'none',
      numWant: -1,
      offers: offers.map((name) => ({ offerId: toId(name), sdp: `offer ${name}` })),
      ...over,
    });
  }

  answer(to: string, offer: string, over: { infoHash?: string; peerId?: string } = {}): void {
    const sdp = `answer of ${this.id.trim()}`;
    const who = { infoHash: torrent, peerId: this.id, toPeerId: toId(to), offerId: toId(offer), ...over };
    this.say({ kind: 'answer', ...who, sdp });
  }

  leave(): void {
    this.#scene.relay.disconnect(this.#scene.now, this.connection);
  }

  takeHeard(): WsResponse[] {
    const heard = this.#heard;
    this.#heard = [];
    return heard;
  }

  /** What was heard, in short: `offer a1 of a`, `answer a1 of b`, `3 120s`, `failure …`. */
  heard(): string[] {
    return this.takeHeard().map((m) => {
      if (m.kind === 'announce') return `${m.complete}+${m.incomplete} ${m.intervalSec}s`;
      if (m.kind === 'offer' || m.kind === 'answer') return `${m.kind} ${m.offerId.trim()} of ${m.peerId.trim()}`;
      return m.kind === 'failure' ? `failure ${m.reason}` : m.kind;
    });
  }
}

function toId(name: string): string {
  return name.padEnd(20).slice(0, 20);
}

test('an offer goes to the other peer, its answer comes back', () => {
  const scene = new Scene();
  const [a, b] = [scene.peer('a'), scene.peer('b')];
  b.announce();
  a.announce(['a1', 'a2']);
  assert.deepEqual(b.heard(), ['0+1 120s', 'offer a1 of a']);
  assert.deepEqual(a.heard(), ['0+2 120s']);
  b.answer('a', 'a1');
  assert.deepEqual(a.heard(), ['answer a1 of b']);
  assert.deepEqual(b.heard(), [], 'an answer is not responded to');
  assert.equal(scene.relay.waitingOfferCount, 0);
  const { wsAnnounces, wsOffersRelayed, wsAnswersRelayed } = scene.counts;
  assert.deepEqual([wsAnnounces, wsOffersRelayed, wsAnswersRelayed], [2, 1, 1]);
});

test('each of the offers goes to another peer; none to the offerer or to other swarms', () => {
  const scene = new Scene();
  const peers = Array.from({ length: 12 }, (_, i) => scene.peer(`p${i}`));
  for (const peer of peers) peer.announce();
  const stranger = scene.peer('stranger');
  stranger.announce([], { infoHash: other });
  for (const peer of [...peers, stranger]) peer.heard();
  const names = ['1', '2', '3', '4', '5'];
  peers[0]?.announce(names);
  assert.deepEqual(peers[0]?.heard(), ['0+12 120s']);
  assert.deepEqual(stranger.heard(), []);
  const heard = peers.slice(1).map((peer) => peer.heard());
  assert(heard.every((each) => each.length <= 1));
  assert.deepEqual(
    heard.flat().sort(),
    names.map((name) => `offer ${name} of p0`),
  );
});

test('numwant, and the most that are handed out, bound the offers', () => {
  const scene = new Scene({ offersPerAnnounceMax: 3 });
  for (let i = 0; i < 9; i++) scene.peer(`p${i}`).announce();
  const a = scene.peer('a');
  const handed = (numWant: number): number => {
    const before = scene.counts.wsOffersRelayed;
    a.announce([`${numWant} 1`, `${numWant} 2`, `${numWant} 3`, `${numWant} 4`], { numWant });
    return scene.counts.wsOffersRelayed - before;
  };
  assert.deepEqual([0, 2, -1, 50].map(handed), [0, 2, 3, 3]);
});

test('seeders get no offers of seeders, leechers do', () => {
  const scene = new Scene();
  const [seeder, second, leecher] = [scene.peer('seeder'), scene.peer('second'), scene.peer('leecher')];
  seeder.announce([], { left: 0, event: 'started' });
  second.announce(['s1'], { left: 0, event: 'started' });
  assert.deepEqual(seeder.heard(), ['1+0 120s']);
  leecher.announce(['l1', 'l2']);
  assert.deepEqual(leecher.heard(), ['2+1 120s']);
  assert.equal(scene.counts.wsOffersRelayed, 2);
  leecher.announce([], { event: 'completed', left: 0, numWant: 0 });
  assert.deepEqual(scene.counted(), [3, 0]);
});

const unsolicited: [name: string, act: (scene: Scene, peers: Record<'a' | 'b' | 'c', ScenePeer>) => void][] = [
  ['of an offer that was never made', (_, { b }) => b.answer('a', 'other')],
  ['to a peer that did not make it', (_, { b }) => b.answer('c', 'a1')],
  ['of a peer that did not get it', (_, { c }) => c.answer('a', 'a1')],
  ['in the name of who got it', (_, { b, c }) => c.answer('a', 'a1', { peerId: b.id })],
  ['in the name of another', (_, { b, c }) => b.answer('a', 'a1', { peerId: c.id })],
  ['in another swarm', (_, { b }) => b.answer('a', 'a1', { infoHash: other })],
  [
    'too late',
    (scene, { b }) => {
      scene.later(relayLimits.offerMs);
      b.answer('a', 'a1');
    },
  ],
  [
    'to who is gone',
    (_, { a, b }) => {
      a.leave();
      b.answer('a', 'a1');
    },
  ],
];

for (const [name, act] of unsolicited) {
  test(`an answer is dropped: ${name}`, () => {
    const scene = new Scene();
    const peers = { a: scene.peer('a'), b: scene.peer('b'), c: scene.peer('c') };
    peers.b.announce();
    peers.a.announce(['a1']);
    peers.c.announce();
    for (const peer of Object.values(peers)) peer.heard();
    act(scene, peers);
    for (const peer of Object.values(peers)) assert.deepEqual(peer.heard(), []);
    assert.equal(scene.counts.wsUnsolicited, 1);
    assert.equal(scene.counts.wsAnswersRelayed, 0);
  });
}

test('an offer is answered once', () => {
  const scene = new Scene();
  const [a, b] = [scene.peer('a'), scene.peer('b')];
  b.announce();
  a.announce(['a1']);
  b.answer('a', 'a1');
  b.answer('a', 'a1');
  assert.deepEqual(a.heard(), ['0+2 120s', 'answer a1 of b']);
  assert.equal(scene.counts.wsUnsolicited, 1);
});

test('who has much to take already gets nothing of strangers, only what it asked for', () => {
  const scene = new Scene();
  const [a, b] = [scene.peer('a'), scene.peer('b')];
  b.announce();
  b.isBusy = true;
  a.announce(['a1']);
  assert.deepEqual(b.heard(), ['0+1 120s']);
  assert.equal(scene.relay.waitingOfferCount, 0);
  b.announce(['b1']);
  assert.deepEqual(b.heard(), ['0+2 120s']);
  assert.deepEqual(a.heard(), ['0+2 120s', 'offer b1 of b']);
  a.answer('b', 'b1');
  assert.deepEqual(b.heard(), []);
  b.isBusy = false;
  a.announce(['a2']);
  assert.deepEqual(b.heard(), ['offer a2 of a']);
});

test('who takes the name of an offer does not take its answer', () => {
  const scene = new Scene();
  const [a, b, thief] = [scene.peer('a'), scene.peer('b'), scene.peer('thief')];
  b.announce();
  a.announce(['a1']);
  // A thief alone with b in the swarm, so that his offer must go to b: a is a peer of another connection with the same id.
  a.announce([], { event: 'stopped' });
  thief.announce(['a1'], { peerId: a.id });
  b.answer('a', 'a1');
  assert(a.heard().includes('answer a1 of b'));
  assert(!thief.heard().some((each) => each.startsWith('answer')));
});

test('a connection that goes leaves all of its swarms, and is given to nobody', () => {
  const scene = new Scene();
  const [a, b] = [scene.peer('a'), scene.peer('b')];
  b.announce();
  b.announce([], { infoHash: other, left: 0 });
  b.leave();
  b.leave();
  assert.deepEqual(scene.counted(), [0, 0]);
  a.announce(['a1']);
  assert.deepEqual(a.heard(), ['0+1 120s']);
  assert.equal(scene.store.stats().peerCountWeb, 1);
  assert.equal(scene.relay.connectionCount, 2, 'a and the one who counts');
});

test('stopped leaves one swarm', () => {
  const scene = new Scene();
  const a = scene.peer('a');
  a.announce();
  a.announce([], { infoHash: other });
  a.announce([], { event: 'stopped' });
  assert.deepEqual(scene.counted(), [0, 0]);
  assert.equal(scene.store.stats().peerCountWeb, 1);
});

test('two clients on one connection are two peers, and meet', () => {
  const scene = new Scene();
  const page = scene.peer('first');
  page.announce();
  page.announce(['s1'], { peerId: toId('second') });
  assert.deepEqual(page.heard(), ['0+1 120s', '0+2 120s', 'offer s1 of second']);
  page.answer('second', 's1');
  assert.deepEqual(page.heard(), ['answer s1 of first']);
  page.leave();
  assert.deepEqual(scene.counted(), [0, 0]);
});

test('peer ids of a connection are bounded; those that are in no swarm make way', () => {
  const scene = new Scene({ peerIdsPerConnectionMax: 2 });
  const page = scene.peer('one');
  page.announce();
  page.announce([], { peerId: toId('two') });
  page.announce([], { peerId: toId('three') });
  page.announce([], { peerId: toId('two'), event: 'stopped' });
  page.announce([], { peerId: toId('three') });
  assert.deepEqual(page.heard(), [
    '0+1 120s',
    '0+2 120s',
    'failure too many peer ids on one connection',
    '0+1 120s',
    '0+2 120s',
  ]);
});

test('torrents of a connection are bounded; known ones go on', () => {
  const scene = new Scene({ swarmsPerConnectionMax: 2 });
  const a = scene.peer('a');
  for (const infoHash of ['1', '2', '3', '1'].map(toId)) a.announce([], { infoHash });
  a.announce([], { infoHash: toId('1'), event: 'stopped' });
  a.announce([], { infoHash: toId('3') });
  const refused = a.takeHeard().map((m) => m.kind);
  assert.deepEqual(refused, ['announce', 'announce', 'failure', 'announce', 'announce', 'announce']);
});

test('offers that wait are bounded by connection and in all, and forgotten', () => {
  const scene = new Scene({ offersPerConnectionMax: 2, offersWaitingMax: 3 });
  const [a, b, c] = [scene.peer('a'), scene.peer('b'), scene.peer('c')];
  for (const peer of [a, b, c]) peer.announce();
  for (let i = 0; i < 5; i++) a.announce([`a${i}`]);
  assert.equal(scene.relay.waitingOfferCount, 2);
  for (let i = 0; i < 5; i++) b.announce([`b${i}`]);
  assert.equal(scene.relay.waitingOfferCount, 3, 'the oldest made way');
  assert.equal(scene.counts.wsOffersRelayed, 4);
  scene.later(relayLimits.offerMs);
  scene.relay.sweep(scene.now);
  assert.equal(scene.relay.waitingOfferCount, 0);
  a.announce(['a9']);
  assert.equal(scene.relay.waitingOfferCount, 1);
});

test('an offer is not handed to a connection that has left the swarm without the store knowing', () => {
  const scene = new Scene();
  const [a, b] = [scene.peer('a'), scene.peer('b')];
  b.announce();
  b.connection.leave(torrent, 1);
  a.announce(['a1']);
  assert.deepEqual(b.heard(), ['0+1 120s']);
});

test('hooks see web peers, may refuse, warn, and cannot keep who is gone', () => {
  const scene = new Scene();
  const seen: string[] = [];
  let isOpen = true;
  scene.hooks.push({
    preAnnounce: (call) => {
      seen.push(`${call.via} ${call.network} ${call.target} ${call.event} ${call.uploaded}`);
      return isOpen ? undefined : { reason: 'not today', retryInSec: 600 };
    },
    postAnnounce: (call) => {
      call.warning = 'be kind';
    },
    preScrape: () => ({ reason: 'no scrapes' }),
  });
  const a = scene.peer('a');
  a.announce([], { event: 'started' });
  a.announce([], { uploaded: 5 });
  a.say({ kind: 'scrape', infoHashes: [torrent] });
  isOpen = false;
  a.announce();
  a.leave();
  const heard = a.takeHeard();
  assert.equal(heard[0]?.kind === 'announce' ? heard[0].warning : '', 'be kind');
  assert.deepEqual(heard.slice(2), [
    { kind: 'failure', action: 'scrape', infoHash: torrent, reason: 'no scrapes' },
    { kind: 'failure', action: 'announce', infoHash: torrent, reason: 'not today', retryInSec: 600 },
  ]);
  assert.deepEqual(
    seen,
    ['started 0', 'none 5', 'none 0', 'stopped 5'].map((each) => `ws web /announce ${each}`),
  );
  assert.equal(scene.store.stats().peerCountWeb, 0);
});

test('a hook that throws at a goodbye is reported, and nobody stays', () => {
  const scene = new Scene();
  const a = scene.peer('a');
  a.announce();
  a.announce([], { infoHash: other });
  scene.hooks.push({
    preAnnounce: () => {
      throw new Error('bug');
    },
  });
  assert.throws(() => a.leave(), /bug/);
  assert.equal(scene.store.stats().peerCountWeb, 0);
});

test('counts are of all transports; peers of others are not mixed in', () => {
  const scene = new Scene();
  const call = new AnnounceCall();
  const out = new Uint8Array(1_000);
  const udp = (last: number, left: number): AnnounceCall => {
    call.ask(
      {
        infoHash: new Uint8Array([...torrent].map((c) => c.charCodeAt(0))),
        peerId: new Uint8Array(20),
        port: 6_881,
        uploaded: 0,
        downloaded: 0,
        left,
        event: 'started',
        numWant: 50,
        key: 0,
      },
      { via: 'udp', source: Uint8Array.of(198, 51, 100, last), families: 4, peersMax: 20, out },
    );
    assert.equal(scene.logic.announce(scene.now, call), undefined);
    return call;
  };
  udp(1, 0);
  const [a, b] = [scene.peer('a'), scene.peer('b')];
  a.announce(['a1', 'a2', 'a3']);
  b.announce(['b1']);
  assert.deepEqual(a.heard(), ['1+1 120s', 'offer b1 of b']);
  assert.deepEqual(b.heard(), ['1+2 120s']);
  const { complete, incomplete, peerCount4, peerCountWeb } = udp(2, 1);
  assert.deepEqual([complete, incomplete, peerCount4, peerCountWeb], [1, 3, 1, 0]);
});

test('what is no message of the protocol is refused with its torrent, and a full scrape too', () => {
  const scene = new Scene();
  const a = scene.peer('a');
  a.say('[]');
  a.say(JSON.stringify({ action: 'announce', info_hash: torrent }));
  a.say({ kind: 'scrape', infoHashes: [] });
  assert.deepEqual(a.takeHeard(), [
    { kind: 'failure', action: 'announce', infoHash: '', reason: 'message is not an object' },
    { kind: 'failure', action: 'announce', infoHash: torrent, reason: 'peer_id is missing' },
    { kind: 'failure', action: 'scrape', infoHash: '', reason: 'name the torrents to scrape: info_hash is missing' },
  ]);
  assert.equal(scene.counts.wsRefusedInvalid, 3);
});

test('an address that asks too much is refused, whatever it says', () => {
  const addressLimits = new AddressLimits(Uint32Array.of(1, 2, 3, 4));
  addressLimits.set({ requestsMax: 3, windowMs: 60_000 });
  const scene = new Scene({}, addressLimits);
  const [a, b] = [scene.peer('a'), scene.peer('b')];
  b.announce();
  a.announce(['a1']);
  a.say('nonsense');
  b.takeHeard();
  a.takeHeard();
  b.answer('a', 'a1');
  assert.deepEqual(a.takeHeard(), []);
  const reason = 'too many requests from your address';
  const refusal = { kind: 'failure', action: 'announce', infoHash: '', reason, retryInSec: 120 };
  assert.deepEqual(b.takeHeard(), [refusal]);
  assert.equal(scene.counts.wsRefusedLimited, 1);
  b.leave();
  assert.equal(scene.store.stats().peerCountWeb, 1, 'who goes is always heard');
});

test('peers of all connections are bounded; who is there goes on, who goes makes place', () => {
  const scene = new Scene({ membersMax: 2 });
  const [a, b, c] = [scene.peer('a'), scene.peer('b'), scene.peer('c')];
  for (const peer of [a, b, c, a]) peer.announce();
  assert.deepEqual(c.heard(), ['failure the tracker is full']);
  assert.deepEqual(a.heard(), ['0+1 120s', '0+2 120s']);
  b.leave();
  c.announce();
  a.announce([], { event: 'stopped' });
  b.takeHeard();
  assert.deepEqual(c.heard(), ['0+2 120s']);
  scene.peer('d').announce();
  assert.equal(scene.store.stats().peerCountWeb, 2);
});

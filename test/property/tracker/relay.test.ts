import assert from 'node:assert/strict';
import { test } from 'node:test';
import fc from 'fast-check';
import { type Millis, seededRng } from '#base';
import {
  type CounterName,
  CounterTable,
  DenseStore,
  type RelayConnection,
  relayLimits,
  TrackerLogic,
  toTrackerLimits,
  WebRelay,
} from '#tracker';
import { decodeWsResponse, encodeWsRequest, type WsResponse } from '#wire';

const connectionsMax = 5;
const torrents = ['1', '2'].map((name) => name.padEnd(20));
const peerIds = ['x', 'y', 'z'].map((name) => name.padEnd(20));
const offerIds = ['a', 'b', 'c', 'd'];
const limits = { ...relayLimits, swarmsPerConnectionMax: 3, peerIdsPerConnectionMax: 2, offersPerConnectionMax: 6 };
const trackerLimits = toTrackerLimits({ swarmsMax: 1_000, peersMax: 1_000 });

const pick = <T>(values: readonly T[]): fc.Arbitrary<T> => fc.constantFrom(...values);
const step = fc.oneof(
  fc.record({
    do: fc.constant('announce' as const),
    on: fc.nat(connectionsMax - 1),
    infoHash: pick(torrents),
    peerId: pick(peerIds),
    left: pick([0, 1]),
    event: pick(['none', 'started', 'completed', 'stopped'] as const),
    offers: fc.subarray(offerIds),
  }),
  fc.record({
    do: fc.constant('answer' as const),
    on: fc.nat(connectionsMax - 1),
    infoHash: pick(torrents),
    peerId: pick(peerIds),
    toPeerId: pick(peerIds),
    offerId: pick(offerIds),
  }),
  // Of what a connection has heard, which makes good answers frequent.
  fc.record({ do: fc.constant('reply' as const), on: fc.nat(connectionsMax - 1), which: fc.nat(3) }),
  fc.record({ do: fc.constant('close' as const), on: fc.nat(connectionsMax - 1) }),
  fc.record({ do: fc.constant('wait' as const), ms: pick([1, 100, 20_000, 70_000]) }),
);
type Step = typeof step extends fc.Arbitrary<infer T> ? T : never;

interface HeardOffer {
  readonly infoHash: string;
  readonly fromPeerId: string;
  readonly toConnection: Mock;
  readonly offerId: string;
  readonly fromConnection: Mock;
  readonly at: number;
  answered: boolean;
}

/** A connection as the world outside knows it: what it said that was accepted, and what it heard. */
interface Mock {
  readonly connection: RelayConnection;
  /** `hash peerId` to whether it has everything. */
  readonly members: Map<string, boolean>;
  readonly heard: WsResponse[];
}

/** Plays steps on a relay, and holds after each what must be true whatever happened. */
class World {
  now = 0 as Millis;
  readonly #counters = new CounterTable(1);
  readonly store = DenseStore.create({ limits: trackerLimits, rng: seededRng(7) });
  readonly relay: WebRelay;
  readonly open: (Mock | undefined)[] = [];
  readonly offers: HeardOffer[] = [];

  constructor() {
    const { store } = this;
    const counts = this.#counters.row(0);
    const logic = new TrackerLogic({ store, limits: trackerLimits, rng: seededRng(8) });
    this.relay = new WebRelay({ logic, store, counts, limits });
  }

  get counts(): Readonly<Record<CounterName, number>> {
    return this.#counters.sums();
  }

  play(s: Step): void {
    if (s.do === 'wait') {
      this.now = (this.now + s.ms) as Millis;
      this.relay.sweep(this.now);
      return;
    }
    const at = this.#connectionOf(s.on);
    if (s.do === 'close') {
      this.relay.disconnect(this.now, at.connection);
      this.open[s.on] = undefined;
    } else if (s.do === 'announce') this.#announce(at, s);
    else if (s.do === 'answer') this.#answer(at, s);
    else {
      const waiting = this.offers.filter((each) => each.toConnection === at && !each.answered);
      const offer = waiting[waiting.length - 1 - s.which];
      const peerId = offer === undefined ? undefined : this.#peerIdOf(at, offer);
      if (offer === undefined || peerId === undefined) return;
      this.#answer(at, { ...offer, peerId, toPeerId: offer.fromPeerId });
    }
    this.#check();
  }

  #connectionOf(place: number): Mock {
    const known = this.open[place];
    if (known !== undefined) return known;
    const heard: WsResponse[] = [];
    const link = {
      sendText: (text: string): void => {
        const message = decodeWsResponse(text);
        assert(message.kind !== 'unreadable');
        heard.push(message);
      },
    };
    const connection = this.relay.connect(link, { source: new Uint8Array(4), target: '/' });
    const mock = { connection, members: new Map(), heard };
    this.open[place] = mock;
    return mock;
  }

  #announce(at: Mock, s: Step & { do: 'announce' }): void {
    const { infoHash, peerId, left, event, offers } = s;
    this.#say(at, {
      kind: 'announce',
      infoHash,
      peerId,
      left,
      event,
      uploaded: 0,
      downloaded: 0,
      numWant: -1,
      offers: offers.map((offerId) => ({ offerId, sdp: 'offer' })),
    });
    const [response, ...more] = this.#takeOwn(at, infoHash);
    const key = `${infoHash}${peerId}`;
    if (response?.kind === 'failure') assert(!at.members.has(key), 'a known peer is not refused');
    else {
      assert(response?.kind === 'announce');
      if (event === 'stopped') at.members.delete(key);
      else at.members.set(key, left === 0);
    }
    assert.deepEqual(more, []);
    const given = this.#takeOffers(at, infoHash, peerId);
    assert(given.every((offerId) => offers.includes(offerId)));
    assert.equal(new Set(given).size, given.length, 'an offer goes to one peer');
  }

  /** Who has heard an offer must have been able to use it. @returns ids of the offers handed out */
  #takeOffers(from: Mock, infoHash: string, peerId: string): string[] {
    const given: string[] = [];
    for (const to of this.open) {
      for (const m of to?.heard.splice(0) ?? []) {
        assert(m.kind === 'offer' && to !== undefined);
        assert.deepEqual([m.infoHash, m.peerId], [infoHash, peerId]);
        assert(
          [...to.members.keys()].some((key) => key.startsWith(infoHash)),
          'it is in the swarm',
        );
        given.push(m.offerId);
        const { offerId } = m;
        this.offers.push({
          infoHash,
          fromPeerId: peerId,
          toConnection: to,
          fromConnection: from,
          offerId,
          at: this.now,
          answered: false,
        });
      }
    }
    return given;
  }

  #answer(at: Mock, s: { infoHash: string; peerId: string; toPeerId: string; offerId: string }): void {
    const { infoHash, peerId, toPeerId, offerId } = s;
    this.#say(at, { kind: 'answer', infoHash, peerId, toPeerId, offerId, sdp: 'answer' });
    for (const to of this.open) {
      for (const m of to?.heard.splice(0) ?? []) {
        assert(m.kind === 'answer');
        assert.deepEqual([m.infoHash, m.peerId, m.offerId], [infoHash, peerId, offerId]);
        const offer = this.offers.find(
          (o) =>
            o.infoHash === infoHash &&
            o.fromPeerId === toPeerId &&
            o.offerId === offerId &&
            o.toConnection === at &&
            o.fromConnection === to &&
            !o.answered &&
            this.now - o.at < limits.offerMs,
        );
        assert(offer !== undefined, 'only what was offered is answered, in time and once');
        offer.answered = true;
      }
    }
  }

  /** A peer id of the connection that is in the swarm, other than the offerer's where there is a choice. */
  #peerIdOf(at: Mock, offer: HeardOffer): string | undefined {
    const ids = [...at.members.keys()].filter((key) => key.startsWith(offer.infoHash)).map((key) => key.slice(20));
    return ids.find((id) => id !== offer.fromPeerId) ?? ids[0];
  }

  #say(at: Mock, message: Parameters<typeof encodeWsRequest>[0]): void {
    this.relay.receive(this.now, at.connection, encodeWsRequest(message));
  }

  /** Responses to what this connection has just said. */
  #takeOwn(at: Mock, infoHash: string): WsResponse[] {
    const isOwn = (m: WsResponse): boolean => m.kind === 'announce' || m.kind === 'failure';
    const own = at.heard.filter(isOwn);
    const others = at.heard.filter((m) => !isOwn(m));
    at.heard.splice(0, at.heard.length, ...others);
    assert(own.every((m) => m.kind !== 'announce' || m.infoHash === infoHash));
    return own;
  }

  #check(): void {
    const members = this.open.flatMap((mock) => [...(mock?.members.values() ?? [])]);
    const { peerCountWeb, seederCount } = this.store.stats();
    assert.equal(peerCountWeb, members.length, 'the store knows whoever is there, and nobody else');
    assert.equal(seederCount, members.filter((isSeeder) => isSeeder).length);
    assert.equal(this.relay.connectionCount, this.open.filter((mock) => mock !== undefined).length);
    const waiting = this.offers.filter((o) => !o.answered && this.now - o.at < limits.offerMs);
    assert(this.relay.waitingOfferCount <= waiting.length, 'nothing else is kept');
  }
}

test('whatever connections do: the store knows who is there, offers stay in their swarm, answers follow offers', () => {
  let answers = 0;
  fc.assert(
    fc.property(fc.array(step, { minLength: 40, maxLength: 120 }), (steps) => {
      const world = new World();
      for (const s of steps) world.play(s);
      answers += world.counts.wsAnswersRelayed;
    }),
    { numRuns: 150, seed: 20 },
  );
  assert(answers > 20, 'there was something to see');
});

test('messages of any kind, by the thousand, break nothing and leave nothing', () => {
  const rng = seededRng(99);
  const world = new World();
  const heard: string[] = [];
  const connection = world.relay.connect(
    { sendText: (text) => heard.push(text) },
    { source: new Uint8Array(4), target: '/' },
  );
  const good = encodeWsRequest({
    kind: 'announce',
    infoHash: torrents[0] as string,
    peerId: peerIds[0] as string,
    uploaded: 0,
    downloaded: 0,
    left: 1,
    event: 'none',
    numWant: 3,
    offers: offerIds.map((offerId) => ({ offerId, sdp: 'v=0' })),
  });
  const alphabet = '{}[]",:01eE+-.truefalsn\\u ';
  for (let i = 0; i < 50_000; i++) {
    const chars = [...good];
    const changes = 1 + rng.below(4);
    for (let k = 0; k < changes; k++) {
      const at = rng.below(chars.length);
      const by = alphabet[rng.below(alphabet.length)] as string;
      chars.splice(at, rng.below(3), ...(rng.below(2) === 0 ? [by] : [by, by]));
    }
    world.relay.receive(world.now, connection, chars.join(''));
    assert(heard.length <= 2, 'one message, at most one response and one offer');
    heard.length = 0;
  }
  world.relay.disconnect(world.now, connection);
  assert.equal(world.store.stats().peerCountWeb, 0);
  assert.equal(world.relay.connectionCount, 0);
});

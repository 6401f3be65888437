import assert from 'node:assert/strict';
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
import { Tape } from '../support/tape.ts';
import { type FuzzTarget, magnitude } from '../support/target.ts';

const connectionsMax = 5;
const torrents = ['1', '2'].map((name) => name.padEnd(20));
const peerIds = ['x', 'y', 'z'].map((name) => name.padEnd(20));
const offerIds = ['a', 'b', 'c', 'd'];
const limits = { ...relayLimits, swarmsPerConnectionMax: 3, peerIdsPerConnectionMax: 2, offersPerConnectionMax: 6 };
const trackerLimits = toTrackerLimits({ swarmsMax: 1_000, peersMax: 1_000 });

type Step =
  | {
      readonly do: 'announce';
      readonly on: number;
      readonly infoHash: string;
      readonly peerId: string;
      readonly left: number;
      readonly event: 'none' | 'started' | 'completed' | 'stopped';
      readonly offers: readonly string[];
    }
  | {
      readonly do: 'answer';
      readonly on: number;
      readonly infoHash: string;
      readonly peerId: string;
      readonly toPeerId: string;
      readonly offerId: string;
    }
  /** Of what a connection has heard, which makes good answers frequent. */
  | { readonly do: 'reply'; readonly on: number; readonly which: number }
  | { readonly do: 'close'; readonly on: number }
  | { readonly do: 'noise'; readonly on: number; readonly text: string }
  | { readonly do: 'wait'; readonly ms: number; readonly isSwept: boolean };

function readStep(tape: Tape): Step {
  const kind = tape.below(12);
  if (kind === 11) return { do: 'wait', ms: tape.pick([1, 100, 20_000, 70_000]), isSwept: tape.isTrue() };
  const on = tape.below(connectionsMax);
  const [infoHash, peerId] = [tape.pick(torrents), tape.pick(peerIds)];
  if (kind < 5) {
    const event = tape.pick(['none', 'started', 'completed', 'stopped'] as const);
    const offers = offerIds.filter(() => tape.isTrue());
    return { do: 'announce', on, infoHash, peerId, left: tape.below(2), event, offers };
  }
  if (kind < 7)
    return { do: 'answer', on, infoHash, peerId, toPeerId: tape.pick(peerIds), offerId: tape.pick(offerIds) };
  if (kind < 9) return { do: 'reply', on, which: tape.below(4) };
  if (kind === 9) return { do: 'close', on };
  const good = encodeWsRequest({ kind: 'scrape', infoHashes: [infoHash] });
  const at = tape.below(good.length);
  return {
    do: 'noise',
    on,
    text: good.slice(0, at) + String.fromCharCode(tape.byte()) + good.slice(at + tape.below(3)),
  };
}

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
  #sweptAt = 0;
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
      if (!s.isSwept) return;
      this.relay.sweep(this.now);
      this.#sweptAt = this.now;
      return;
    }
    const at = this.#connectionOf(s.on);
    if (s.do === 'noise') {
      this.relay.receive(this.now, at.connection, s.text);
      assert(at.heard.length <= 1, 'one message, at most one response');
      at.heard.length = 0;
    } else if (s.do === 'close') {
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

  /** All go. */
  end(): void {
    for (const mock of this.open) if (mock !== undefined) this.relay.disconnect(this.now, mock.connection);
    this.open.length = 0;
    this.#check();
    // What nobody will answer any more is kept for its time.
    for (let i = 0; i < 3; i++) {
      this.now = (this.now + limits.offerMs) as Millis;
      this.relay.sweep(this.now);
    }
    assert.equal(this.relay.waitingOfferCount, 0);
    assert.equal(this.relay.connectionCount, 0);
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
    // What is over is kept until it is swept.
    const waiting = this.offers.filter((o) => !o.answered && this.#sweptAt - o.at < limits.offerMs);
    assert(this.relay.waitingOfferCount <= waiting.length, 'nothing else is kept');
  }
}

export const target: FuzzTarget = {
  about:
    'WebTorrent peers brought together: the store knows who is there, offers stay in their swarm, answers follow offers',
  form: 'choices',
  files: ['tracker/relay/relay', 'tracker/relay/connection', 'tracker/relay/handed-offers'],
  parsers: [],
  bytesMax: 1_000,
  testRuns: 300,
  msMax: 500,
  run(input) {
    const tape = new Tape(input);
    const world = new World();
    tape.moves(150, () => world.play(readStep(tape)));
    const { wsAnswersRelayed } = world.counts;
    world.end();
    return `${magnitude(wsAnswersRelayed)} ${magnitude(world.offers.length)}`;
  },
};

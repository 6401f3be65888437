import assert from 'node:assert/strict';
import { BtError, type Millis, NEVER, seededRng } from '#base';
import { type AnnounceCall, type AnnounceFigures, type AnnounceOutcome, Announcer } from '#room/swarm/announcer';
import { limits } from '#room/swarm/limits';
import { Tape } from '../support/tape.ts';
import { type FuzzTarget, magnitude } from '../support/target.ts';

const figures: AnnounceFigures = { uploaded: 1, downloaded: 2, left: 3, port: 6881, numWant: 50 };
const hashes = [new Uint8Array(20).fill(0xaa), new Uint8Array(20).fill(0xbb)];
const refused = new BtError('tracker/refused', { url: 'u', reason: 'no' });
const outcomes: readonly AnnounceOutcome[] = [
  { ok: true, response: { intervalSec: 1_800, peers: [] } },
  { ok: true, response: { intervalSec: 1, minIntervalSec: 0, peers: [] } },
  { ok: true, response: { intervalSec: 604_800, peers: [{ host: '1.2.3.4', port: 5 }], trackerId: 'x' } },
  { ok: true, response: { intervalSec: 1_800, minIntervalSec: 900, peers: [] } },
  { ok: false, error: new BtError('tracker/timeout', { url: 'u' }) },
  { ok: false, error: refused },
  { ok: false, error: refused, retryInSec: 300 },
  { ok: false, error: refused, retryInSec: Number.POSITIVE_INFINITY },
  { ok: false, error: new BtError('tracker/unsupported', { url: 'u' }) },
];

function nameOf({ url, request }: AnnounceCall): string {
  return `${url}${request.infoHash[0]}`;
}

class Play {
  readonly #tape: Tape;
  readonly announcer: Announcer;
  readonly #open: AnnounceCall[] = [];
  readonly #accepted = new Set<string>();
  readonly #farewells = new Set<string>();
  readonly #notBefore = new Map<string, number>();
  readonly #tierOf = new Map<string, number>([
    ['a', 0],
    ['b', 0],
    ['c', 1],
  ]);
  #now = 0;
  #isCompleted = false;
  sent = 0;

  constructor(tape: Tape) {
    this.#tape = tape;
    this.announcer = new Announcer({
      tiers: [['a', 'b'], ['c']],
      infoHashes: hashes.slice(0, 1 + tape.below(2)),
      peerId: new Uint8Array(20),
      key: 7,
      rng: seededRng(tape.byte()),
    });
    this.announcer.start(0 as Millis, false);
  }

  move(): void {
    const tape = this.#tape;
    switch (tape.below(9)) {
      case 0:
      case 1:
        this.#now += tape.pick([1, 10_000, 60_000, 900_000, 2_000_000]);
        break;
      case 2:
      case 3:
      case 4:
        this.answer(tape.below(4), tape.pick(outcomes));
        break;
      case 5:
        this.announcer.wantPeers();
        break;
      case 6:
        this.#isCompleted = true;
        this.announcer.complete();
        break;
      case 7:
        if (tape.isTrue()) this.announcer.addHash(this.#now as Millis, hashes[1]!);
        else if (!this.#tierOf.has('d')) {
          this.announcer.addTier(this.#now as Millis, ['d', 'a']);
          this.#tierOf.set('d', 2);
        }
        break;
      default:
        break;
    }
    this.send();
  }

  send(): void {
    const at = this.announcer.nextAt();
    const calls = this.announcer.due(this.#now as Millis, figures);
    assert.equal(calls.length > 0, at <= this.#now, 'due and nextAt agree');
    for (const call of calls) {
      const name = nameOf(call);
      const { event } = call.request;
      if (event === 'none') assert.ok(this.#now >= (this.#notBefore.get(name) ?? 0), 'sooner than the minimum');
      assert.equal(event === 'started', !this.#accepted.has(name), `${event} out of order`);
      if (event === 'stopped') assert.ok(!this.#farewells.has(name), 'two farewells');
      if (event === 'stopped') this.#farewells.add(name);
      if (event === 'completed') assert.ok(this.#isCompleted);
      this.#open.push(call);
      this.sent++;
    }
    const lanes = this.#open.map((call) => `${this.#tierOf.get(call.url)} ${call.request.infoHash[0]}`);
    if (this.#farewells.size === 0) assert.equal(new Set(lanes).size, lanes.length, 'one at a time in a lane');
    assert.ok(this.announcer.nextAt() > this.#now, 'what is due has been sent');
  }

  answer(which: number, outcome: AnnounceOutcome): void {
    const [call] = this.#open.splice(which % Math.max(1, this.#open.length), 1);
    if (call === undefined) return;
    const { peers } = this.announcer.onResult(this.#now as Millis, call.url, call.request, outcome);
    if (!outcome.ok || call.request.event === 'stopped') return void assert.equal(peers.length, 0);
    this.#accepted.add(nameOf(call));
    const { intervalSec, minIntervalSec } = outcome.response;
    const leastSec = minIntervalSec ?? Math.min(limits.announcer.minIntervalMs / 1_000, intervalSec);
    this.#notBefore.set(nameOf(call), this.#now + leastSec * 1_000);
  }

  end(): string {
    this.announcer.stop();
    for (let i = 0; i < 40; i++) {
      this.send();
      this.answer(0, outcomes[0]!);
    }
    assert.ok(this.announcer.isQuiet);
    assert.equal(this.announcer.nextAt(), NEVER);
    assert.deepEqual([...this.#farewells].sort(), [...this.#accepted].sort(), 'whoever was told hello is told goodbye');
    return `${magnitude(this.sent)} ${this.#accepted.size}`;
  }
}

export const target: FuzzTarget = {
  about: 'announces to trackers: never too soon, one at a time in a lane, events in their order, farewells to all',
  form: 'choices',
  files: ['swarm/announcer', 'swarm/tracker-ledger'],
  parsers: [],
  bytesMax: 400,
  run(input) {
    const tape = new Tape(input);
    const play = new Play(tape);
    tape.moves(100, () => play.move());
    return play.end();
  },
};

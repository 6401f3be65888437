import assert from 'node:assert/strict';
import { addMs, type Millis, NEVER, type TorrentId } from '#base';
import { AnnounceGate } from '#room/session/announce-gate';
import { limits } from '#room/session/limits';
import type { TrackerPort } from '#room/swarm/ports';
import type { AnnounceEvent, AnnounceRequest } from '#wire';
import { Tape } from '../support/tape.ts';
import { type FuzzTarget, magnitude } from '../support/target.ts';

const urls = ['a', 'b', 'c'];
const events: readonly AnnounceEvent[] = ['none', 'none', 'started', 'completed', 'stopped'];

interface Asked {
  readonly number: number;
  readonly torrent: TorrentId;
  readonly url: string;
  readonly isUrgent: boolean;
}

/** Announces of a few torrents to a few trackers, asked for in bursts, answered at any time. */
class Play {
  readonly #tape: Tape;
  readonly gate: AnnounceGate;
  /** By request. */
  readonly #waiting = new Map<AnnounceRequest, Asked>();
  readonly #inFlight = new Map<string, number>();
  /** When regular ones left. */
  readonly #regularAt: number[] = [];
  #now = 1_000_000 as Millis;
  #count = 0;
  sent = 0;

  constructor(tape: Tape) {
    this.#tape = tape;
    const ports = { announce: (_: TorrentId, url: string, request: AnnounceRequest) => this.#onSent(url, request) };
    this.gate = new AnnounceGate(ports as unknown as TrackerPort, this.#now);
  }

  #onSent(url: string, request: AnnounceRequest): void {
    const asked = this.#waiting.get(request);
    assert.ok(asked !== undefined, 'sent once, and only what is wanted');
    assert.equal(asked.url, url);
    this.#waiting.delete(request);
    for (const other of this.#waiting.values()) {
      if (other.url !== url || other.isUrgent !== asked.isUrgent) continue;
      assert.ok(other.number > asked.number, 'in the order in which they came');
    }
    const inFlight = (this.#inFlight.get(url) ?? 0) + 1;
    assert.ok(inFlight <= limits.announcesInFlightMax);
    this.#inFlight.set(url, inFlight);
    this.sent++;
    if (asked.isUrgent) return;
    this.#regularAt.push(this.#now);
    const { announceBurst, announcesPerSec } = limits;
    for (let i = this.#regularAt.length - 1, n = 1; i >= 0; i--, n++) {
      const seconds = (this.#now - this.#regularAt[i]!) / 1_000;
      assert.ok(n <= announceBurst + announcesPerSec * seconds + 1e-6, `${n} within ${seconds} s`);
    }
  }

  move(): void {
    const tape = this.#tape;
    const torrent = tape.below(6) as TorrentId;
    switch (tape.below(8)) {
      case 0:
      case 1:
      case 2:
        return this.#askMany(torrent);
      case 3:
      case 4:
        this.#answer(tape.pick(urls), 1 + tape.below(6));
        break;
      case 5: {
        const dropped = this.gate.forget(torrent);
        const mine = [...this.#waiting].filter(([, asked]) => asked.torrent === torrent).map(([request]) => request);
        assert.deepEqual(new Set(dropped.map(({ request }) => request)), new Set(mine));
        for (const request of mine) this.#waiting.delete(request);
        break;
      }
      default:
        this.#runTo(addMs(this.#now, tape.pick([1, 10, 100, 1_000, 60_000])));
    }
    this.#check();
  }

  /** Of one tracker, or of all. */
  #askMany(torrent: TorrentId): void {
    const tape = this.#tape;
    const one = tape.isTrue() ? tape.pick(urls) : undefined;
    const isOneTorrent = tape.isTrue();
    for (let n = 1 + tape.below(45); n > 0; n--) {
      this.#ask((isOneTorrent ? torrent : (torrent + n) % 6) as TorrentId, one ?? tape.pick(urls));
    }
    this.#check();
  }

  #ask(torrent: TorrentId, url: string): void {
    const event = this.#tape.pick(events);
    const request = { event } as AnnounceRequest;
    const isUrgent = event === 'completed' || event === 'stopped';
    this.#waiting.set(request, { number: this.#count++, torrent, url, isUrgent });
    this.gate.announce(this.#now, torrent, url, request);
  }

  #answer(url: string, count: number): void {
    for (let i = 0; i < count && (this.#inFlight.get(url) ?? 0) > 0; i++) {
      this.#inFlight.set(url, this.#inFlight.get(url)! - 1);
      this.gate.onAnnounced(this.#now, url);
    }
  }

  #runTo(end: Millis): void {
    for (let at = this.gate.nextAt; at <= end; at = this.gate.nextAt) {
      this.#now = Math.max(at, this.#now) as Millis;
      this.gate.onTimer(this.#now);
      assert.ok(this.gate.nextAt > this.#now, 'a wake that leads to another at once');
    }
    this.#now = end;
  }

  #check(): void {
    assert.equal(this.gate.waiting, this.#waiting.size);
    let isHeldByTime = false;
    for (const { url, isUrgent } of this.#waiting.values()) {
      const hasPlace = (this.#inFlight.get(url) ?? 0) < limits.announcesInFlightMax;
      assert.ok(!(isUrgent && hasPlace), 'an urgent one waits though its tracker has room');
      isHeldByTime ||= hasPlace;
    }
    if (isHeldByTime) assert.notEqual(this.gate.nextAt, NEVER, 'nobody would wake it');
  }

  end(): string {
    for (let i = 0; i < 400 && this.#waiting.size > 0; i++) {
      for (const url of urls) this.#answer(url, 100);
      this.#runTo(addMs(this.#now, 60_000));
      this.#check();
    }
    assert.equal(this.gate.waiting, 0, 'everything leaves in the end');
    for (const url of urls) this.#answer(url, 100);
    assert.equal(this.gate.trackers, 0, 'nothing is kept of trackers that nobody asks');
    return magnitude(this.sent);
  }
}

export const target: FuzzTarget = {
  about:
    'announces of all torrents on their way out: bounds in time and by tracker hold, order is kept, none is lost or sent twice',
  form: 'choices',
  files: ['session/announce-gate'],
  parsers: [],
  bytesMax: 500,
  testRuns: 400,
  msMax: 300,
  run(input) {
    const tape = new Tape(input);
    const play = new Play(tape);
    tape.moves(60, () => play.move());
    return play.end();
  },
};

import assert from 'node:assert/strict';
import { type ConnId, formatAddress, type Millis, type PeerAddress, seededRng } from '#base';
import { type LinkOutcome, PeerBook } from '#room/swarm/peer-book';
import { Tape } from '../support/tape.ts';
import { type FuzzTarget, magnitude } from '../support/target.ts';

const hosts = ['9.0.0.1', '9.0.0.2', '9.0.0.3', '127.0.0.1', '::1', '0.0.0.0'];
const sources = ['manual', 'tracker', 'incoming', 'resume', 'pex'] as const;
const outcomes: readonly LinkOutcome[] = ['failed', 'idle', 'useful'];
const perHostMax = 2;
const sizeMax = 8;

class Play {
  readonly #tape: Tape;
  readonly #open = new Map<ConnId, PeerAddress>();
  readonly #dialing: PeerAddress[] = [];
  readonly book: PeerBook;
  #conn = 0;
  #now = 0;
  dialCount = 0;

  constructor(tape: Tape) {
    this.#tape = tape;
    this.book = new PeerBook({ rng: seededRng(tape.byte()), perHostMax, sizeMax, pexMax: 4 });
  }

  move(): void {
    const tape = this.#tape;
    const now = this.#now as Millis;
    const address = { host: tape.pick(hosts), port: tape.below(7) };
    switch (tape.below(10)) {
      case 0:
      case 1:
        this.book.add(now, address, tape.pick(sources), tape.isTrue());
        break;
      case 2:
        this.#now += tape.pick([1, 1_000, 30_000, 100_000, 3_600_000]);
        break;
      case 3:
        this.book.ban(now, tape.pick(['9.0.0.1', '127.0.0.1:3', '9.0.0.2']), 'x', undefined);
        break;
      case 4:
        this.#incoming(now, address);
        break;
      case 5:
      case 6:
        this.#close(now);
        break;
      case 7:
        if (tape.below(4) === 0) this.book.addOwnAddress(address);
        else this.#endDial(now);
        break;
      default:
        this.#dial(now, tape.isTrue());
    }
    this.#check();
  }

  #incoming(now: Millis, from: PeerAddress): void {
    const conn = ++this.#conn as ConnId;
    if (this.book.onIncoming(conn, from) !== 'ok') return;
    assert.ok(!this.book.bans.has(from));
    this.#open.set(conn, from);
    if (this.#tape.isTrue()) this.book.onListenPort(now, conn, this.#tape.below(7));
    if (this.#tape.isTrue()) this.book.setSeed(conn, this.#tape.isTrue());
  }

  #dial(now: Millis, seeding: boolean): void {
    const next = this.book.next(now, seeding);
    const nextAt = this.book.nextAt(now, seeding);
    assert.equal(next !== undefined, nextAt <= now, 'next and nextAt agree');
    if (next === undefined) return;
    assert.ok(!this.book.bans.has(next));
    const entry = this.book.entries().find((e) => formatAddress(e.address) === formatAddress(next));
    assert.ok(entry?.state === 'idle' || entry?.state === 'failed', entry?.state);
    this.book.onDial(next);
    this.#dialing.push(next);
    this.dialCount++;
  }

  #endDial(now: Millis): void {
    const [address] = this.#dialing.splice(this.#tape.below(3), 1);
    if (address === undefined) return;
    if (this.#tape.isTrue()) {
      const conn = ++this.#conn as ConnId;
      this.book.onConnected(conn, address);
      this.#open.set(conn, address);
    } else this.book.onDialFailed(now, address);
  }

  #close(now: Millis): void {
    const conn = [...this.#open.keys()][this.#tape.below(6)];
    if (conn === undefined) return;
    this.book.onClosed(now, conn, this.#tape.pick(outcomes));
    this.#open.delete(conn);
  }

  #check(): void {
    this.book.assertInvariants();
    assert.ok(this.book.size <= sizeMax + this.#dialing.length + this.#open.size);
    for (const host of hosts.filter((h) => h.startsWith('9.'))) {
      const links = [...this.#open.values(), ...this.#dialing].filter((a) => a.host === host).length;
      assert.ok(links <= perHostMax, 'connections of a host');
    }
    assert.ok(this.book.sample(3).length <= 3);
  }

  end(): string {
    const now = this.#now as Millis;
    for (const address of this.#dialing.splice(0)) this.book.onDialFailed(now, address);
    for (const conn of this.#open.keys()) this.book.onClosed(now, conn, 'idle');
    this.book.assertInvariants();
    const states = this.book.entries().map(({ state }) => state);
    assert.ok(states.every((state) => state !== 'connected' && state !== 'dialing'));
    return `${magnitude(this.dialCount)} ${[...new Set(states)].sort().join(' ')}`;
  }
}

export const target: FuzzTarget = {
  about: 'addresses of peers: bounded, counted right, and nobody is proposed who must not be dialled',
  form: 'choices',
  files: ['swarm/peer-book', 'swarm/peer-order', 'swarm/ban-list'],
  parsers: [],
  bytesMax: 600,
  run(input) {
    const tape = new Tape(input);
    const play = new Play(tape);
    tape.moves(120, () => play.move());
    return play.end();
  },
};

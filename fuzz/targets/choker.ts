import assert from 'node:assert/strict';
import { type ConnId, type Millis, seededRng } from '#base';
import { ChokeChanges, Choker } from '#room/swarm/choker';
import { Tape } from '../support/tape.ts';
import { type FuzzTarget, magnitude } from '../support/target.ts';

type ChokerPeer = Parameters<Choker['round']>[1] extends Iterable<infer Peer> ? Peer : never;

const SLOTS_MAX = 5;

function readPeers(tape: Tape): Map<number, ChokerPeer> {
  const peers = new Map<number, ChokerPeer>();
  for (let i = tape.below(12); i > 0; i--) {
    const conn = 1 + tape.below(12);
    const flags = tape.byte();
    const rates = tape.byte();
    peers.set(conn, {
      conn: conn as ConnId,
      interested: (flags & 3) > 0,
      uploadOnly: (flags & 0x0c) === 0x0c,
      snubbed: (flags & 0x30) === 0x30,
      downBytesPerSec: rates & 7,
      upBytesPerSec: rates >> 4,
      openedAt: tape.byte() as Millis,
    });
  }
  return peers;
}

class Play {
  readonly #tape: Tape;
  readonly #choker: Choker;
  readonly #out = new ChokeChanges();
  #slots: number;
  #now = 0;
  #before = new Map<number, string>();
  changes = 0;

  constructor(tape: Tape) {
    this.#tape = tape;
    this.#slots = tape.below(SLOTS_MAX + 1);
    this.#choker = new Choker({ slots: this.#slots, rng: seededRng(tape.byte()) });
  }

  move(): void {
    const tape = this.#tape;
    this.#now += tape.pick([0, 1_000, 10_000, 30_000]);
    const isRound = tape.isTrue();
    const seeding = tape.isTrue();
    // A change of slots takes effect in the next round.
    if (isRound && tape.below(6) === 1) this.#choker.slots = this.#slots = tape.below(SLOTS_MAX + 1);
    const peers = readPeers(tape);
    for (const conn of this.#before.keys()) if (!peers.has(conn)) this.#choker.remove(conn as ConnId);
    const now = this.#now as Millis;
    const predicted = this.#choker.explain(now, peers.values(), seeding);
    this.#choker[isRound ? 'round' : 'fill'](now, peers.values(), seeding, this.#out);
    const states = new Map([...peers.keys()].map((conn) => [conn, this.#choker.state(conn as ConnId) as string]));
    this.#checkChanges(peers, states);
    const unchoked = [...states.values()].filter((state) => state === 'unchoked').length;
    const optimistic = [...states.values()].filter((state) => state === 'optimistic').length;
    assert.ok(unchoked <= this.#slots && optimistic <= (this.#slots === 0 ? 0 : 1), 'slots');
    if (isRound) {
      for (const v of predicted) assert.equal(states.get(v.conn) === 'unchoked', v.would === 'unchoked', 'explain');
      this.#checkRound(peers, states, seeding, unchoked);
    } else {
      for (const { conn } of this.#out.choke) {
        const peer = peers.get(conn)!;
        assert.ok(!peer.interested || peer.uploadOnly, 'between rounds only who wants nothing is choked');
      }
    }
    this.#before = states;
  }

  #checkChanges(peers: ReadonlyMap<number, ChokerPeer>, states: ReadonlyMap<number, string>): void {
    const { choke, unchoke, moved } = this.#out;
    const changed = new Set<number>();
    for (const change of [...choke, ...unchoke, ...moved]) {
      assert.ok(!changed.has(change.conn), 'one change a peer');
      changed.add(change.conn);
      assert.equal(change.from, this.#before.get(change.conn) ?? 'choked');
      assert.equal(change.to, states.get(change.conn));
      assert.notEqual(change.from, change.to);
    }
    this.changes += changed.size;
    for (const [conn, peer] of peers) {
      if (!changed.has(conn)) assert.equal(states.get(conn), this.#before.get(conn) ?? 'choked');
      if (peer.uploadOnly) assert.equal(states.get(conn), 'choked', 'a seed needs no slot');
    }
  }

  #checkRound(
    peers: ReadonlyMap<number, ChokerPeer>,
    states: ReadonlyMap<number, string>,
    seeding: boolean,
    unchoked: number,
  ): void {
    const waiting = [...peers.values()].filter((p) => p.interested && !p.uploadOnly && states.get(p.conn) === 'choked');
    for (const p of peers.values()) {
      if (!seeding && p.snubbed && p.interested) assert.notEqual(states.get(p.conn), 'unchoked', 'snubbed');
    }
    if (waiting.some((p) => seeding || !p.snubbed)) assert.equal(unchoked, this.#slots, 'no slot idle while one waits');
  }
}

export const target: FuzzTarget = {
  about: 'who is unchoked: slots hold after every step, changes match states, explain agrees with the round',
  form: 'choices',
  files: ['swarm/choker'],
  parsers: [],
  bytesMax: 600,
  run(input) {
    const tape = new Tape(input);
    const play = new Play(tape);
    tape.moves(30, () => play.move());
    return magnitude(play.changes);
  },
};

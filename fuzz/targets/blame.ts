import assert from 'node:assert/strict';
import { createHash } from 'node:crypto';
import type { Millis } from '#base';
import { Blame } from '#room/swarm/blame';
import { Tape } from '../support/tape.ts';
import { type FuzzTarget, magnitude } from '../support/target.ts';

const BLOCKS = 5;
const liars = ['L', 'M'];
const keys = ['A', 'B', 'C', ...liars];

function hashOf(version: string): Uint8Array {
  return createHash('sha1').update(version).digest();
}

/** Pieces that fail and come again, from honest peers and liars; only what liars send is ever wrong. */
class Play {
  readonly #tape: Tape;
  readonly #blame = new Blame();
  /** By piece: who lied in a version that the evidence still holds. */
  readonly #lied = new Map<number, Set<string>>();
  readonly found = new Set<string>();
  #now = 0;

  constructor(tape: Tape) {
    this.#tape = tape;
  }

  move(): void {
    const tape = this.#tape;
    const piece = tape.below(3);
    const now = ++this.#now as Millis;
    if (tape.below(4) === 0) return this.#pass(piece, now);
    const senders: (string | undefined)[] = [];
    const hashes: Uint8Array[] = [];
    const lied = new Set<string>();
    for (let block = 0; block < BLOCKS; block++) {
      const key = tape.below(8) === 0 ? undefined : tape.pick(keys);
      const isLie = key !== undefined && liars.includes(key) && tape.isTrue();
      if (isLie) lied.add(key);
      senders.push(key);
      hashes.push(hashOf(`${piece} ${block} ${isLie ? `lie ${tape.below(3)}` : 'truth'}`));
    }
    if (lied.size === 0) return;
    for (const { key, reason, blocks } of this.#blame.onBad(now, piece, senders, Buffer.concat(hashes))) {
      assert.ok(liars.includes(key), `${key} is innocent (${reason})`);
      assert.ok(blocks.length > 0 && blocks.every((block) => senders[block] === key));
      this.found.add(`${key} ${reason}`);
    }
    if (new Set(senders.filter((key) => key !== undefined)).size === 1) return;
    assert.ok(this.#blame.isSuspect(piece));
    this.#lied.set(piece, new Set([...(this.#lied.get(piece) ?? []), ...lied]));
    for (const key of lied) assert.ok(this.#blame.suspects(piece).includes(key));
  }

  /** The good version comes. */
  #pass(piece: number, now: Millis): void {
    const good = Buffer.concat(Array.from({ length: BLOCKS }, (_, block) => hashOf(`${piece} ${block} truth`)));
    const isKnown = this.#tape.below(5) > 0;
    const verdicts = this.#blame.onGood(now, piece, isKnown ? good : undefined);
    const guilty = verdicts.map(({ key }) => key);
    assert.ok(guilty.every((key) => liars.includes(key)));
    const lied = this.#lied.get(piece) ?? new Set();
    assert.ok(guilty.every((key) => lied.has(key)));
    // Bounded evidence may have lost the oldest version, and never the newest.
    if (isKnown && lied.size > 0) assert.ok(guilty.length > 0, 'somebody is found');
    this.#lied.delete(piece);
    assert.ok(!this.#blame.isSuspect(piece) && !this.#blame.isOnParole(piece));
    for (const { key, reason } of verdicts) this.found.add(`${key} ${reason}`);
  }

  end(): void {
    for (const piece of [0, 1, 2]) this.#blame.onGood(this.#now as Millis, piece, undefined);
    assert.equal(this.#blame.bytes, 0);
  }
}

export const target: FuzzTarget = {
  about:
    'who poisoned a piece: liars are found by its good version, honest peers never are, evidence is given up with the case',
  form: 'choices',
  files: ['swarm/blame'],
  parsers: [],
  bytesMax: 400,
  run(input) {
    const tape = new Tape(input);
    const play = new Play(tape);
    tape.moves(40, () => play.move());
    play.end();
    return `${magnitude(play.found.size)} ${[...play.found].sort().join(' ')}`;
  },
};

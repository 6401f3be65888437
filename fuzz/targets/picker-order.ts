import assert from 'node:assert/strict';
import { seededRng } from '#base';
import { PickerOrder } from '#room/swarm/picker-order';
import { Tape } from '../support/tape.ts';
import { type FuzzTarget, magnitude } from '../support/target.ts';

const PIECES = 40;
const moves = ['add', 'remove', 'increment', 'increment', 'decrement'] as const;

/** What the order says of itself, as the naive model says it. */
function compare(order: PickerOrder, present: ReadonlySet<number>, rarity: readonly number[]): void {
  order.assertInvariants();
  assert.equal(order.size, present.size);
  const ranked = Array.from({ length: order.size }, (_, rank) => order.pieceAt(rank));
  assert.deepEqual(new Set(ranked), present);
  const rarities = ranked.map((piece) => rarity[piece]!);
  assert.deepEqual(
    rarities,
    [...rarities].sort((a, b) => a - b),
  );
  const sizes = new Map<number, number>();
  for (const n of rarities) sizes.set(n, (sizes.get(n) ?? 0) + 1);
  for (const [rank, n] of rarities.entries()) assert.equal(order.bucketSizeAt(rank), sizes.get(n));
  for (let piece = 0; piece < PIECES; piece++) {
    assert.equal(order.has(piece), present.has(piece));
    assert.equal(order.rarity(piece), rarity[piece]);
  }
}

export const target: FuzzTarget = {
  about:
    'pieces in the order of their rarity: what sorting gives, whatever happened before, and wrong moves are refused',
  form: 'choices',
  files: ['swarm/picker-order'],
  parsers: [],
  bytesMax: 800,
  testRuns: 600,
  run(input) {
    const tape = new Tape(input);
    const order = new PickerOrder(PIECES, seededRng(tape.byte()));
    const present = new Set<number>();
    const rarity = new Array<number>(PIECES).fill(0);
    tape.moves(400, (index) => {
      const move = tape.pick(moves);
      const piece = tape.below(PIECES);
      const isWrong = {
        add: present.has(piece),
        remove: !present.has(piece),
        increment: false,
        decrement: rarity[piece] === 0,
      };
      if (isWrong[move]) return assert.throws(() => order[move](piece), /broken invariant/);
      order[move](piece);
      if (move === 'add') present.add(piece);
      else if (move === 'remove') present.delete(piece);
      else rarity[piece]! += move === 'increment' ? 1 : -1;
      if (index % 8 === 0) compare(order, present, rarity);
    });
    compare(order, present, rarity);
    return `${magnitude(present.size)} ${magnitude(Math.max(...rarity))}`;
  },
};

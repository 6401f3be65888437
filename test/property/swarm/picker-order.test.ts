import assert from 'node:assert/strict';
import { test } from 'node:test';
import fc from 'fast-check';
import { seededRng } from '#base';
import { PickerOrder } from '#room/swarm/picker-order';

const PIECES = 40;
type Move = { readonly kind: 'add' | 'remove' | 'increment' | 'decrement'; readonly piece: number };

const moves = fc.array(
  fc.record({
    kind: fc.constantFrom<Move['kind']>('add', 'remove', 'increment', 'increment', 'decrement'),
    piece: fc.nat(PIECES - 1),
  }),
  { maxLength: 300 },
);

/** What the order says of itself, as the naive model says it. */
function compare(order: PickerOrder, present: ReadonlySet<number>, rarity: readonly number[]): void {
  order.assertInvariants();
  assert.equal(order.size, present.size);
  const ranked = Array.from({ length: order.size }, (_, rank) => order.pieceAt(rank));
  assert.deepEqual(new Set(ranked), present);
  const rarities = ranked.map((piece) => rarity[piece] as number);
  assert.deepEqual(
    rarities,
    [...rarities].sort((a, b) => a - b),
  );
  for (let piece = 0; piece < PIECES; piece++) {
    assert.equal(order.has(piece), present.has(piece));
    assert.equal(order.rarity(piece), rarity[piece]);
  }
  ranked.forEach((piece, rank) => {
    const equals = [...present].filter((other) => rarity[other] === rarity[piece]).length;
    assert.equal(order.bucketSizeAt(rank), equals);
  });
}

test('the order is what sorting by rarity gives, whatever happened before', () => {
  fc.assert(
    fc.property(moves, fc.nat(), (list, seed) => {
      const order = new PickerOrder(PIECES, seededRng(seed));
      const present = new Set<number>();
      const rarity = new Array<number>(PIECES).fill(0);
      for (const { kind, piece } of list) {
        const isThere = present.has(piece);
        if (kind === 'add' ? isThere : kind === 'remove' ? !isThere : kind === 'decrement' && rarity[piece] === 0) {
          assert.throws(() => order[kind](piece), /broken invariant/);
          continue;
        }
        order[kind](piece);
        if (kind === 'add') present.add(piece);
        else if (kind === 'remove') present.delete(piece);
        else rarity[piece] = (rarity[piece] as number) + (kind === 'increment' ? 1 : -1);
      }
      compare(order, present, rarity);
    }),
    { numRuns: 300 },
  );
});

test('equally rare pieces come in any order', () => {
  const firsts = new Map<number, number>();
  for (let seed = 0; seed < 400; seed++) {
    const order = new PickerOrder(4, seededRng(seed));
    for (let piece = 0; piece < 4; piece++) order.add(piece);
    firsts.set(order.pieceAt(0), (firsts.get(order.pieceAt(0)) ?? 0) + 1);
  }
  for (let piece = 0; piece < 4; piece++) assert.ok((firsts.get(piece) ?? 0) > 60, `${piece}: ${firsts.get(piece)}`);
});

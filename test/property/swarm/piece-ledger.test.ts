import assert from 'node:assert/strict';
import { test } from 'node:test';
import fc from 'fast-check';
import type { Millis } from '#base';
import { type ActivePiece, BlockState, PieceLedger, PieceState } from '#room/swarm/piece-ledger';
import { sceneTorrent } from '../../support/scene.ts';

// Hybrid with several files: pieces of four blocks, some with blocks that are all pad.
const { geometry } = sceneTorrent({ files: [100_000, 20_000, 66_000], format: 'hybrid' });
const SEGMENT = 32_768;

/** What the ledger must know, the naive way. */
class Model {
  readonly state: number[] = new Array(geometry.pieceCount).fill(PieceState.wanted);
  readonly unselected = new Set<number>();
  readonly actives = new Map<number, { active: ActivePiece; blocks: number[]; askers: number[] }>();
}

interface Real {
  readonly ledger: PieceLedger;
}

type Step = fc.Command<Model, Real>;

/** Pieces that went all the way, in all runs. */
let committedCount = 0;

function verify(model: Model, { ledger }: Real): void {
  ledger.assertInvariants();
  let missing = 0;
  let bytes = 0;
  let free = 0;
  for (let piece = 0; piece < geometry.pieceCount; piece++) {
    const state = model.state[piece] as number;
    assert.equal(ledger.state(piece), state);
    assert.equal(ledger.have.has(piece), state === PieceState.have);
    const isMissing = state !== PieceState.have && state !== PieceState.unwanted;
    assert.equal(ledger.isMissing(piece), isMissing);
    assert.equal(ledger.isIdle(piece), state <= PieceState.wanted);
    if (!isMissing) continue;
    missing++;
    bytes += geometry.dataBytes(piece);
  }
  for (const { active, blocks, askers } of model.actives.values()) {
    assert.deepEqual([...active.blocks], blocks);
    assert.deepEqual([...active.askers], askers);
    const isFree = (s: number) => s === BlockState.free;
    free += blocks.filter(isFree).length;
    assert.equal(active.nextFree(), blocks.findIndex(isFree));
    assert.equal(
      active.isComplete,
      blocks.every((s) => s === BlockState.here),
    );
  }
  const unstarted = model.state.filter((s) => s === PieceState.wanted).length;
  assert.equal(ledger.wantedMissing, missing);
  assert.equal(ledger.wantedMissingBytes, bytes);
  assert.equal(ledger.unstarted, unstarted);
  assert.equal(ledger.isComplete, missing === 0);
  assert.equal(ledger.isAllAsked, unstarted === 0 && free === 0);
  assert.equal(ledger.activeCount, model.actives.size);
}

/** A move of a piece: done where the model allows it, refused where not. */
function pieceMove(
  name: string,
  piece: number,
  is: (model: Model) => boolean,
  run: (ledger: PieceLedger, model: Model) => void,
): Step {
  return {
    check: () => true,
    run: (model, real) => {
      if (is(model)) run(real.ledger, model);
      else assert.throws(() => run(real.ledger, new Model()), /broken invariant/, `${name} ${piece}`);
      verify(model, real);
    },
    toString: () => `${name} ${piece}`,
  };
}

const moves = (piece: number): Step[] => {
  const inState =
    (...states: number[]) =>
    (model: Model) =>
      states.includes(model.state[piece] as number);
  return [
    pieceMove('found', piece, inState(PieceState.wanted, PieceState.unwanted), (ledger, model) => {
      ledger.found(piece);
      model.state[piece] = PieceState.have;
    }),
    pieceMove('lost', piece, inState(PieceState.have), (ledger, model) => {
      ledger.lost(piece);
      model.state[piece] = model.unselected.has(piece) ? PieceState.unwanted : PieceState.wanted;
    }),
    pieceMove('start', piece, inState(PieceState.wanted), (ledger, model) => {
      const active = ledger.start(piece, SEGMENT);
      const blocks = Array.from({ length: geometry.blockCount(piece) }, (_, b) =>
        geometry.blockBytes(piece, b) === 0 ? BlockState.here : BlockState.free,
      );
      model.actives.set(piece, { active, blocks, askers: blocks.map(() => 0) });
      model.state[piece] = PieceState.active;
    }),
    pieceMove('abandon', piece, inState(PieceState.active, PieceState.committing), (ledger, model) => {
      ledger.abandon(piece);
      model.actives.delete(piece);
      model.state[piece] = PieceState.wanted;
    }),
    pieceMove('committed', piece, inState(PieceState.committing), (ledger, model) => {
      ledger.committed(piece);
      committedCount++;
      model.actives.delete(piece);
      model.state[piece] = PieceState.have;
    }),
    {
      check: (model) => model.actives.has(piece),
      run: (model, real) => {
        const { active, blocks } = model.actives.get(piece) as { active: ActivePiece; blocks: number[] };
        const may = model.state[piece] === PieceState.active && blocks.every((s) => s === BlockState.here);
        if (may) {
          real.ledger.commit(active);
          model.state[piece] = PieceState.committing;
        } else assert.throws(() => real.ledger.commit(active), /broken invariant/);
        verify(model, real);
      },
      toString: () => `commit ${piece}`,
    },
  ];
};

const select = (piece: number, wanted: boolean): Step => ({
  check: () => true,
  run: (model, real) => {
    real.ledger.setWanted(piece, wanted);
    const state = model.state[piece] as number;
    if (state <= PieceState.wanted) {
      model.state[piece] = wanted ? PieceState.wanted : PieceState.unwanted;
      if (wanted) model.unselected.delete(piece);
      else model.unselected.add(piece);
    }
    verify(model, real);
  },
  toString: () => `setWanted ${piece} ${wanted}`,
});

type BlockMove = 'ask' | 'unask' | 'arrive' | 'arriveFailed' | 'arrived';

const blockMove = (kind: BlockMove, piece: number, at: number): Step => ({
  check: (model) => model.state[piece] === PieceState.active,
  run: (model, real) => {
    const { active, blocks, askers } = model.actives.get(piece) as {
      active: ActivePiece;
      blocks: number[];
      askers: number[];
    };
    const b = at % blocks.length;
    const state = blocks[b] as number;
    const { ledger } = real;
    const refused = (run: () => void) => assert.throws(run, /broken invariant/);
    if (kind === 'ask') {
      if (state === BlockState.here) refused(() => ledger.ask(active, b, 0 as Millis));
      else {
        ledger.ask(active, b, 0 as Millis);
        (askers[b] as number)++;
        if (state === BlockState.free) blocks[b] = BlockState.asked;
      }
    } else if (kind === 'unask') {
      if (askers[b] === 0) refused(() => ledger.unask(active, b));
      else {
        ledger.unask(active, b);
        askers[b] = (askers[b] as number) - 1;
        if (askers[b] === 0 && state === BlockState.asked) blocks[b] = BlockState.free;
      }
    } else if (kind === 'arrive') {
      const takes = state === BlockState.free || state === BlockState.asked;
      assert.equal(ledger.arrive(active, b, 'x'), takes);
      if (takes) blocks[b] = BlockState.arriving;
    } else if (state !== BlockState.arriving) refused(() => ledger[kind](active, b));
    else if (kind === 'arriveFailed') {
      ledger.arriveFailed(active, b);
      blocks[b] = (askers[b] as number) > 0 ? BlockState.asked : BlockState.free;
      assert.equal(active.senders[b], undefined);
    } else {
      const perSegment = SEGMENT / 16_384;
      const segment = Math.floor(b / perSegment);
      blocks[b] = BlockState.here;
      const isWhole = blocks
        .slice(segment * perSegment, (segment + 1) * perSegment)
        .every((s) => s === BlockState.here);
      assert.equal(ledger.arrived(active, b), isWhole ? segment : -1);
    }
    verify(model, real);
  },
  toString: () => `${kind} ${piece} ${at}`,
});

/** Asks for every block of a piece and takes it in: step by step, this would hardly ever happen by chance. */
const fetchAll = (piece: number): Step => ({
  check: (model) => model.state[piece] === PieceState.active,
  run: (model, real) => {
    const { length } = model.actives.get(piece)?.blocks ?? [];
    for (let b = 0; b < length; b++)
      for (const kind of ['ask', 'arrive', 'arrived', 'unask'] as const)
        void blockMove(kind, piece, b).run(model, real);
  },
  toString: () => `fetchAll ${piece}`,
});

const piece = fc.nat(geometry.pieceCount - 1);
const steps = [
  ...[0, 1, 2, 3, 4, 5].map((kind) => piece.map((p) => moves(p)[kind] as Step)),
  ...[2, 4, 5].map((kind) => piece.map((p) => moves(p)[kind] as Step)),
  piece.map(fetchAll),
  ...(['ask', 'unask', 'arrive', 'arrived', 'arriveFailed', 'arrive', 'arrived', 'arrived'] as const).map((kind) =>
    fc.tuple(piece, fc.nat(3)).map(([p, at]) => blockMove(kind, p, at)),
  ),
  fc.tuple(piece, fc.boolean()).map(([p, wanted]) => select(p, wanted)),
];

test('the ledger agrees with a naive model after every move, and refuses wrong moves', () => {
  fc.assert(
    fc.property(fc.commands(steps, { maxCommands: 200, size: 'max' }), (commands) => {
      fc.modelRun(() => ({ model: new Model(), real: { ledger: new PieceLedger(geometry) } }), commands);
    }),
    { numRuns: 150 },
  );
  assert.ok(committedCount > 5, `only ${committedCount} pieces went all the way`);
});

import assert from 'node:assert/strict';
import type { Millis } from '#base';
import { type ActivePiece, BlockState, PieceLedger, PieceState } from '#room/swarm/piece-ledger';
import { sceneTorrent } from '../../test/support/scene.ts';
import { Tape } from '../support/tape.ts';
import { type FuzzTarget, magnitude } from '../support/target.ts';

// Hybrid with several files: pieces of four blocks, some with blocks that are all pad.
const { geometry } = sceneTorrent({ files: [100_000, 20_000, 66_000], format: 'hybrid' });
const SEGMENT = 32_768;
const pieceMoves = [
  'found',
  'lost',
  'start',
  'start',
  'abandon',
  'commit',
  'commit',
  'committed',
  'committed',
] as const;
const blockMoves = ['ask', 'ask', 'unask', 'arrive', 'arrive', 'arrived', 'arrived', 'arriveFailed'] as const;
type PieceMove = (typeof pieceMoves)[number];
type BlockMove = (typeof blockMoves)[number];

interface Work {
  readonly active: ActivePiece;
  readonly blocks: number[];
  readonly askers: number[];
}

function refused(run: () => void, what: string): void {
  assert.throws(run, /broken invariant/, what);
}

/** The ledger, and what it must know, the naive way. Wrong moves are made too: they have to be refused. */
class Play {
  readonly #tape: Tape;
  readonly #ledger = new PieceLedger(geometry);
  readonly #ask: (active: ActivePiece, block: number, now: Millis) => void = this.#ledger.ask.bind(this.#ledger);
  readonly #state: number[] = new Array(geometry.pieceCount).fill(PieceState.wanted);
  readonly #unselected = new Set<number>();
  readonly #works = new Map<number, Work>();
  committed = 0;

  constructor(tape: Tape) {
    this.#tape = tape;
  }

  move(): void {
    const tape = this.#tape;
    const piece = tape.below(geometry.pieceCount);
    const kind = tape.below(8);
    if (kind === 0) this.#select(piece, tape.isTrue());
    else if (kind === 1) this.#fetchAll(piece);
    else if (kind < 4) this.#movePiece(tape.pick(pieceMoves), piece);
    else this.#moveBlock(tape.pick(blockMoves), piece, tape.below(4));
    this.#verify();
  }

  #select(piece: number, wanted: boolean): void {
    this.#ledger.setWanted(piece, wanted);
    if ((this.#state[piece] as number) > PieceState.wanted) return;
    this.#state[piece] = wanted ? PieceState.wanted : PieceState.unwanted;
    if (wanted) this.#unselected.delete(piece);
    else this.#unselected.add(piece);
  }

  #movePiece(move: PieceMove, piece: number): void {
    const ledger = this.#ledger;
    const state = this.#state[piece] as number;
    const work = this.#works.get(piece);
    if (move === 'commit') {
      if (work === undefined) return;
      const may = state === PieceState.active && work.blocks.every((s) => s === BlockState.here);
      if (!may) return refused(() => ledger.commit(work.active), 'commit');
      ledger.commit(work.active);
      this.#state[piece] = PieceState.committing;
      return;
    }
    const { wanted, unwanted, have, active, committing } = PieceState;
    const from: Record<Exclude<PieceMove, 'commit'>, number[]> = {
      found: [wanted, unwanted],
      lost: [have],
      start: [wanted],
      abandon: [active, committing],
      committed: [committing],
    };
    const run = () => (move === 'start' ? ledger.start(piece, SEGMENT) : ledger[move](piece));
    if (!from[move].includes(state)) return refused(run, move);
    const begun = run();
    if (move === 'start') this.#works.set(piece, this.#toWork(piece, begun as ActivePiece));
    else this.#works.delete(piece);
    const lostTo = this.#unselected.has(piece) ? unwanted : wanted;
    const to = { found: have, lost: lostTo, start: active, abandon: wanted, committed: have };
    this.#state[piece] = to[move];
    if (move === 'committed') this.committed++;
  }

  #toWork(piece: number, active: ActivePiece): Work {
    const blocks = Array.from({ length: geometry.blockCount(piece) }, (_, b) =>
      geometry.blockBytes(piece, b) === 0 ? BlockState.here : BlockState.free,
    );
    return { active, blocks, askers: blocks.map(() => 0) };
  }

  #moveBlock(move: BlockMove, piece: number, at: number): void {
    const work = this.#works.get(piece);
    if (work === undefined || this.#state[piece] !== PieceState.active) return;
    const { active, blocks, askers } = work;
    const ledger = this.#ledger;
    const b = at % blocks.length;
    const state = blocks[b] as number;
    switch (move) {
      case 'ask':
        if (state === BlockState.here) return refused(() => this.#ask(active, b, 0 as Millis), move);
        this.#ask(active, b, 0 as Millis);
        askers[b]!++;
        if (state === BlockState.free) blocks[b] = BlockState.asked;
        return;
      case 'unask':
        if (askers[b] === 0) return refused(() => ledger.unask(active, b), move);
        ledger.unask(active, b);
        askers[b]!--;
        if (askers[b] === 0 && state === BlockState.asked) blocks[b] = BlockState.free;
        return;
      case 'arrive': {
        const takes = state === BlockState.free || state === BlockState.asked;
        assert.equal(ledger.arrive(active, b, 'x'), takes);
        if (takes) blocks[b] = BlockState.arriving;
        return;
      }
      case 'arriveFailed':
        if (state !== BlockState.arriving) return refused(() => ledger.arriveFailed(active, b), move);
        ledger.arriveFailed(active, b);
        blocks[b] = askers[b]! > 0 ? BlockState.asked : BlockState.free;
        assert.equal(active.senders[b], undefined);
        return;
      default: {
        if (state !== BlockState.arriving) return refused(() => void ledger.arrived(active, b), move);
        blocks[b] = BlockState.here;
        const perSegment = SEGMENT / 16_384;
        const segment = Math.floor(b / perSegment);
        const isWhole = blocks
          .slice(segment * perSegment, (segment + 1) * perSegment)
          .every((s) => s === BlockState.here);
        assert.equal(ledger.arrived(active, b), isWhole ? segment : -1);
      }
    }
  }

  /** Asks for every block of a piece and takes it in: step by step, this would hardly ever happen by chance. */
  #fetchAll(piece: number): void {
    const length = this.#works.get(piece)?.blocks.length ?? 0;
    for (let b = 0; b < length; b++) {
      for (const move of ['ask', 'arrive', 'arrived', 'unask'] as const) this.#moveBlock(move, piece, b);
    }
  }

  #verify(): void {
    const ledger = this.#ledger;
    ledger.assertInvariants();
    let missing = 0;
    let bytes = 0;
    for (const [piece, state] of this.#state.entries()) {
      assert.equal(ledger.state(piece), state);
      assert.equal(ledger.have.has(piece), state === PieceState.have);
      const isMissing = state !== PieceState.have && state !== PieceState.unwanted;
      assert.equal(ledger.isMissing(piece), isMissing);
      assert.equal(ledger.isIdle(piece), state <= PieceState.wanted);
      if (!isMissing) continue;
      missing++;
      bytes += geometry.dataBytes(piece);
    }
    let free = 0;
    const isFree = (s: number) => s === BlockState.free;
    for (const { active, blocks, askers } of this.#works.values()) {
      assert.deepEqual([...active.blocks], blocks);
      assert.deepEqual([...active.askers], askers);
      free += blocks.filter(isFree).length;
      assert.equal(active.nextFree(), blocks.findIndex(isFree));
      assert.equal(
        active.isComplete,
        blocks.every((s) => s === BlockState.here),
      );
    }
    const unstarted = this.#state.filter((s) => s === PieceState.wanted).length;
    const { wantedMissing, wantedMissingBytes, isComplete, isAllAsked, activeCount } = ledger;
    assert.deepEqual(
      { wantedMissing, wantedMissingBytes, unstarted: ledger.unstarted, isComplete, isAllAsked, activeCount },
      {
        wantedMissing: missing,
        wantedMissingBytes: bytes,
        unstarted,
        isComplete: missing === 0,
        isAllAsked: unstarted === 0 && free === 0,
        activeCount: this.#works.size,
      },
    );
  }
}

export const target: FuzzTarget = {
  about: 'pieces and blocks against a naive model: they agree after every move, and wrong moves are refused',
  form: 'choices',
  files: ['swarm/piece-ledger'],
  parsers: [],
  bytesMax: 800,
  testRuns: 300,
  msMax: 300,
  run(input) {
    const tape = new Tape(input);
    const play = new Play(tape);
    tape.moves(150, () => play.move());
    return magnitude(play.committed);
  },
};

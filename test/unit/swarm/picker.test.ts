import assert from 'node:assert/strict';
import { test } from 'node:test';
import { Bitfield, type ConnId, type Millis, seededRng } from '#base';
import { Geometry, type Info } from '#metainfo';
import { type Pick, Picker, type PickerPeer } from '#room/swarm/picker';
import type { ActivePiece } from '#room/swarm/piece-ledger';
import { PieceLedger } from '#room/swarm/piece-ledger';
import type { PickPolicy } from '#room/swarm/policies';

const PIECE_BYTES = 16_384;

class CountedBitfield extends Bitfield {
  looks = 0;
  override has(index: number): boolean {
    this.looks++;
    return super.has(index);
  }
}

/** A torrent of so many pieces of one block; nobody is asked yet. */
function makePicker(pieceCount: number, policy: PickPolicy): { picker: Picker; ledger: PieceLedger } {
  const totalLength = pieceCount * PIECE_BYTES;
  const files = [{ index: 0, path: ['a'], length: totalLength, offset: 0 }];
  const shape = { pieceLength: PIECE_BYTES, pieceCount, totalLength, spaceLength: totalLength, format: 'v1', files };
  const ledger = new PieceLedger(new Geometry(shape as unknown as Info));
  const picker: Picker = new Picker({
    ledger,
    rng: seededRng(1),
    isVerifiable: () => true,
    mayStart: () => true,
    start: (piece) => {
      const active = ledger.start(piece, PIECE_BYTES);
      picker.pieceMoved(piece);
      return active;
    },
    onParole: () => false,
    policy,
    endGameAskersMax: 2,
  });
  return { picker, ledger };
}

function addPeer(picker: Picker, conn: number, have: CountedBitfield): PickerPeer & { have: CountedBitfield } {
  for (const piece of have) picker.order.increment(piece);
  const rest = { refused: undefined, peerChoking: false, allowedFast: undefined, current: undefined };
  return { conn: conn as ConnId, key: `${conn}`, have, ...rest, hasAsked: () => false };
}

/** One who has a few pieces of the second half, beside one who has the first half and a seed. @returns looks at what it has, and pieces picked */
function pickAll(pieceCount: number, order: PickPolicy['order']): { looks: number; picked: number[] } {
  const { picker, ledger } = makePicker(pieceCount, { order, randomFirstPieces: 0 });
  picker.seeds = 1;
  const half = new CountedBitfield(pieceCount);
  for (let piece = 0; piece < pieceCount / 2; piece++) half.set(piece);
  addPeer(picker, 1, half);
  const few = new CountedBitfield(pieceCount);
  for (let piece = pieceCount - 10; piece < pieceCount; piece++) few.set(piece);
  const peer = addPeer(picker, 2, few);
  const pick: Pick = { active: undefined, block: 0, reason: 'rarest', rarity: 0, candidates: 0 };
  const picked: number[] = [];
  let looks = 0;
  for (;;) {
    const [best] = picker.explain(peer, 1);
    const before = few.looks;
    const hasPicked = picker.pick(peer, pick);
    looks += few.looks - before;
    if (!hasPicked) break;
    const active = pick.active as ActivePiece;
    assert.equal(active.piece, best?.piece, 'what is picked is what is explained');
    ledger.ask(active, pick.block, 0 as Millis);
    picked.push(active.piece);
  }
  return { looks, picked };
}

for (const order of ['rarest', 'sequential'] as const) {
  test(`a peer with few pieces costs no look at the whole torrent, ${order}`, () => {
    const small = pickAll(1_000, order);
    assert.equal(small.picked.length, 10);
    const large = pickAll(16_000, order);
    assert.ok(large.looks < small.looks * 1.1, `${large.looks} looks and not ${small.looks}`);
  });
}

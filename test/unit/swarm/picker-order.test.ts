import assert from 'node:assert/strict';
import { test } from 'node:test';
import { seededRng } from '#base';
import { PickerOrder } from '#room/swarm/picker-order';

test('equally rare pieces come in any order', () => {
  const firsts = new Map<number, number>();
  for (let seed = 0; seed < 400; seed++) {
    const order = new PickerOrder(4, seededRng(seed));
    for (let piece = 0; piece < 4; piece++) order.add(piece);
    firsts.set(order.pieceAt(0), (firsts.get(order.pieceAt(0)) ?? 0) + 1);
  }
  for (let piece = 0; piece < 4; piece++) assert.ok((firsts.get(piece) ?? 0) > 60, `${piece}: ${firsts.get(piece)}`);
});

import assert from 'node:assert/strict';
import { test } from 'node:test';
import type { Millis } from '#base';
import { Blame } from '#room/swarm/blame';
import { limits } from '#room/swarm/limits';

/** Hashes of blocks whose content is one letter each: `aab` is three blocks, two of them alike. */
function hashes(content: string): Uint8Array {
  const out = new Uint8Array(content.length * 20);
  for (let i = 0; i < content.length; i++) out.fill(content.charCodeAt(i), i * 20, i * 20 + 20);
  return out;
}

/** One letter a block says who sent it, `.` nobody. */
function senders(text: string): (string | undefined)[] {
  return [...text].map((c) => (c === '.' ? undefined : c));
}

/**
 * Steps: `bad SENDERS CONTENT` or `good CONTENT`, of piece 1, one a second; then `-> ` and the verdicts, `KEY reason blocks`.
 */
function check(name: string, script: string): void {
  test(`blame: ${name}`, () => {
    const blame = new Blame();
    let now = 0;
    for (const line of script.trim().split('\n')) {
      now += 1000;
      const [input = '', want = ''] = line.trim().split(/ *-> */);
      const [verb, a = '', b = ''] = input.split(' ');
      const verdicts =
        verb === 'bad'
          ? blame.onBad(now as Millis, 1, senders(a), hashes(b))
          : blame.onGood(now as Millis, 1, a === '?' ? undefined : hashes(a));
      assert.equal(verdicts.map((v) => `${v.key} ${v.reason} ${v.blocks.join('+')}`).join(', '), want, line);
    }
  });
}

check('whoever sent all of a bad piece is guilty at once', 'bad AAA xyz -> A sole-sender 0+1+2');
check('pad blocks that nobody sent do not hide a sole sender', 'bad AA. xy0 -> A sole-sender 0+1');
check(
  'of many senders only those whose block differs are guilty',
  `bad AABC xbcx ->
   good abcd -> A block-differs 0, C block-differs 3`,
);
check(
  'whoever sent the good block in a bad piece is not',
  `bad ABBA abxd ->
   good abcd -> B block-differs 2`,
);
check(
  'several bad versions are all looked at',
  `bad ABAB xbcd ->
   bad BCAB aycd ->
   good abcd -> A block-differs 0, C block-differs 1`,
);
check(
  'two versions of one block from one peer are a contradiction',
  `bad AB xb ->
   bad AB yb -> A contradiction 0`,
);
check(
  'a good piece that never failed says nothing',
  `good abcd ->
   bad AB xb ->
   good ab -> A block-differs 0
   good ab ->`,
);
check(
  'without hashes of the good version the case is closed',
  `bad AB xb ->
   good ? ->
   good ab ->`,
);
check(
  'a sole sender on parole does not wipe out what is known of others',
  `bad AB xb ->
   bad CC qq -> C sole-sender 0+1
   good ab -> A block-differs 0`,
);

test('blame: a piece is suspect after one failure and on parole after two', () => {
  const blame = new Blame();
  const state = () => [blame.isSuspect(1), blame.isOnParole(1), blame.suspects(1).join('')];
  assert.deepEqual(state(), [false, false, '']);
  blame.onBad(0 as Millis, 1, senders('AB'), hashes('xb'));
  assert.deepEqual(state(), [true, false, 'AB']);
  blame.onBad(0 as Millis, 1, senders('AC'), hashes('xc'));
  assert.deepEqual(state(), [true, true, 'ABC']);
  blame.onGood(0 as Millis, 1, hashes('ab'));
  assert.deepEqual(state(), [false, false, '']);
});

test('blame: memory is bounded, the newest evidence is kept', () => {
  const blame = new Blame();
  const many = Array.from({ length: 1024 }, (_, i) => `p${i % 3}`);
  for (let piece = 0; piece < 2000; piece++) {
    blame.onBad(0 as Millis, piece % 900, many, new Uint8Array(1024 * 20));
    assert.ok(blame.bytes <= limits.blame.memoryBytes);
    assert.ok(blame.isSuspect(piece % 900));
  }
});

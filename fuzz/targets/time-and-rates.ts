import assert from 'node:assert/strict';
import { addMs, Deadlines, type Millis, NEVER, RateMeter, TokenBucket, WakeHeap } from '#base';
import { Tape } from '../support/tape.ts';
import { type FuzzTarget, magnitude } from '../support/target.ts';

/** Wake-up times against a plain map. */
function playHeap(tape: Tape): string {
  const heap = new WakeHeap<number>();
  const model = new Map<number, number>();
  let now = 0;
  let taken = 0;
  tape.moves(200, () => {
    const owner = tape.below(40);
    switch (tape.below(5)) {
      case 0:
      case 1: {
        const at = tape.below(12) === 0 ? NEVER : now + tape.below(300);
        heap.set(owner, at as Millis);
        model.set(owner, at);
        break;
      }
      case 2:
        heap.delete(owner);
        model.delete(owner);
        break;
      case 3:
        // Often set anew, as torrents do: what is left behind has to be cleared out.
        for (let i = 0; i < 30; i++) heap.set(owner, (now + 400 + i) as Millis);
        model.set(owner, now + 429);
        break;
      default:
        now += tape.below(100);
        for (let due = heap.takeDue(now as Millis); due !== undefined; due = heap.takeDue(now as Millis)) {
          const least = Math.min(...model.values());
          assert.equal(model.get(due), least, 'soonest first');
          assert.ok(least <= now);
          model.delete(due);
          taken++;
        }
        assert.ok(
          [...model.values()].every((at) => at > now),
          'everything that is due',
        );
    }
    assert.equal(heap.next(), Math.min(NEVER, ...model.values()));
  });
  return `heap ${magnitude(taken)}`;
}

function playDeadlines(tape: Tape): string {
  const deadlines = new Deadlines<number>();
  const model = new Map<number, number>();
  let now = 0;
  let taken = 0;
  tape.moves(100, () => {
    const name = tape.below(8);
    const at = now + tape.below(50);
    const kind = tape.below(4);
    if (kind === 0) deadlines.set(name, at as Millis);
    if (kind === 0 || (kind === 1 && !((model.get(name) ?? NEVER) <= at))) model.set(name, at);
    if (kind === 1) deadlines.sooner(name, at as Millis);
    if (kind === 2) {
      deadlines.clear(name);
      model.delete(name);
    }
    if (kind === 3) {
      now += tape.below(60);
      const due = deadlines.takeDue(now as Millis);
      const expected = [...model].filter(([, when]) => when <= now);
      assert.deepEqual([...due].sort(), expected.map(([each]) => each).sort());
      assert.deepEqual(
        due.map((each) => model.get(each)),
        expected.map(([, when]) => when).sort((a, b) => a - b),
      );
      for (const each of due) model.delete(each);
      taken += due.length;
    }
    assert.equal(deadlines.next(), Math.min(NEVER, ...model.values()));
    assert.equal(deadlines.get(name), model.get(name) ?? NEVER);
  });
  return `deadlines ${magnitude(taken)}`;
}

/** A sum over a window is what a list of all that was added says. */
function playMeter(tape: Tape): string {
  const meter = new RateMeter();
  const added: { at: number; bytes: number }[] = [];
  let now = tape.below(5_000);
  tape.moves(80, () => {
    now += tape.pick([0, 1, 499, 500, 501, 3_000, 12_000]);
    if (tape.isTrue()) {
      const bytes = tape.below(70_000);
      meter.add(now as Millis, bytes);
      added.push({ at: now, bytes });
    }
    const bucketOf = (at: number) => Math.floor(at / RateMeter.bucketMs);
    const first = bucketOf(now) - RateMeter.buckets + 1;
    const sum = added.filter(({ at }) => bucketOf(at) >= first).reduce((total, { bytes }) => total + bytes, 0);
    const begun = Math.max(first, bucketOf(added[0]?.at ?? now));
    const expected = (sum * 1_000) / Math.max(RateMeter.bucketMs, now - begun * RateMeter.bucketMs);
    assert.ok(Math.abs(meter.bytesPerSec(now as Millis) - expected) < 1e-6 * (1 + expected));
    assert.equal(
      meter.total,
      added.reduce((total, { bytes }) => total + bytes, 0),
    );
  });
  return `meter ${magnitude(added.length)}`;
}

/** Whoever takes only while it is open has no more than the rate, the burst and one take. */
function playBucket(tape: Tape): string {
  const rate = tape.pick([1, 100, 20_000, 5_000_000]);
  const burst = tape.pick([1, 500, 16_384, 1_000_000]);
  const reserve = Math.min(burst, tape.pick([0, 0, 300, 16_384]));
  let now = 0 as Millis;
  const bucket = new TokenBucket({ rate, burst, reserve, now });
  let taken = 0;
  let largest = 0;
  let waits = 0;
  tape.moves(120, () => {
    if (!bucket.isOpen(now)) {
      const at = bucket.opensAt(now);
      assert.ok(at > now && Number.isFinite(at));
      if (tape.isTrue()) {
        now = at;
        assert.ok(bucket.isOpen(now), 'open when it said it would be');
        waits++;
      } else now = addMs(now, tape.below(1_000));
      return;
    }
    assert.equal(bucket.opensAt(now), now);
    const bytes = tape.pick([1, 1_448, 16_384, 70_000]);
    bucket.take(now, bytes);
    taken += bytes;
    largest = Math.max(largest, bytes);
    const allowed = burst + (now * rate) / 1_000 + largest;
    assert.ok(taken <= allowed * (1 + 1e-9) + 1e-6, `${taken} of ${allowed}`);
    if (tape.below(8) === 1) now = addMs(now, tape.below(5_000));
  });
  return `bucket ${magnitude(taken)} ${magnitude(waits)}`;
}

const plays = [playHeap, playDeadlines, playMeter, playBucket];

export const target: FuzzTarget = {
  about: 'wake-up times, deadlines, rates and limits of rate against plain models of them',
  form: 'choices',
  files: ['base/heap', 'base/time', 'base/rate'],
  parsers: [],
  bytesMax: 600,
  run(input) {
    const tape = new Tape(input);
    return tape.pick(plays)(tape);
  },
};

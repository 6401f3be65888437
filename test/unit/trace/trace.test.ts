import assert from 'node:assert/strict';
import { test } from 'node:test';
import fc from 'fast-check';
import { BtError, type ConnId, type Millis } from '#base';
import { decodeTrace, encodeTrace, pickReasons, type TraceEvent, TraceRecorder, type Tracer, traceKinds } from '#trace';

const at = 12.5 as Millis;
const conn = 7 as ConnId;

interface Case {
  name: string;
  emit: (t: Required<Tracer>) => void;
  expect: Omit<TraceEvent, 'at'> & Record<string, unknown>;
}

const cases: Case[] = [
  {
    name: 'wire, known message',
    emit: (t) => t.wire(at, conn, 1, 6, 3, 16384, 16384),
    expect: { kind: 'wire', conn: 7, dir: 'out', message: 'request', args: [3, 16384, 16384] },
  },
  {
    name: 'wire, handshake has no id',
    emit: (t) => t.wire(at, conn, 0, 257, 0, 0, 0),
    expect: { kind: 'wire', conn: 7, dir: 'in', message: 'handshake', args: [0, 0, 0] },
  },
  {
    name: 'wire, unknown message keeps its number',
    emit: (t) => t.wire(at, conn, 0, 99, 0, 0, 0),
    expect: { kind: 'wire', conn: 7, dir: 'in', message: '99', args: [0, 0, 0] },
  },
  {
    name: 'pick',
    emit: (t) => t.pick(at, conn, 812, pickReasons.rarest, 2, 40),
    expect: { kind: 'pick', conn: 7, piece: 812, reason: 'rarest', rarity: 2, candidates: 40 },
  },
  {
    name: 'piece',
    emit: (t) => t.piece(at, 812, 2, 3),
    expect: { kind: 'piece', piece: 812, from: 'active', to: 'committing' },
  },
  { name: 'conn', emit: (t) => t.conn(at, conn, 7, 64), expect: { kind: 'conn', conn: 7, what: 'depth', detail: 64 } },
  {
    name: 'request',
    emit: (t) => t.request(at, conn, 1, 2, 3),
    expect: { kind: 'request', conn: 7, piece: 1, begin: 2, length: 3 },
  },
  {
    name: 'cancel',
    emit: (t) => t.cancel(at, conn, 1, 2, 3),
    expect: { kind: 'cancel', conn: 7, piece: 1, begin: 2, length: 3 },
  },
  {
    name: 'timeout',
    emit: (t) => t.timeout(at, conn, 1, 2, 3000.5),
    expect: { kind: 'timeout', conn: 7, piece: 1, begin: 2, waitedMs: 3000.5 },
  },
  {
    name: 'choke, unranked',
    emit: (t) => t.choke(at, conn, 'optimistic', 'choked', 'no-interest', -1),
    expect: { kind: 'choke', conn: 7, from: 'optimistic', to: 'choked', reason: 'no-interest', rank: -1 },
  },
  {
    name: 'closed without detail',
    emit: (t) => t.closed(at, conn, 'net/reset', undefined),
    expect: { kind: 'closed', conn: 7, code: 'net/reset' },
  },
  {
    name: 'announce',
    emit: (t) => t.announce(at, 'failed', 'http://t/a', { why: 'x' }),
    expect: { kind: 'announce', step: 'failed', url: 'http://t/a', data: { why: 'x' } },
  },
  {
    name: 'ban',
    emit: (t) => t.ban(at, '10.0.0.1', 'bad-data', { pieces: [1] }),
    expect: { kind: 'ban', host: '10.0.0.1', reason: 'bad-data', evidence: { pieces: [1] } },
  },
  { name: 'note', emit: (t) => t.note(at, 'slab', 3), expect: { kind: 'note', topic: 'slab', data: 3 } },
];

for (const { name, emit, expect } of cases) {
  test(`an event is recorded, written and read back: ${name}`, () => {
    const recorder = new TraceRecorder(4);
    emit(recorder.tracer() as Required<Tracer>);
    const want = { at: 12.5, ...expect };
    assert.deepEqual([...recorder.events()], [want]);
    assert.deepEqual(decodeTrace([...encodeTrace(recorder.events())].join('')).events, [want]);
  });
}

test('every kind has a case above', () => {
  assert.deepEqual([...new Set(cases.map((c) => c.expect.kind))].sort(), [...traceKinds].sort());
});

test('the ring keeps exactly the last events, in order', () => {
  fc.assert(
    fc.property(fc.integer({ min: 1, max: 9 }), fc.integer({ min: 0, max: 40 }), fc.nat(50), (rows, count, since) => {
      const recorder = new TraceRecorder(rows);
      const tracer = recorder.tracer();
      for (let i = 0; i < count; i++) tracer.note?.(i as Millis, 'n', i);
      const want = Array.from({ length: count }, (_, i) => i).filter((i) => i >= count - rows && i >= since);
      assert.deepEqual(
        [...recorder.events(since)].map((e) => e.at),
        want,
      );
      assert.equal(recorder.total, count);
    }),
  );
});

test('a tracer has only the members that were asked for', () => {
  assert.deepEqual(Object.keys(new TraceRecorder(1).tracer(['pick', 'ban'])), ['pick', 'ban']);
});

test('data that JSON does not know is written as text', () => {
  const recorder = new TraceRecorder(2);
  recorder.tracer().note?.(at, 'x', { left: 5n, hash: new Uint8Array([1, 255]) });
  const [event] = decodeTrace([...encodeTrace(recorder.events())].join('')).events;
  assert.deepEqual(event, { at: 12.5, kind: 'note', topic: 'x', data: { left: '5', hash: '01ff' } });
});

const texts: { name: string; text: string; code?: string; skipped?: number }[] = [
  { name: 'an empty text', text: '', code: 'swarm/state-damaged' },
  { name: 'a first line that is no header', text: '{"at":1}\n', code: 'swarm/state-damaged' },
  { name: 'a newer version', text: '{"trace":2}\n', code: 'swarm/state-newer' },
  { name: 'half a last line', text: '{"trace":1}\n{"at":1,"kind":"no', skipped: 1 },
  { name: 'a kind of a later program', text: '{"trace":1}\n{"at":1,"kind":"novel"}\n', skipped: 1 },
  { name: 'a known kind without its fields', text: '{"trace":1}\n{"at":1,"kind":"pick"}\n[]\n7\n', skipped: 3 },
];

for (const { name, text, code, skipped } of texts) {
  test(`reading ${name}`, () => {
    if (code === undefined) assert.equal(decodeTrace(text).skippedLines, skipped);
    else
      assert.throws(
        () => decodeTrace(text),
        (e) => BtError.is(e) && e.code === code,
      );
  });
}

import assert from 'node:assert/strict';
import { test } from 'node:test';
import fc from 'fast-check';
import { type ConnId, type Millis, seededRng } from '#base';
import { type ChokePolicy, type ChokerPeer, slotsForRate, titForTat, turns } from '#room/swarm/choke-policy';
import { ChokeChanges, Choker } from '#room/swarm/choker';
import { byLot, fastest, roundRobin } from '#sim';

const peerDefaults = {
  interested: true,
  uploadOnly: false,
  downBytesPerSec: 0,
  upBytesPerSec: 0,
  snubbed: false,
  openedAt: 0 as Millis,
};
type PeerSpec = Partial<Omit<ChokerPeer, 'conn' | 'openedAt'>> & { openedAt?: number };

function toPeer(conn: number, spec: PeerSpec): ChokerPeer {
  return { ...peerDefaults, conn: conn as ConnId, ...spec } as ChokerPeer;
}

/** One step: the peers by number, then what must come out: `+1 reason` unchoked, `-1 reason` choked, `=1 reason` moved. */
interface Step {
  at: number;
  do?: 'round' | 'fill';
  seeding?: boolean;
  slots?: number;
  peers: Record<number, PeerSpec>;
  expect: string[];
}

function check(name: string, slots: number, steps: Step[]): void {
  test(`choker: ${name}`, () => {
    const choker = new Choker({ slots, rng: seededRng(1) });
    const out = new ChokeChanges();
    for (const step of steps) {
      if (step.slots !== undefined) choker.slots = step.slots;
      const peers = Object.entries(step.peers).map(([conn, spec]) => toPeer(Number(conn), spec));
      choker[step.do ?? 'round'](step.at as Millis, peers, step.seeding ?? false, out);
      const got = [
        ...out.choke.map((c) => `-${c.conn} ${c.reason}`),
        ...out.unchoke.map((c) => `+${c.conn} ${c.reason}`),
        ...out.moved.map((c) => `=${c.conn} ${c.reason}`),
      ];
      assert.deepEqual(got.sort(), [...step.expect].sort(), `at ${step.at}`);
    }
  });
}

const gives = (downBytesPerSec: number, more: PeerSpec = {}): PeerSpec => ({ downBytesPerSec, ...more });

check('those who give most get the slots, one more gets the optimistic one', 2, [
  {
    at: 10_000,
    peers: { 1: gives(100), 2: gives(300), 3: gives(200), 4: gives(50, { interested: false }) },
    expect: ['+2 reciprocates', '+3 reciprocates', '+1 optimistic'],
  },
  {
    at: 20_000,
    peers: { 1: gives(900), 2: gives(300), 3: gives(200) },
    expect: ['=1 reciprocates', '=3 optimistic'],
  },
]);

check('whoever loses interest makes room, and keeps the slot where nobody needs it', 1, [
  { at: 0, peers: { 1: gives(9) }, expect: ['+1 reciprocates'] },
  { at: 10_000, peers: { 1: gives(9, { interested: false }) }, expect: [] },
  {
    at: 11_000,
    do: 'fill',
    peers: { 1: gives(9, { interested: false }), 2: {} },
    expect: ['-1 no-interest', '+2 slots-free'],
  },
]);

check('seeds and partial seeds never take a slot', 4, [
  { at: 0, peers: { 1: gives(9, { uploadOnly: true }), 2: {} }, expect: ['+2 slots-free'] },
  { at: 10_000, peers: { 2: { uploadOnly: true } }, expect: ['-2 upload-only'] },
]);

check('a snubbed peer loses the slot, and may get the optimistic one', 2, [
  { at: 0, peers: { 1: gives(500), 2: gives(5) }, expect: ['+1 reciprocates', '+2 reciprocates'] },
  { at: 10_000, peers: { 1: gives(500, { snubbed: true }), 2: gives(5) }, expect: ['=1 optimistic'] },
  {
    at: 20_000,
    peers: { 1: gives(500, { snubbed: true }), 2: gives(5), 3: gives(1), 4: { snubbed: true } },
    expect: ['+3 reciprocates'],
  },
  {
    at: 40_000,
    peers: { 1: gives(500, { snubbed: true }), 2: gives(5), 3: gives(1), 4: { snubbed: true } },
    expect: ['-1 optimistic-over', '+4 optimistic'],
  },
]);

check('the optimistic slot passes on after 30 s, not sooner', 1, [
  { at: 0, peers: { 1: gives(9), 2: {} }, expect: ['+1 reciprocates', '+2 optimistic'] },
  { at: 10_000, peers: { 1: gives(9), 2: {}, 3: {} }, expect: [] },
  { at: 20_000, peers: { 1: gives(9), 2: {}, 3: {} }, expect: [] },
  { at: 30_000, peers: { 1: gives(9), 2: {}, 3: {} }, expect: ['-2 optimistic-over', '+3 optimistic'] },
]);

check('a rate a little higher does not take a slot away', 1, [
  { at: 0, peers: { 1: gives(100), 2: gives(0) }, expect: ['+1 reciprocates', '+2 optimistic'] },
  { at: 10_000, peers: { 1: gives(100), 2: gives(0), 3: gives(109) }, expect: [] },
  { at: 20_000, peers: { 1: gives(100), 2: gives(0), 3: gives(111) }, expect: ['-1 outranked', '+3 reciprocates'] },
]);

check('fill gives free slots at once and takes none away', 2, [
  { at: 0, peers: { 1: gives(1) }, expect: ['+1 reciprocates'] },
  { at: 1_000, do: 'fill', peers: { 1: gives(1), 2: {} }, expect: ['+2 slots-free'] },
  { at: 2_000, do: 'fill', peers: { 1: gives(1), 2: {}, 3: gives(999) }, expect: ['+3 optimistic'] },
  { at: 3_000, do: 'fill', peers: { 1: gives(1), 2: {}, 3: gives(999), 4: gives(5000) }, expect: [] },
  { at: 4_000, do: 'fill', peers: { 2: {}, 3: gives(999), 4: gives(5000) }, expect: ['+4 reciprocates'] },
]);

check('no slots: nobody is unchoked, and whoever was is choked', 1, [
  { at: 0, peers: { 1: gives(9), 2: {} }, expect: ['+1 reciprocates', '+2 optimistic'] },
  { at: 10_000, slots: 0, peers: { 1: gives(9), 2: {} }, expect: ['-1 slots-full', '-2 optimistic-over'] },
]);

const takes = (upBytesPerSec: number): PeerSpec => ({ upBytesPerSec });

check('a seed hands a quarter of the slots on each round, the slowest first, longest wait first', 4, [
  {
    at: 0,
    seeding: true,
    peers: { 1: {}, 2: {}, 3: {}, 4: {}, 5: { openedAt: 5 }, 6: { openedAt: 6 } },
    expect: ['+1 seed-rotation', '+2 seed-rotation', '+3 seed-rotation', '+4 seed-rotation'],
  },
  {
    at: 10_000,
    seeding: true,
    peers: { 1: takes(4), 2: takes(1), 3: takes(3), 4: takes(2), 5: { openedAt: 5 }, 6: { openedAt: 6 } },
    expect: [],
  },
  {
    at: 20_000,
    seeding: true,
    peers: { 1: takes(4), 2: takes(1), 3: takes(3), 4: takes(2), 5: { openedAt: 5 }, 6: { openedAt: 6 } },
    expect: ['-2 outranked', '+5 seed-rotation'],
  },
  {
    at: 30_000,
    seeding: true,
    peers: { 1: takes(4), 2: {}, 3: takes(3), 4: takes(2), 5: {}, 6: { openedAt: 6 } },
    expect: ['-4 outranked', '+6 seed-rotation'],
  },
  {
    // Whose turn of 60 s is over goes before the slowest within his turn.
    at: 60_000,
    seeding: true,
    peers: { 1: takes(4), 2: {}, 3: takes(3), 4: {}, 5: takes(1), 6: takes(2) },
    expect: ['-3 outranked', '+2 seed-rotation'],
  },
]);

check('a seed alone with few peers chokes nobody', 4, [
  { at: 0, seeding: true, peers: { 1: {}, 2: {} }, expect: ['+1 seed-rotation', '+2 seed-rotation'] },
  { at: 90_000, seeding: true, peers: { 1: {}, 2: {} }, expect: [] },
  {
    at: 91_000,
    do: 'fill',
    seeding: true,
    peers: { 1: {}, 2: {}, 3: { snubbed: true } },
    expect: ['+3 seed-rotation'],
  },
]);

check('turning into a seed keeps the optimistic peer until the round', 1, [
  { at: 0, peers: { 1: gives(9), 2: {} }, expect: ['+1 reciprocates', '+2 optimistic'] },
  { at: 1_000, do: 'fill', seeding: true, peers: { 1: gives(9), 2: {} }, expect: [] },
  { at: 10_000, seeding: true, peers: { 1: takes(5), 2: {} }, expect: ['-2 outranked'] },
]);

test('choker: other policies rank as they say, and draw lots anew each round', () => {
  const now = 100_000 as Millis;
  const peers = [
    toPeer(1, { upBytesPerSec: 5, openedAt: 30 }),
    toPeer(2, { upBytesPerSec: 9, openedAt: 20 }),
    toPeer(3, { openedAt: 10 }),
  ];
  const order = (choker: ChokePolicy, at: Millis) =>
    new Choker({ slots: 1, rng: seededRng(1), choker }).explain(at, peers, false);
  assert.deepEqual(
    order(fastest, now).map((v) => v.conn),
    [2, 1, 3],
  );
  assert.equal(order(fastest, now)[0]?.reason, 'takes-most');
  assert.deepEqual(
    order(roundRobin, now).map((v) => v.conn),
    [3, 2, 1],
  );
  assert.equal(order(roundRobin, now)[0]?.reason, 'longest-wait');
  const firsts = new Set<number>();
  for (let round = 0; round < 40; round++) {
    const at = (round * 10_000) as Millis;
    const [first] = order(byLot, at);
    assert.equal(first?.reason, 'lot');
    assert.equal(first?.conn, order(byLot, at)[0]?.conn, 'the same in the same round');
    firsts.add(first?.conn as number);
  }
  assert.deepEqual([...firsts].sort(), [1, 2, 3]);
});

test('choker: newcomers are drawn three times as often', () => {
  let newcomers = 0;
  const now = 100_000 as Millis;
  for (let seed = 0; seed < 2000; seed++) {
    const choker = new Choker({ slots: 1, rng: seededRng(seed) });
    const out = new ChokeChanges();
    choker.round(now, [toPeer(1, gives(9)), toPeer(2, {}), toPeer(3, { openedAt: 90_000 })], false, out);
    if (choker.state(3 as ConnId) === 'optimistic') newcomers++;
  }
  assert.ok(newcomers > 1400 && newcomers < 1600, `${newcomers} of 2000, 1500 expected`);
});

const slotCases: [limit: number | undefined, measured: number, slots: number][] = [
  [undefined, 0, 4],
  [undefined, 10 * 1024 * 1024, 55],
  [undefined, 1024 * 1024, 17],
  [100 * 1024, 0, 5],
  [1024, 1e9, 2],
  [1e12, 0, 64],
];
for (const [limitBytesPerSec, measuredBytesPerSec, slots] of slotCases) {
  test(`choker: ${slots} slots for limit ${limitBytesPerSec}, measured ${measuredBytesPerSec}`, () => {
    assert.equal(slotsForRate({ limitBytesPerSec, measuredBytesPerSec }), slots);
  });
}

// --- properties ------------------------------------------------------------------------------------------------------------------

const peerList = fc.array(
  fc.record({
    conn: fc.integer({ min: 1, max: 12 }),
    interested: fc.boolean(),
    uploadOnly: fc.boolean(),
    snubbed: fc.boolean(),
    downBytesPerSec: fc.nat(5),
    upBytesPerSec: fc.nat(5),
    openedAt: fc.nat(50_000),
  }),
  { maxLength: 12 },
);
const pairs: readonly { choker: ChokePolicy; seedChoker: ChokePolicy }[] = [
  { choker: titForTat, seedChoker: turns },
  { choker: roundRobin, seedChoker: fastest },
  { choker: byLot, seedChoker: byLot },
];
const run = fc.record({
  slots: fc.nat(5),
  policies: fc.constantFrom(...pairs),
  seed: fc.nat(),
  steps: fc.array(fc.record({ peers: peerList, round: fc.boolean(), seeding: fc.boolean(), waitMs: fc.nat(20_000) }), {
    minLength: 1,
    maxLength: 12,
  }),
});

test('choker: bounds hold after every step, changes match states, explain agrees with the round', () => {
  fc.assert(
    fc.property(run, ({ slots, policies, seed, steps }) => {
      const choker = new Choker({ slots, rng: seededRng(seed), ...policies });
      const out = new ChokeChanges();
      let now = 0;
      let before = new Map<number, string>();
      for (const step of steps) {
        now += step.waitMs;
        const unique = new Map(step.peers.map((p) => [p.conn, p]));
        const peers = [...unique.values()].map((p) => toPeer(p.conn, p));
        for (const conn of before.keys()) if (!unique.has(conn)) choker.remove(conn as ConnId);
        const predicted = choker.explain(now as Millis, peers, step.seeding);
        choker[step.round ? 'round' : 'fill'](now as Millis, peers, step.seeding, out);

        const states = new Map(peers.map((p) => [p.conn as number, choker.state(p.conn)]));
        const count = (state: string) => [...states.values()].filter((s) => s === state).length;
        assert.ok(count('unchoked') <= slots, 'regular slots');
        assert.ok(count('optimistic') <= (slots === 0 ? 0 : 1), 'optimistic slot');
        for (const c of [...out.choke, ...out.unchoke, ...out.moved]) {
          assert.equal(c.from, before.get(c.conn) ?? 'choked');
          assert.equal(c.to, states.get(c.conn));
        }
        const changed = new Set([...out.choke, ...out.unchoke, ...out.moved].map((c) => c.conn as number));
        for (const p of peers) {
          if (!changed.has(p.conn)) assert.equal(states.get(p.conn), before.get(p.conn) ?? 'choked');
          if (p.uploadOnly) assert.notEqual(states.get(p.conn), 'optimistic');
          if (p.uploadOnly) assert.equal(states.get(p.conn), 'choked');
        }
        if (step.round) {
          const regular = (v: { would: string }) => v.would === 'unchoked';
          for (const v of predicted)
            assert.equal(states.get(v.conn) === 'unchoked', regular(v), `explain of ${v.conn}`);
          if (!step.seeding && policies.choker === titForTat) {
            for (const p of peers) if (p.snubbed && p.interested) assert.notEqual(states.get(p.conn), 'unchoked');
          }
          const waiting = peers.filter((p) => p.interested && !p.uploadOnly && states.get(p.conn) === 'choked');
          const { maySit } = step.seeding ? policies.seedChoker : policies.choker;
          if (waiting.some(maySit)) assert.equal(count('unchoked'), slots, 'no idle slot');
        } else {
          for (const c of out.choke) {
            const p = unique.get(c.conn);
            assert.ok(p === undefined || !p.interested || p.uploadOnly, 'fill chokes only who wants nothing');
          }
        }
        before = states;
      }
    }),
    { numRuns: 2000 },
  );
});

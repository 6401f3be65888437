import assert from 'node:assert/strict';
import { test } from 'node:test';
import fc from 'fast-check';
import { formatIp, readU16, seededRng } from '#base';
import { PeerRun } from '#tracker';

type Step = { kind: 'put'; peer: number; isSeeder: boolean } | { kind: 'remove'; peer: number };

const steps = fc.array(
  fc.oneof(
    {
      weight: 3,
      arbitrary: fc.record({ kind: fc.constant('put' as const), peer: fc.nat(150), isSeeder: fc.boolean() }),
    },
    { weight: 2, arbitrary: fc.record({ kind: fc.constant('remove' as const), peer: fc.nat(150) }) },
  ),
  { maxLength: 600, size: 'max' },
);

function addressOf(peer: number, addressBytes: 4 | 16): Uint8Array {
  const address = new Uint8Array(addressBytes).fill(7);
  address[addressBytes - 1] = peer % 10;
  return address;
}

for (const addressBytes of [4, 16] as const) {
  test(`a run of ${addressBytes}-byte addresses holds what a map would hold`, () => {
    fc.assert(
      fc.property(steps, fc.nat(), (all: Step[], seed) => {
        const run = new PeerRun({ addressBytes, seed });
        const model = new Map<number, boolean>();
        for (const step of all) {
          const address = addressOf(step.peer, addressBytes);
          const port = 1 + step.peer;
          const place = run.find(address, port);
          assert.equal(place >= 0, model.has(step.peer));
          if (step.kind === 'remove') {
            if (place >= 0) run.remove(place);
            model.delete(step.peer);
          } else {
            if (place < 0) run.add(address, { port, isSeeder: step.isSeeder, tick: step.peer });
            else run.setSeeder(place, step.isSeeder);
            model.set(step.peer, step.isSeeder);
          }
        }
        assert.equal(run.count, model.size);
        assert.equal(run.seederCount, [...model.values()].filter((isSeeder) => isSeeder).length);
        for (const [peer, isSeeder] of model) {
          const place = run.find(addressOf(peer, addressBytes), 1 + peer);
          assert.equal(run.isSeederAt(place), isSeeder);
          assert.equal(run.tickAt(place), peer);
        }
      }),
      { numRuns: 150, seed: 1 },
    );
  });
}

test('a sample is of the size asked, of different peers, of the right kind, without the asker', () => {
  fc.assert(
    fc.property(fc.nat(90), fc.nat(90), fc.nat(200), fc.integer(), (leechers, seeders, wanted, seed) => {
      const run = new PeerRun({ addressBytes: 4, seed });
      for (let i = 0; i < leechers + seeders; i++) {
        run.add(addressOf(i, 4), { port: 1 + i, isSeeder: i >= leechers, tick: 0 });
      }
      for (const leechersOnly of [false, true]) {
        for (const asker of [-1, 0, leechers, leechers + seeders - 1]) {
          if (asker >= run.count) continue;
          const available = run.availableTo(asker, leechersOnly);
          const count = Math.min(wanted, available);
          const into = new Uint8Array(count * 6);
          const end = run.sample(seededRng(seed), { asker, leechersOnly, count, into, at: 0 });
          assert.equal(end, into.length);
          const names = new Set<string>();
          for (let at = 0; at < end; at += 6) {
            const port = readU16(into, at + 4);
            names.add(`${formatIp(into.subarray(at, at + 4))} ${port}`);
            const place = run.find(into.subarray(at, at + 4), port);
            assert(place >= 0 && place !== asker);
            assert(!(leechersOnly && run.isSeederAt(place)));
          }
          assert.equal(names.size, count);
        }
      }
    }),
    { numRuns: 100, seed: 2 },
  );
});

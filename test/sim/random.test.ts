import assert from 'node:assert/strict';
import { test } from 'node:test';
import type { CryptoPort } from '#base';
import {
  drawPlan,
  drawSessionsPlan,
  type RandomReport,
  runPlan,
  runRandomSwarm,
  runSessions,
  type SwarmPlan,
  shrinkPlan,
} from '#sim';
import { nodeCrypto } from '../support/node-crypto.ts';
import { fixedPlans } from './fixed-plans.ts';

const crypto: CryptoPort = { ...nodeCrypto, random: () => assert.fail('chance comes from the seed') };
const transfer = (buffer: ArrayBuffer) => structuredClone(buffer, { transfer: [buffer] });

/** So many seeds take about 10 s of CPU. */
const SEED_COUNT = 100;
const SEEDS_A_TEST = 25;

function run(seed: number): RandomReport {
  return runRandomSwarm({ seed, crypto, transfer });
}

for (let first = 1; first <= SEED_COUNT; first += SEEDS_A_TEST) {
  test(`random swarms ${first} to ${first + SEEDS_A_TEST - 1}`, () => {
    for (let seed = first; seed < first + SEEDS_A_TEST; seed++) run(seed);
  });
}

test('random sessions of several torrents 1 to 40', () => {
  for (let seed = 1; seed <= 40; seed++) runSessions(drawSessionsPlan(seed), { crypto, transfer });
});

for (const { about, plan } of fixedPlans) {
  test(`a plan that failed once: ${about}`, () => {
    runPlan(plan, { crypto, transfer });
  });
}

test('one seed is one plan and one run, whether invariants are checked or not', () => {
  assert.deepEqual(drawPlan(7), drawPlan(7));
  // Plans are plain data: written down and read again they are the same.
  assert.deepEqual(runPlan(JSON.parse(JSON.stringify(drawPlan(7))), { crypto, checkEvery: 0 }), run(7));
  assert.notEqual(run(8).digest, run(7).digest);
});

test('a plan that fails is made as small as it still fails', () => {
  const plan = drawPlan(6);
  assert.ok(plan.members.length > 5 && plan.troubles.length > 3, 'a plan that can become smaller');
  const [guilty] = plan.troubles;
  let calls = 0;
  const fails = (smaller: SwarmPlan) => {
    calls++;
    return smaller.members.length >= 2 && smaller.troubles.some((trouble) => trouble.kind === guilty?.kind);
  };
  const smallest = shrinkPlan(plan, fails);
  assert.equal(smallest.members.length, 2);
  assert.deepEqual(
    smallest.troubles.map((trouble) => trouble.kind),
    [guilty?.kind],
  );
  assert.ok(calls < 300, `${calls} runs`);
});

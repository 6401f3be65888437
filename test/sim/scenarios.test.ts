import assert from 'node:assert/strict';
import { test } from 'node:test';
import type { CryptoPort } from '#base';
import { findScenario, runScenario, type Scenario, type ScenarioReport, scenarios } from '#sim';
import { nodeCrypto } from '../support/node-crypto.ts';

/** Chance comes from the seed: a world that asked this for any would not be repeatable. */
const crypto: CryptoPort = { ...nodeCrypto, random: () => assert.fail('chance comes from the seed') };

/** Seeds that once failed; each stays here for good. */
const fixedSeeds: readonly (readonly [scenario: string, seed: number])[] = [
  // A peer that takes a piece back was not told who else has it.
  ['shaky-disks', 5],
];

function run(scenario: Scenario, seed: number): ScenarioReport {
  return runScenario(scenario, {
    seed,
    crypto,
    transfer: (buffer) => structuredClone(buffer, { transfer: [buffer] }),
  });
}

for (const scenario of scenarios) {
  test(`${scenario.name}: ${scenario.about}`, () => {
    run(scenario, 1);
  });
}

for (const [name, seed] of fixedSeeds) {
  test(`${name} with seed ${seed}, which failed once`, () => {
    run(findScenario(name) as Scenario, seed);
  });
}

test('one seed is one run, whether invariants are checked or not and however buffers are taken away', () => {
  const scenario = findScenario('breaking-links') as Scenario;
  const { digest, eventCount, virtualSec } = run(scenario, 5);
  assert.deepEqual(pick(runScenario(scenario, { seed: 5, crypto, checkEvery: 0 })), { digest, eventCount, virtualSec });
  assert.notEqual(run(scenario, 6).digest, digest);
});

function pick({ digest, eventCount, virtualSec }: ScenarioReport): Partial<ScenarioReport> {
  return { digest, eventCount, virtualSec };
}

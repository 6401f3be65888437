import assert from 'node:assert/strict';
import { test } from 'node:test';
import type { CryptoPort } from '#base';
import { type Figures, jainIndex, judge, judgedSwarms, questions } from '#sim';
import { nodeCrypto } from '../support/node-crypto.ts';

/** Chance comes from the seed: a world that asked this for any would not be repeatable. */
const crypto: CryptoPort = { ...nodeCrypto, random: () => assert.fail('chance comes from the seed') };

/** Figures of a variant whose name begins with these words. */
function figuresOf(swarmName: string, questionName: string, words: string, seed = 1): Figures {
  const swarm = judgedSwarms.find(({ name }) => name === swarmName);
  const question = questions.find(({ name }) => name === questionName);
  const variant = question?.variants.find(({ name }) => name.startsWith(words));
  assert.ok(swarm !== undefined && variant !== undefined, `${swarmName}, ${questionName}: ${words}`);
  return judge(swarm, variant, { seed, crypto });
}

test('tit-for-tat: who gives nothing waits longer by a tenth and more, and who gives is not harmed', () => {
  const fair = figuresOf('free riders', 'choker', 'tit-for-tat');
  const blind = figuresOf('free riders', 'choker', 'round-robin');
  const ratio = (figures: Figures) => (figures.ridersSec as number) / figures.medianSec;
  assert.ok(ratio(fair) >= 1.1, `free riders took ${ratio(fair).toFixed(2)} times as long as contributors`);
  assert.ok(ratio(fair) > ratio(blind) + 0.1, `${ratio(blind).toFixed(2)} times where all are served alike`);
  assert.ok(
    fair.medianSec < blind.medianSec,
    `contributors: ${fair.medianSec} s, ${blind.medianSec} s if served alike`,
  );
});

test('rarest first: the rarest piece has more copies than in other orders, and two of them sooner', () => {
  const rarest = figuresOf('equal', 'picker', 'rarest, first 4');
  const random = figuresOf('equal', 'picker', 'random');
  const sequential = figuresOf('equal', 'picker', 'sequential');
  const told = JSON.stringify({ rarest, random, sequential });
  assert.ok(rarest.rarestMean > random.rarestMean * 1.25 && random.rarestMean > sequential.rarestMean, told);
  assert.ok(rarest.thinSec < random.thinSec * 0.9 && random.thinSec < sequential.thinSec * 0.9, told);
});

for (const swarm of judgedSwarms.filter(({ name, isHonest }) => isHonest && name !== 'mixed')) {
  test(`end-game: less than 1 % comes twice where everybody is honest (${swarm.name})`, () => {
    for (const seed of [1, 2]) {
      const { duplicateShare } = figuresOf(swarm.name, 'end-game', 'of who is silent', seed);
      assert.ok(duplicateShare < 0.01, `seed ${seed}: ${(duplicateShare * 100).toFixed(2)} %`);
    }
  });
}

test('an end-game that asks everybody is found out', () => {
  const { duplicateShare } = figuresOf('equal', 'end-game', 'of all, at once, of everybody');
  assert.ok(duplicateShare > 0.02, `${(duplicateShare * 100).toFixed(2)} % came twice`);
});

test("Jain's index: 1 where all are equal, 1/n where one has everything", () => {
  assert.equal(jainIndex([3, 3, 3]), 1);
  assert.equal(jainIndex([5, 0, 0, 0]), 0.25);
});

/** Threads that work on the same swarms at the same time: nothing is lost, nothing counted twice. */
import assert from 'node:assert/strict';
import { once } from 'node:events';
import { test } from 'node:test';
import { Worker } from 'node:worker_threads';
import { type Millis, seededRng } from '#base';
import { DenseStore, toTrackerLimits } from '#tracker';
import type { HammerResult, HammerTask } from '../support/store-hammer.js';
import { contentsOf } from '../support/store-model.js';

const THREADS = 2;
const NOW = 1_000 as Millis;

for (const swarms of [1, 200]) {
  test(`${THREADS} threads and a sweep on ${swarms} swarms: every peer and every count is right`, async () => {
    const limits = toTrackerLimits({ peersMax: 1_000_000, swarmsMax: 1_000, sweepPeersMax: 500 });
    const store = DenseStore.create({ limits, rng: seededRng(1) });
    const infoHashes = Array.from({ length: swarms }, (_, i) => seededRng(i).bytes(20));
    const workers = Array.from({ length: THREADS }, (_, i) => {
      const task: HammerTask = { share: store.share(), limits, seed: i + 1, announces: 160_000, infoHashes };
      return new Worker(new URL('../support/store-hammer.js', import.meta.url), { workerData: task });
    });
    const answers = workers.map(async (worker): Promise<HammerResult> => {
      const [result] = (await once(worker, 'message')) as [HammerResult];
      return result;
    });
    let isOver = false;
    const all = Promise.all(answers).finally(() => {
      isOver = true;
    });
    while (!isOver) {
      for (let i = 0; i < 20; i++) assert.equal(store.sweep(NOW), 0);
      await new Promise((resolve) => setImmediate(resolve));
    }
    const results = await all;
    assert.deepEqual(
      contentsOf(store, NOW).filter((line) => !line.includes('downloaded')),
      results.flatMap(({ lines }) => lines).sort(),
    );
    const counts = { complete: 0, incomplete: 0, downloaded: 0 };
    for (let cursor = 0; cursor >= 0; ) {
      cursor = store.walk(cursor, 1_000, (swarm) => {
        counts.complete += swarm.complete;
        counts.incomplete += swarm.incomplete;
        counts.downloaded += swarm.downloaded;
      });
    }
    const lines = results.flatMap((result) => result.lines);
    const stats = store.stats();
    assert.equal(counts.complete + counts.incomplete, lines.length);
    assert.equal(counts.complete, stats.seederCount);
    assert.equal(stats.peerCount4 + stats.peerCount6 + stats.peerCountWeb, lines.length);
    assert.equal(stats.seederCount, lines.filter((line) => line.endsWith('seeder')).length);
    // A swarm may be forgotten with its count when it is empty; these never are.
    assert.equal(
      counts.downloaded,
      results.reduce((sum, { completed }) => sum + completed, 0),
    );
    assert.equal(
      results.reduce((sum, { wrongAnswers }) => sum + wrongAnswers, 0),
      0,
    );
  });
}

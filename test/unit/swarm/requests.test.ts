import assert from 'node:assert/strict';
import { test } from 'node:test';
import type { Millis } from '#base';
import { limits } from '#room/swarm/limits';
import { RequestPipeline } from '#room/swarm/requests';

const KIB = 1024;

/** Blocks come at a steady rate for a while. @returns how many requests are open in the end */
function run(pipeline: RequestPipeline, from: number, seconds: number, rate: number): number {
  const gap = (16_384 * 1_000) / rate;
  for (let at = from; at < from + seconds * 1_000; at += gap) pipeline.onBlock(at as Millis, rate, 50, gap);
  return pipeline.depth;
}

test('the pipe is as deep as the rate asks for, and no deeper than may be', () => {
  const pipeline = new RequestPipeline();
  assert.equal(pipeline.depth, limits.requests.start);
  const blocksPerSec = (rate: number) => rate / 16_384;
  // Blocks of a slow line come seldom, so the pipe shrinks slowly.
  run(pipeline, 0, 60, 1_024 * KIB);
  const depth = run(pipeline, 60_000, 120, 512 * KIB);
  const least = (blocksPerSec(512 * KIB) * limits.requests.queueMs) / 1_000;
  assert.ok(depth >= least && depth <= least + 8, `${depth}, at least ${least}`);
  run(pipeline, 200_000, 20, 100 * 1_024 * KIB);
  assert.equal(pipeline.depth, limits.requests.max);
  pipeline.peerMax = 50;
  assert.equal(run(pipeline, 230_000, 1, 100 * 1_024 * KIB), 50);
});

test('a snub leaves one request; the next block opens the pipe again', () => {
  const pipeline = new RequestPipeline();
  run(pipeline, 0, 10, 4_096 * KIB);
  pipeline.onSnubbed();
  assert.equal(pipeline.depth, 1);
  pipeline.restart();
  assert.equal(pipeline.depth, limits.requests.start);
});

test('a peer that queues one request at a time is asked for one', () => {
  const pipeline = new RequestPipeline();
  pipeline.peerMax = 1;
  pipeline.restart();
  assert.deepEqual([pipeline.depth, pipeline.batch], [1, 1]);
  assert.equal(run(pipeline, 0, 10, 4_096 * KIB), 1);
});

/**
 * Cost of judging a piece that has come in, in memory: SHA-1 (v1), SHA-256 of each block and their tree (v2), both (hybrid), a piece in
 * one part and in parts of 16 KiB; and the hashes of its blocks, which are made of bad pieces only.
 */
import { createHash } from 'node:crypto';
import { nodeCrypto } from 'eider/create';
import { Bench } from 'tinybench';
import { Merkle } from '#metainfo';
import { hashBlocks, hashLeaves, judgePiece, type PieceParts } from '#room/node/disk/piece-hasher';
import type { PieceExpectation } from '#swarm';

const PIECE_BYTES = 1_048_576;
const BLOCK_BYTES = 16_384;

const piece = new Uint8Array(PIECE_BYTES).map((_, i) => Math.imul(i, 2_654_435_761) >>> 24);
const whole: PieceParts = (visit) => visit(piece, 0);
const blocks: PieceParts = (visit) => {
  for (let at = 0; at < PIECE_BYTES; at += BLOCK_BYTES) visit(piece.subarray(at, at + BLOCK_BYTES), at);
};

export async function run(): Promise<void> {
  const v1 = new Uint8Array(createHash('sha1').update(piece).digest());
  const leaves = PIECE_BYTES / BLOCK_BYTES;
  const v2 = { hash: new Merkle(nodeCrypto).root(hashLeaves(whole, PIECE_BYTES), 0, leaves), leaves };
  const bench = new Bench({ time: 1000, warmupTime: 200 });
  const judge = (name: string, parts: PieceParts, expect: PieceExpectation) => {
    if (judgePiece(parts, PIECE_BYTES, expect) !== 'ok') throw new Error(`${name}: the piece is not what is expected`);
    bench.add(name, () => void judgePiece(parts, PIECE_BYTES, expect));
  };
  judge('v1', whole, { v1 });
  judge('v1, in blocks', blocks, { v1 });
  judge('v2', whole, { v2 });
  judge('hybrid', whole, { v1, v2 });
  bench.add('hashes of blocks', () => void hashBlocks(whole, PIECE_BYTES));
  await bench.run();
  for (const task of bench.tasks) {
    if (task.result.state !== 'completed') throw new Error(`${task.name}: ${task.result.state}`);
    const { p50, min } = task.result.latency;
    const perGib = (ms: number) => ((ms * 1024) / 1000).toFixed(2);
    process.stdout.write(
      `${task.name.padEnd(18)} ${p50.toFixed(3)} ms a MiB, ${perGib(p50)} s/GiB (best ${perGib(min)})\n`,
    );
  }
}

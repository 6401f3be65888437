/**
 * Cost of reading the peer protocol: 64 MiB of stream per iteration, in the 64 KiB chunks that sockets give, with the 17-byte
 * requests of an uploader, and cut so badly that every message goes through the carry.
 */
import { Bench } from 'tinybench';
import {
  blockHeaderBytes,
  encodeMessage,
  encodeRequests,
  PeerDecoder,
  type PeerMessageSink,
  writeBlockHeader,
} from '#wire';

const MIB = 1_048_576;
const blockBytes = 16_384;
const chunkBytes = 65_536;

class CountingSink implements PeerMessageSink {
  messageCount = 0;
  byteCount = 0;
  onMessage(): void {
    this.messageCount++;
  }
  onBlockStart(): void {}
  onBlockBytes(bytes: Uint8Array): void {
    this.byteCount += bytes.length;
  }
  onBlockEnd(): void {}
}

/** Blocks of one piece, with a `have` after every eighth, as a busy swarm has it. */
function blockStream(blockCount: number): Uint8Array {
  const have = encodeMessage({ kind: 'have', piece: 12_345 });
  const haveCount = Math.floor(blockCount / 8);
  const out = new Uint8Array(blockCount * (blockHeaderBytes + blockBytes) + haveCount * have.length);
  let at = 0;
  for (let i = 0; i < blockCount; i++) {
    at = writeBlockHeader(out, at, i >> 6, (i & 63) * blockBytes, blockBytes) + blockBytes;
    if (i % 8 !== 7) continue;
    out.set(have, at);
    at += have.length;
  }
  return out;
}

function requestStream(count: number): Uint8Array {
  const triples = new Uint32Array(count * 3);
  for (let i = 0; i < count; i++) triples.set([i >> 6, (i & 63) * blockBytes, blockBytes], i * 3);
  return encodeRequests(triples);
}

function toChunks(bytes: Uint8Array, length: number): Uint8Array[] {
  const chunks: Uint8Array[] = [];
  for (let at = 0; at < bytes.length; at += length) chunks.push(bytes.subarray(at, at + length));
  return chunks;
}

export async function run(): Promise<void> {
  const blockCount = (64 * MIB) / blockBytes;
  const blocks = toChunks(blockStream(blockCount), chunkBytes);
  const requests = toChunks(requestStream(blockCount), chunkBytes);
  const splitRequests = toChunks(requestStream(blockCount), 7);
  const bench = new Bench({ time: 1000, warmupTime: 200 });
  const sink = new CountingSink();
  const push = (chunks: readonly Uint8Array[]) => () => {
    const decoder = new PeerDecoder();
    for (let i = 0; i < chunks.length; i++) decoder.push(chunks[i] as Uint8Array, sink);
  };
  bench.add(`${blockCount} blocks (64 MiB), 64 KiB chunks`, push(blocks));
  bench.add(`${blockCount} requests, 64 KiB chunks`, push(requests));
  bench.add(`${blockCount} requests, 7-byte chunks`, push(splitRequests));
  await bench.run();
  for (const task of bench.tasks) {
    if (task.result.state !== 'completed') throw new Error(`${task.name}: ${task.result.state}`);
    const milliseconds = task.result.latency.p50;
    const nanosecondsEach = (milliseconds * 1e6) / blockCount;
    process.stdout.write(
      `${task.name.padEnd(36)} ${milliseconds.toFixed(3).padStart(8)} ms median  ${nanosecondsEach.toFixed(0).padStart(5)} ns each\n`,
    );
  }
}

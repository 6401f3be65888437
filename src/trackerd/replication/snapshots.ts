import { randomBytes } from 'node:crypto';
import { setImmediate as nextTurn } from 'node:timers/promises';
import { BtError, type Millis, readU32, writeU32 } from '../../base/index.ts';
import { replicationLimits } from '../limits.ts';
import type { InboxPosition } from './inbox.ts';
import { parseJson } from './members.ts';
import type { RedisKeys } from './redis-keys.ts';
import type { RedisLink } from './redis-link.ts';
import { formatStreamId, parseStreamId, streamStart } from './stream-id.ts';
import type { SnapshotNotice, SnapshotPort } from './types.ts';

/**
 * Writes a snapshot of the store into Redis, chunk by chunk; the writer holds the lock and this keeps it held. Chunks end by themselves
 * after some minutes.
 *
 * @param o.position of the streams now: whoever loads the snapshot reads on from there
 * @throws what the link throws; chunks that are written are left to end
 */
export async function writeSnapshot(
  link: RedisLink,
  o: {
    keys: RedisKeys;
    node: string;
    port: SnapshotPort;
    position: InboxPosition;
    serverMs: number;
    signal: AbortSignal;
  },
): Promise<SnapshotNotice> {
  const id = randomBytes(8).toString('hex');
  let chunkCount = 0;
  let waiting: Uint8Array[] = [];
  let waitingBytes = 0;
  const flush = async (): Promise<void> => {
    if (waiting.length === 0) return;
    if (chunkCount >= replicationLimits.snapshotChunksMax) {
      throw new BtError('client/invalid', { what: 'the swarms are too large for a snapshot through Redis' });
    }
    const bundle = bundleOf(waiting, waitingBytes);
    waiting = [];
    waitingBytes = 0;
    await link.call('SET', o.keys.chunk(id, chunkCount++), bundle, 'EX', replicationLimits.snapshotChunkSec);
    if (chunkCount % 4 === 1) await link.call('PEXPIRE', o.keys.lock, replicationLimits.snapshotLockMs);
  };
  for (const chunk of o.port.take()) {
    o.signal.throwIfAborted();
    if (chunk.length > 0) {
      if (waitingBytes + chunk.length + 4 > replicationLimits.snapshotChunkBytesMax) await flush();
      waiting.push(chunk);
      waitingBytes += chunk.length + 4;
    }
    await nextTurn();
  }
  await flush();
  const { ids, sequences } = o.position;
  return { id, node: o.node, takenMs: o.serverMs, chunkCount, ids: ids.map(formatStreamId), sequences };
}

/**
 * Loads a snapshot from Redis into the store.
 *
 * @param o.takenAt when it was begun, by our own clock
 * @throws BtError `client/invalid` where chunks are gone, or what the port throws for a damaged one; what was loaded stays
 */
export async function loadSnapshot(
  link: RedisLink,
  o: { keys: RedisKeys; notice: SnapshotNotice; port: SnapshotPort; takenAt: Millis; signal: AbortSignal },
): Promise<void> {
  for (let i = 0; i < o.notice.chunkCount; i++) {
    o.signal.throwIfAborted();
    const bundle = await link.call('GET', o.keys.chunk(o.notice.id, i));
    if (!Buffer.isBuffer(bundle) || bundle.length > replicationLimits.snapshotChunkBytesMax) {
      throw new BtError('client/invalid', { what: `chunk ${i} of a snapshot is not in Redis any more` });
    }
    await nextTurn();
    let until = performance.now() + replicationLimits.applySliceMs;
    for (const chunk of chunksOf(bundle)) {
      for (const _ of o.port.merge(chunk, o.takenAt)) {
        if (performance.now() < until) continue;
        await nextTurn();
        until = performance.now() + replicationLimits.applySliceMs;
      }
    }
  }
}

/** Chunks of the store in one value of Redis, each behind its length. */
function bundleOf(chunks: readonly Uint8Array[], bytes: number): Uint8Array {
  const bundle = new Uint8Array(bytes);
  let at = 0;
  for (const chunk of chunks) {
    writeU32(bundle, at, chunk.length);
    bundle.set(chunk, at + 4);
    at += 4 + chunk.length;
  }
  return bundle;
}

/** @throws BtError `wire/truncated` */
export function* chunksOf(bundle: Uint8Array): Generator<Uint8Array> {
  for (let at = 0; at < bundle.length; ) {
    const end = at + 4 + (at + 4 <= bundle.length ? readU32(bundle, at) : 0);
    if (end > bundle.length || end === at + 4) {
      throw new BtError('wire/truncated', { message: 'snapshot in Redis', neededBytes: end, gotBytes: bundle.length });
    }
    yield bundle.subarray(at + 4, end);
    at = end;
  }
}

export function toPosition(notice: SnapshotNotice): InboxPosition {
  return { ids: notice.ids.map((id) => parseStreamId(id) ?? streamStart), sequences: notice.sequences };
}

/** @returns undefined where the text is no notice */
export function parseNotice(text: string): SnapshotNotice | undefined {
  const value = parseJson(text);
  if (value === undefined) return undefined;
  const { id, node, takenMs, chunkCount, ids, sequences } = value;
  if (typeof id !== 'string' || !/^[0-9a-f]{16}$/.test(id) || typeof node !== 'string') return undefined;
  if (!Number.isSafeInteger(takenMs) || !Number.isSafeInteger(chunkCount)) return undefined;
  if ((chunkCount as number) < 0 || (chunkCount as number) > replicationLimits.snapshotChunksMax) return undefined;
  if (
    !Array.isArray(ids) ||
    !ids.every((each) => typeof each === 'string') ||
    typeof sequences !== 'object' ||
    sequences === null
  )
    return undefined;
  const known: Record<string, readonly number[]> = {};
  for (const [name, numbers] of Object.entries(sequences)) {
    if (/^[0-9a-f]{16}$/.test(name) && Array.isArray(numbers) && numbers.every(Number.isSafeInteger))
      known[name] = numbers;
  }
  return {
    id,
    node,
    takenMs: takenMs as number,
    chunkCount: chunkCount as number,
    ids,
    sequences: known,
  };
}

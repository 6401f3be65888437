import { randomBytes } from 'node:crypto';
import { BtError } from '../../base/index.ts';
import { epochPrefix, type ReplicationCore } from './core.ts';
import type { RedisLink, RedisReply } from './redis-link.ts';
import { compareStreamIds, formatStreamId, parseStreamId, type StreamId, streamStart } from './stream-id.ts';

/**
 * What Redis still has of what it had: looked at whenever a link is new, before anything is sent or read.
 *
 * @throws BtError `client/invalid` where trackers of another version use the channel; what the link throws
 */
export async function meetServer(core: ReplicationCore, link: RedisLink): Promise<void> {
  const { keys, limits } = core;
  await readClock(core, link);
  const prefix = epochPrefix(limits.streamCount);
  await link.call('SET', keys.epoch, `${prefix}${randomBytes(8).toString('hex')}`, 'NX');
  const epoch = String(await link.call('GET', keys.epoch));
  if (!epoch.startsWith(prefix)) {
    throw new BtError('client/invalid', {
      what: `trackers of another version replicate through ${core.options.channel}: choose another channel`,
    });
  }
  if (core.epoch !== '' && core.epoch !== epoch) core.onRedisEmptied();
  core.epoch = epoch;
  await releaseLock(core, link);
  await Promise.all(Array.from({ length: limits.streamCount }, (_, stream) => meetStream(core, link, stream)));
}

/** Gives the lock of snapshots back that we may hold from a session that has ended: others wait for it. */
export async function releaseLock(core: ReplicationCore, link: RedisLink): Promise<void> {
  const holder = await link.call('GET', core.keys.lock);
  if (holder !== null && String(holder) === core.node) await link.call('DEL', core.keys.lock);
}

/** Learns the server's clock, half a round trip inexact. */
export async function readClock(core: ReplicationCore, link: RedisLink): Promise<void> {
  const before = core.now();
  const reply = await link.call('TIME');
  const middle = (before + core.now()) / 2;
  const [seconds, micros] = Array.isArray(reply) ? reply.map((part) => Number(String(part))) : [];
  const serverMs = (seconds ?? Number.NaN) * 1_000 + (micros ?? 0) / 1_000;
  if (Number.isFinite(serverMs)) core.clockOffsetMs = serverMs - middle;
}

/** @returns ids of the first entry and of the last that ever was; zero for a stream that is not there, or has no entries */
export async function edgesOf(
  core: ReplicationCore,
  link: RedisLink,
  stream: number,
): Promise<{ first: StreamId; last: StreamId }> {
  let reply: RedisReply;
  try {
    reply = await link.call('XINFO', 'STREAM', core.keys.stream(stream));
  } catch (error) {
    if (!String(error).includes('no such key')) throw error;
    return { first: streamStart, last: streamStart };
  }
  let first = streamStart;
  let last = streamStart;
  const fields = Array.isArray(reply) ? reply : [];
  for (let i = 0; i + 1 < fields.length; i += 2) {
    const value = fields[i + 1];
    if (String(fields[i]) === 'last-generated-id') last = parseStreamId(String(value)) ?? last;
    if (String(fields[i]) === 'first-entry' && Array.isArray(value)) first = parseStreamId(String(value[0])) ?? first;
  }
  return { first, last };
}

/** A server that fell may have lost the end of a stream, whatever it had acknowledged; and while we were away it has lost beginnings. */
async function meetStream(core: ReplicationCore, link: RedisLink, stream: number): Promise<void> {
  const { inbox, outbox } = core;
  const { first, last } = await edgesOf(core, link, stream);
  const read = inbox.readIdOf(stream);
  if (compareStreamIds(read, last) > 0) inbox.rewind(stream, last);
  else if (read !== streamStart && compareStreamIds(read, last) < 0) {
    // The entry that we read last is gone, and so may be some behind it.
    if (first === streamStart || compareStreamIds(read, first) < 0) inbox.counts.gaps++;
  }
  const kept = outbox.keptOf(stream);
  const newest = kept.at(-1);
  if (newest?.id === undefined || compareStreamIds(newest.id, first) < 0) return;
  let lost: (typeof kept)[number] | undefined;
  for (let i = kept.length - 1; i >= 0; i--) {
    const entry = kept[i] as (typeof kept)[number];
    if (entry.id === undefined || (await hasEntry(core, link, stream, entry.id))) break;
    lost = entry;
  }
  if (lost === undefined) return;
  // Where even the oldest we kept is lost, so may be what came before it.
  if (lost === kept[0]) core.isTold = false;
  outbox.takeBack(stream, lost);
}

async function hasEntry(core: ReplicationCore, link: RedisLink, stream: number, id: StreamId): Promise<boolean> {
  const text = formatStreamId(id);
  const reply = await link.call('XRANGE', core.keys.stream(stream), text, text);
  return Array.isArray(reply) && reply.length > 0;
}

import { randomBytes } from 'node:crypto';
import { setTimeout as pause } from 'node:timers/promises';
import { BtError } from '../../base/index.ts';
import { epochPrefix, type ReplicationCore } from './core.ts';
import type { RedisLink, RedisReply } from './redis-link.ts';
import { loadSnapshot, parseNotice, toPosition, writeSnapshot } from './snapshots.ts';
import { compareStreamIds, formatStreamId, parseStreamId, type StreamId, streamStart } from './stream-id.ts';
import type { SnapshotNotice } from './types.ts';

/** Redis forgot everything while it was there. */
class RedisEmptied extends Error {}

/**
 * One time of being connected to Redis, from looking what it still has to the first fault. Sending, reading, the heartbeat and snapshots
 * run side by side; a fault of one ends them all, and the next session makes good what was lost.
 */
export class Session {
  readonly #core: ReplicationCore;
  readonly #link: RedisLink;
  readonly #abort = new AbortController();
  #joined: (() => void) | undefined;
  /** The last sending of all streams: one begins when the one before is over. */
  #sent: Promise<unknown> = Promise.resolve();
  #isLeaving = false;

  /** @param onJoined called when this tracker has what the others had */
  constructor(core: ReplicationCore, link: RedisLink, onJoined: () => void) {
    this.#core = core;
    this.#link = link;
    this.#joined = onJoined;
  }

  /** @throws why the session has ended; the link is not closed */
  async run(signal: AbortSignal): Promise<never> {
    const stop = (): void => this.#abort.abort(signal.reason);
    signal.addEventListener('abort', stop, { once: true });
    try {
      signal.throwIfAborted();
      await this.#meet();
      await this.#beat();
      const parts = [this.#sending(), this.#receiving(), this.#beating()];
      // The first to fail ends the others, and all are over before another session begins.
      for (const part of parts) part.catch((error: unknown) => this.#abort.abort(error));
      await Promise.allSettled(parts);
      throw this.#abort.signal.reason;
    } finally {
      signal.removeEventListener('abort', stop);
      this.#abort.abort();
    }
  }

  /** Says goodbye with all that is left to say. */
  async leave(): Promise<void> {
    const core = this.#core;
    this.#isLeaving = true;
    core.outbox.seal(core.now(), 0);
    await this.#sendAll();
    await this.#link.call('HSET', core.keys.members, core.node, JSON.stringify(core.record('left')));
  }

  get #isOver(): boolean {
    return this.#abort.signal.aborted;
  }

  async #pause(ms: number): Promise<void> {
    await pause(ms, undefined, { signal: this.#abort.signal, ref: false });
  }

  // --- what Redis still has --------------------------------------------------------------------------------------------------------

  async #meet(): Promise<void> {
    const core = this.#core;
    const { keys, limits } = core;
    await this.#readClock();
    const prefix = epochPrefix(limits.streamCount);
    await this.#link.call('SET', keys.epoch, `${prefix}${randomBytes(8).toString('hex')}`, 'NX');
    const epoch = String(await this.#link.call('GET', keys.epoch));
    if (!epoch.startsWith(prefix)) {
      throw new BtError('client/invalid', {
        what: `trackers of another version replicate through ${core.options.channel}: choose another channel`,
      });
    }
    if (core.epoch !== '' && core.epoch !== epoch) core.onRedisEmptied();
    core.epoch = epoch;
    await Promise.all(Array.from({ length: limits.streamCount }, (_, stream) => this.#meetStream(stream)));
  }

  /** A server that fell may have lost the end of a stream, whatever it had acknowledged. */
  async #meetStream(stream: number): Promise<void> {
    const { inbox, outbox } = this.#core;
    const { first, last } = await this.#edges(stream);
    if (compareStreamIds(inbox.readIdOf(stream), last) > 0) inbox.rewind(stream, last);
    const kept = outbox.keptOf(stream);
    const newest = kept.at(-1);
    if (newest?.id === undefined || compareStreamIds(newest.id, first) < 0) return;
    let lost: (typeof kept)[number] | undefined;
    for (let i = kept.length - 1; i >= 0; i--) {
      const entry = kept[i] as (typeof kept)[number];
      if (entry.id === undefined || (await this.#has(stream, entry.id))) break;
      lost = entry;
    }
    if (lost === undefined) return;
    // Where even the oldest we kept is lost, so may be what came before it.
    if (lost === kept[0]) this.#core.isTold = false;
    outbox.takeBack(stream, lost);
  }

  async #has(stream: number, id: StreamId): Promise<boolean> {
    const text = formatStreamId(id);
    const reply = await this.#link.call('XRANGE', this.#core.keys.stream(stream), text, text);
    return Array.isArray(reply) && reply.length > 0;
  }

  /** @returns ids of the first entry and of the last that ever was; zero for a stream that is not there */
  async #edges(stream: number): Promise<{ first: StreamId; last: StreamId }> {
    let reply: RedisReply;
    try {
      reply = await this.#link.call('XINFO', 'STREAM', this.#core.keys.stream(stream));
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

  // --- out -------------------------------------------------------------------------------------------------------------------------

  async #sending(): Promise<void> {
    while (!this.#isOver) {
      await this.#sendAll();
      await this.#pause(this.#core.limits.batchMs);
    }
  }

  async #sendAll(): Promise<void> {
    const { streamCount } = this.#core.limits;
    this.#sent = this.#sent.then(() =>
      Promise.all(Array.from({ length: streamCount }, (_, stream) => this.#send(stream))),
    );
    await this.#sent;
  }

  /** One after the other, so that the numbers of a stream are in order whatever a cluster does with its slots. */
  async #send(stream: number): Promise<void> {
    const core = this.#core;
    const { outbox, keys, limits, counts } = core;
    for (let entry = outbox.next(stream, core.now()); entry !== undefined; entry = outbox.next(stream, core.now())) {
      const entriesMax = Math.max(16, Math.ceil(limits.streamBytesMax / limits.streamCount / (core.entryBytes + 64)));
      const { length } = entry.bytes;
      const key = keys.stream(stream);
      const reply = await this.#link.call('XADD', key, 'MAXLEN', '~', entriesMax, '*', 'e', entry.bytes);
      const id = parseStreamId(String(reply));
      if (id === undefined) throw new BtError('client/invalid', { what: 'Redis gave an entry no id' });
      outbox.acknowledge(stream, id, core.now());
      counts.entriesOut++;
      counts.bytesOut += length;
    }
  }

  // --- in --------------------------------------------------------------------------------------------------------------------------

  async #receiving(): Promise<void> {
    const core = this.#core;
    if (!core.hasJoined) await this.#join();
    core.setState(core.hasGap ? 'behind' : 'live', '');
    this.#joined?.();
    await this.#beat();
    const loading = this.#loading();
    loading.catch((error: unknown) => this.#abort.abort(error));
    while (!this.#isOver) {
      if (!(await this.#readOn())) await this.#pause(core.limits.batchMs / 2);
    }
    await loading.catch(() => {});
  }

  /** Reads a step, where what was read before is not too much already. @returns whether there is more to read at once */
  async #readOn(): Promise<boolean> {
    const core = this.#core;
    const isMore = core.inbox.queuedBytes < core.limits.queuedBytesMax && (await this.#read());
    core.apply();
    return isMore;
  }

  /** @returns whether there is more to read at once */
  async #read(): Promise<boolean> {
    const core = this.#core;
    const { streamCount, readEntriesMax } = core.limits;
    const streams = Array.from({ length: streamCount }, (_, stream) => stream);
    // The streams of a cluster are on several servers.
    const groups = this.#link.isCluster ? streams.map((stream) => [stream]) : [streams];
    const replies = await Promise.all(
      groups.map((group) =>
        this.#link.call(
          'XREAD',
          'COUNT',
          readEntriesMax,
          'STREAMS',
          ...group.map((stream) => core.keys.stream(stream)),
          ...group.map((stream) => formatStreamId(core.inbox.readIdOf(stream))),
        ),
      ),
    );
    let isMore = false;
    for (const [i, reply] of replies.entries()) {
      for (const part of Array.isArray(reply) ? reply : []) {
        if (this.#take(groups[i] ?? [], part) >= readEntriesMax) isMore = true;
      }
    }
    return isMore;
  }

  /** Takes what one stream has given: its key and its entries. @returns how many */
  #take(group: readonly number[], part: RedisReply): number {
    const core = this.#core;
    if (!Array.isArray(part)) return 0;
    const [key, entries] = part;
    const stream = group.find((candidate) => core.keys.stream(candidate) === String(key));
    if (stream === undefined || !Array.isArray(entries)) return 0;
    for (const entry of entries) {
      const [id, fields] = Array.isArray(entry) ? entry : [];
      const at = parseStreamId(String(id));
      if (at === undefined) continue;
      const bytes = Array.isArray(fields) ? fields[1] : undefined;
      const isOurs = Buffer.isBuffer(bytes) && bytes.length <= core.limits.entryReadBytesMax;
      core.inbox.push(stream, at, isOurs ? bytes : new Uint8Array(0));
      if (isOurs) core.entryBytes += (bytes.length - core.entryBytes) / 64;
    }
    return entries.length;
  }

  // --- joining and catching up -----------------------------------------------------------------------------------------------------

  async #join(): Promise<void> {
    const core = this.#core;
    core.setState('joining', '');
    const { streamCount } = core.limits;
    const wasTold = core.members.wasTold(core.options.name, core.serverNow());
    // Taken before the snapshot: a node that it does not know may have sent up to here.
    const ends = await Promise.all(Array.from({ length: streamCount }, (_, stream) => this.#edges(stream)));
    core.inbox.jump(
      undefined,
      ends.map(({ last }) => last),
    );
    const notice = core.members.hasLiveOther(core.serverNow()) ? await this.#askForSnapshot() : undefined;
    const { peerCount4, peerCount6 } = core.options.store.stats();
    // Peers of a snapshot on disk, or from before Redis could be reached.
    if (peerCount4 + peerCount6 > 0 && !wasTold) core.isTold = false;
    if (notice !== undefined) await this.#load(notice);
    // What the streams hold belongs to what the others have.
    while ((await this.#readOn()) || core.lagMs() > 0) await this.#pause(1);
    core.hasJoined = true;
  }

  /** @returns a snapshot that was begun after now, or undefined where nobody begins one */
  async #askForSnapshot(): Promise<SnapshotNotice | undefined> {
    const core = this.#core;
    const { keys, limits } = core;
    const askedMs = core.serverNow();
    let until = core.now() + limits.snapshotWaitMs;
    while (core.now() < until) {
      await this.#link.call('SET', keys.wanted, core.node, 'PX', limits.snapshotLockMs);
      const notice = parseNotice(String(await this.#link.call('GET', keys.snapshot)));
      if (notice !== undefined && notice.node !== core.node && notice.takenMs >= askedMs) return notice;
      const writer = await this.#link.call('GET', keys.lock);
      if (writer !== null && String(writer) !== core.node) until = core.now() + limits.snapshotWaitMs;
      else if (!core.members.hasLiveOther(core.serverNow())) return undefined;
      await this.#pause(limits.batchMs);
    }
    return undefined;
  }

  async #load(notice: SnapshotNotice): Promise<void> {
    const core = this.#core;
    const takenAt = core.toOwnTime(notice.takenMs);
    const { keys } = core;
    const { snapshots: port } = core.options;
    await loadSnapshot(this.#link, { keys, notice, port, takenAt, signal: this.#abort.signal });
    core.inbox.jump(toPosition(notice), []);
    core.counts.snapshotsLoaded++;
    core.options.onEvent({ type: 'snapshot-loaded', chunkCount: notice.chunkCount, node: notice.node });
  }

  /** Loads the snapshots that are for everybody, and one of another tracker where entries are missing. */
  async #loading(): Promise<void> {
    const core = this.#core;
    while (!this.#isOver) {
      const [notice] = core.notices;
      if (notice !== undefined) {
        await this.#loadForAll(notice);
        core.notices.shift();
      } else if (core.hasGap) {
        core.setState('behind', 'entries are missing');
        await this.#catchUp();
      } else if (core.state === 'behind') core.setState('live', '');
      await this.#pause(core.limits.batchMs);
    }
  }

  async #catchUp(): Promise<void> {
    const core = this.#core;
    const { gaps } = core.inbox.counts;
    const notice = await this.#askForSnapshot();
    // Where nobody has more than we have, what is missing comes with the peers' next announces.
    if (notice !== undefined) await this.#load(notice);
    core.gapsHealed = gaps;
  }

  /** The positions of its writer mean nothing to us: we go on where we are. */
  async #loadForAll(notice: SnapshotNotice): Promise<void> {
    const core = this.#core;
    const { keys } = core;
    const { snapshots: port } = core.options;
    const takenAt = core.toOwnTime(notice.takenMs);
    try {
      await loadSnapshot(this.#link, { keys, notice, port, takenAt, signal: this.#abort.signal });
    } catch (error) {
      if (!BtError.is(error)) throw error;
      core.counts.badNotices++;
      return;
    }
    core.counts.snapshotsLoaded++;
    core.options.onEvent({ type: 'snapshot-loaded', chunkCount: notice.chunkCount, node: notice.node });
  }

  // --- heartbeat, and snapshots for others -----------------------------------------------------------------------------------------

  async #beating(): Promise<void> {
    const core = this.#core;
    for (let beats = 1; !this.#isOver; beats++) {
      await this.#pause(core.limits.beatMs);
      await this.#beat();
      await this.#serveSnapshot();
      if (beats % 16 === 0) await this.#tidy();
    }
  }

  async #beat(): Promise<void> {
    const core = this.#core;
    const { keys } = core;
    await this.#readClock();
    const epoch = await this.#link.call('GET', keys.epoch);
    if (String(epoch) !== core.epoch) throw new RedisEmptied('Redis has lost everything');
    // What was said at leaving is the last word.
    if (this.#isLeaving) return;
    await this.#link.call('HSET', keys.members, core.node, JSON.stringify(core.record(core.state)));
    const members = await this.#link.call('HGETALL', keys.members);
    core.members.read(Array.isArray(members) ? members : []);
  }

  async #readClock(): Promise<void> {
    const core = this.#core;
    const before = core.now();
    const reply = await this.#link.call('TIME');
    const middle = (before + core.now()) / 2;
    const [seconds, micros] = Array.isArray(reply) ? reply.map((part) => Number(String(part))) : [];
    const serverMs = (seconds ?? Number.NaN) * 1_000 + (micros ?? 0) / 1_000;
    if (Number.isFinite(serverMs)) core.clockOffsetMs = serverMs - middle;
  }

  /** Writes a snapshot where another tracker asks for one, or where the others lack what we know. */
  async #serveSnapshot(): Promise<void> {
    const core = this.#core;
    const { keys, limits, node } = core;
    if (!core.hasJoined) return;
    const wanted = await this.#link.call('GET', keys.wanted);
    const isWanted = wanted !== null && String(wanted) !== node && core.state === 'live';
    const isExchange = !core.isTold;
    if (!isWanted && !isExchange) return;
    const lock = await this.#link.call('SET', keys.lock, node, 'NX', 'PX', limits.snapshotLockMs);
    if (lock === null) return;
    const notice = await writeSnapshot(this.#link, {
      keys,
      node,
      port: core.options.snapshots,
      position: core.inbox.position(),
      serverMs: Math.floor(core.serverNow()),
      signal: this.#abort.signal,
    });
    const text = JSON.stringify(notice);
    if (core.state === 'live') {
      await this.#link.call('SET', keys.snapshot, text, 'EX', limits.snapshotChunkSec);
      if (isWanted) await this.#link.call('DEL', keys.wanted);
    }
    await this.#link.call('DEL', keys.lock);
    if (isExchange) {
      core.outbox.addNotice(0, Buffer.from(text), core.now());
      core.isTold = true;
    }
    core.counts.snapshotsWritten++;
    const why = isExchange ? 'exchange' : 'asked';
    core.options.onEvent({ type: 'snapshot-written', chunkCount: notice.chunkCount, why });
  }

  async #tidy(): Promise<void> {
    const core = this.#core;
    const { keys, limits } = core;
    const oldest = Math.floor(core.serverNow() - limits.streamAgeMs);
    for (let stream = 0; stream < limits.streamCount; stream++) {
      await this.#link.call('XTRIM', keys.stream(stream), 'MINID', '~', `${oldest}-0`);
    }
    const forgotten = core.members.forgotten(core.serverNow());
    if (forgotten.length > 0) await this.#link.call('HDEL', keys.members, ...forgotten);
  }
}

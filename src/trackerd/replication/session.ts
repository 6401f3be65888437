import { setTimeout as pause } from 'node:timers/promises';
import { BtError } from '../../base/index.ts';
import type { ReplicationCore } from './core.ts';
import { Exchange } from './exchange.ts';
import { edgesOf, meetServer, readClock, releaseLock } from './meeting.ts';
import type { RedisLink, RedisReply } from './redis-link.ts';
import { formatStreamId, parseStreamId } from './stream-id.ts';

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
  readonly #exchange: Exchange;
  #joined: (() => void) | undefined;
  /** The last sending of all streams: one begins when the one before is over. */
  #sent: Promise<unknown> = Promise.resolve();
  #isLeaving = false;

  /** @param onJoined called when this tracker has what the others had */
  constructor(core: ReplicationCore, link: RedisLink, onJoined: () => void) {
    this.#core = core;
    this.#link = link;
    this.#joined = onJoined;
    this.#exchange = new Exchange({ core, link, signal: this.#abort.signal, pause: (ms) => this.#pause(ms) });
  }

  /** @throws why the session has ended; the link is not closed */
  async run(signal: AbortSignal): Promise<never> {
    const stop = (): void => this.#abort.abort(signal.reason);
    signal.addEventListener('abort', stop, { once: true });
    try {
      signal.throwIfAborted();
      await meetServer(this.#core, this.#link);
      await this.#beat();
      const parts = [this.#sending(), this.#receiving(), this.#beating(), this.#exchange.keepServing()];
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
    await releaseLock(core, this.#link);
  }

  get #isOver(): boolean {
    return this.#abort.signal.aborted;
  }

  async #pause(ms: number): Promise<void> {
    await pause(ms, undefined, { signal: this.#abort.signal, ref: false });
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
    const loading = this.#exchange.keepLoading();
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

  // --- joining ---------------------------------------------------------------------------------------------------------------------

  async #join(): Promise<void> {
    const core = this.#core;
    core.setState('joining', '');
    const { streamCount } = core.limits;
    const { peerCount4, peerCount6 } = core.options.store.stats();
    // Peers of a snapshot on disk, or from before Redis could be reached.
    if (peerCount4 + peerCount6 > 0 && !core.members.wasTold(core.options.name, core.serverNow())) core.isTold = false;
    // Taken before the snapshot: a node that it does not know may have sent up to here.
    const ends = await Promise.all(
      Array.from({ length: streamCount }, (_, stream) => edgesOf(core, this.#link, stream)),
    );
    core.inbox.jump(
      undefined,
      ends.map(({ last }) => last),
    );
    const isFetched = await this.#exchange.fetch();
    // Who is there and gives nothing may be dead, or too busy: we serve, and go on asking.
    if (!isFetched && core.members.hasGiver(core.serverNow())) core.inbox.counts.gaps++;
    // What the streams hold belongs to what the others have.
    while ((await this.#readOn()) || core.lagMs() > 0) await this.#pause(1);
    core.hasJoined = true;
  }

  // --- heartbeat -------------------------------------------------------------------------------------------------------------------

  async #beating(): Promise<void> {
    const core = this.#core;
    for (let beats = 1; !this.#isOver; beats++) {
      await this.#pause(core.limits.beatMs);
      await this.#beat();
      if (beats % 16 === 0) await this.#tidy();
    }
  }

  async #beat(): Promise<void> {
    const core = this.#core;
    const { keys } = core;
    await readClock(core, this.#link);
    const epoch = await this.#link.call('GET', keys.epoch);
    if (String(epoch) !== core.epoch) throw new RedisEmptied('Redis has lost everything');
    // What was said at leaving is the last word.
    if (this.#isLeaving) return;
    await this.#link.call('HSET', keys.members, core.node, JSON.stringify(core.record(core.state)));
    const members = await this.#link.call('HGETALL', keys.members);
    core.members.read(Array.isArray(members) ? members : []);
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

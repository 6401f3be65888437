import { BtError } from '../../base/index.ts';
import type { ReplicationCore } from './core.ts';
import type { RedisLink } from './redis-link.ts';
import { loadSnapshot, parseNotice, toPosition, writeSnapshot } from './snapshots.ts';
import type { SnapshotNotice } from './types.ts';

/** Snapshots between trackers, of one session: asked for and loaded, written for others. */
export class Exchange {
  readonly #core: ReplicationCore;
  readonly #link: RedisLink;
  readonly #signal: AbortSignal;
  readonly #pause: (ms: number) => Promise<void>;

  /** @param o.pause rejects when the session is over */
  constructor(o: {
    core: ReplicationCore;
    link: RedisLink;
    signal: AbortSignal;
    pause: (ms: number) => Promise<void>;
  }) {
    this.#core = o.core;
    this.#link = o.link;
    this.#signal = o.signal;
    this.#pause = o.pause;
  }

  /** Loads a snapshot that is begun after now, and goes on behind it. @returns false where no other tracker could give one */
  async fetch(): Promise<boolean> {
    const core = this.#core;
    const notice = core.members.hasGiver(core.serverNow()) ? await this.#ask() : undefined;
    if (notice === undefined) return false;
    await this.#load(notice);
    core.inbox.jump(toPosition(notice), []);
    return true;
  }

  /** Loads the snapshots that are for everybody, and one of another tracker where entries are missing; until the session is over. */
  async keepLoading(): Promise<never> {
    const core = this.#core;
    for (;;) {
      const [notice] = core.notices;
      if (notice !== undefined) {
        await this.#loadForAll(notice);
        core.notices.shift();
      } else if (core.hasGap) {
        core.setState('behind', 'entries are missing');
        const { gaps } = core.inbox.counts;
        // Where nobody else is there, what is missing comes with the peers' next announces.
        if ((await this.fetch()) || !core.members.hasGiver(core.serverNow())) core.gapsHealed = gaps;
      } else if (core.state === 'behind') core.setState('live', '');
      await this.#pause(core.limits.batchMs);
    }
  }

  /** Writes a snapshot where another tracker asks for one, or where the others lack what we know; until the session is over. */
  async keepServing(): Promise<never> {
    const core = this.#core;
    for (;;) {
      await this.#pause(core.limits.beatMs / 2);
      if (core.hasJoined) await this.#serve();
    }
  }

  async #ask(): Promise<SnapshotNotice | undefined> {
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
      else if (!core.members.hasGiver(core.serverNow())) return undefined;
      await this.#pause(limits.batchMs);
    }
    return undefined;
  }

  async #load(notice: SnapshotNotice): Promise<void> {
    const core = this.#core;
    const { keys } = core;
    const { snapshots: port, onEvent } = core.options;
    const takenAt = core.toOwnTime(notice.takenMs);
    await loadSnapshot(this.#link, { keys, notice, port, takenAt, signal: this.#signal });
    core.counts.snapshotsLoaded++;
    onEvent({ type: 'snapshot-loaded', chunkCount: notice.chunkCount, node: notice.node });
  }

  /** The positions of its writer mean nothing to us: we go on where we are. */
  async #loadForAll(notice: SnapshotNotice): Promise<void> {
    try {
      await this.#load(notice);
    } catch (error) {
      if (!BtError.is(error)) throw error;
      this.#core.counts.badNotices++;
    }
  }

  async #serve(): Promise<void> {
    const core = this.#core;
    const { keys, limits, node } = core;
    const wanted = await this.#link.call('GET', keys.wanted);
    // One that is behind itself gives what it has where nobody else can.
    const canGive = core.state === 'live' || !core.members.hasLiveOther(core.serverNow());
    const isWanted = wanted !== null && String(wanted) !== node && canGive;
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
      signal: this.#signal,
    });
    const text = JSON.stringify(notice);
    if (isWanted) {
      await this.#link.call('SET', keys.snapshot, text, 'EX', limits.snapshotChunkSec);
      await this.#link.call('DEL', keys.wanted);
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
}

import { ClientShares, HashTable, type HashTableData, type PolicyData, type TrackerHooks } from '../tracker/index.ts';
import type { TrackerRefusal } from '../wire/index.ts';
import { makeHooks as makePolicyHooks } from './policy/worker-policy.ts';
import { makeDeltaLog } from './replication/delta-log.ts';
import type { WorkerContext, WorkerPolicy } from './udp/worker-protocol.ts';

/** All that a thread needs to judge announces and to tell of them; posted to it at the start and at every change. */
export interface ThreadPolicy {
  readonly policy: PolicyData;
  /** Info-hashes of the catalogue, where only those are tracked. */
  readonly listed: HashTableData | undefined;
  /** Memory of `ClientShares`. */
  readonly clients: SharedArrayBuffer;
  /** Deltas for other trackers are wanted. */
  readonly isReplicated: boolean;
}

/** Kind of the messages that carry a `DeltaBatch`. */
export const deltasMessage = 'deltas';

/** Makes the tracker's own hooks in a worker thread. @param data a `ThreadPolicy` */
export function makeHooks(data: unknown, context: WorkerContext): WorkerPolicy {
  const { clients, isReplicated, listed, policy } = data as ThreadPolicy;
  const own = makePolicyHooks(policy, context);
  // First who it is: a stranger to a private tracker does not learn which torrents it has.
  const hooks: TrackerHooks[] = [...own.hooks];
  if (listed !== undefined) {
    const table = new HashTable(listed);
    hooks.push(listedOnly(() => table));
  }
  hooks.push(new ClientShares(clients));
  if (!isReplicated) return { ...own, hooks };
  const log = makeDeltaLog((batch) => context.send(deltasMessage, batch, [batch.bytes.buffer]));
  return {
    hooks: [...hooks, log],
    flush: (now) => {
      own.flush?.(now);
      log.flush(now, 0);
    },
  };
}

const UNLISTED: TrackerRefusal = { reason: 'this tracker serves only the torrents of its catalogue' };

/** Tracks only the torrents of a table. @param table may be another one, and another content, at each call */
export function listedOnly(table: () => HashTable): TrackerHooks {
  return { preAnnounce: (call) => (table().has(call.hashBytes, call.hashAt) ? undefined : UNLISTED) };
}

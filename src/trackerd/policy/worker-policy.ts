import { AccountLog, Policy, type PolicyData, type TrackerHooks } from '../../tracker/index.ts';
import type { WorkerContext, WorkerPolicy } from '../udp/worker-protocol.ts';

/** Records of a batch that is sent before its time. */
const BATCH_RECORDS = 512;
/** Kind of the messages that carry account records: give their data to `PolicyHost.takeAccounts`. */
export const accountsMessage = 'accounts';

/** Makes the hooks of policies in a worker thread, for `thread-hooks.ts`. @param policy `PolicyHost.data` */
export function makeHooks(policy: unknown, context: WorkerContext): WorkerPolicy {
  const data = policy as PolicyData;
  const hooks: TrackerHooks[] = [new Policy(data)];
  if (data.users === undefined) return { hooks };
  const log = new AccountLog({
    recordsMax: BATCH_RECORDS,
    onBatch: (batch) => context.send(accountsMessage, batch, [batch.buffer]),
  });
  return { hooks: [...hooks, log], flush: () => log.flush() };
}

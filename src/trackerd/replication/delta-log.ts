import { type DeltaBatch, DeltaLog } from '../../tracker/index.ts';
import { replicationLimits } from '../limits.ts';
import type { ReplicationLimits } from './types.ts';

/**
 * The hook that keeps deltas, for any thread. Apart from the rest of replication, so that a UDP thread does not load all that.
 *
 * @param onBatch hands a batch, whose buffer may be transferred, to `Replication.add` on the thread of that
 */
export function makeDeltaLog(
  onBatch: (batch: DeltaBatch) => void,
  limits: Pick<ReplicationLimits, 'streamCount' | 'entryBytesMax'> = replicationLimits,
): DeltaLog {
  return new DeltaLog({ streamCount: limits.streamCount, batchBytesMax: limits.entryBytesMax, onBatch });
}

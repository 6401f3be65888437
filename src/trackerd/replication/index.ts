export type { ReplicatedStore } from './inbox.ts';
export { replicationMetrics } from './metrics.ts';
export { parseRedisAddress, type RedisAddress } from './redis-address.ts';
export { Replication, type ReplicationOptions } from './replication.ts';
export { storeSnapshots } from './store-snapshots.ts';
export type {
  MemberFacts,
  ReplicationEvent,
  ReplicationFacts,
  ReplicationState,
  SnapshotPort,
} from './types.ts';

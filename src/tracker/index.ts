/**
 * tracker: The brain of a tracker: hooks, intervals, limits and the swarm store.
 *
 * May know: base, bencode, trace, wire, metainfo.
 * Must never know: node:*, the clock, randomness of its own, promises, swarm.
 */

export * from './accounts/accounts.ts';
export type { PairAccount, TorrentAccount, UserAccount } from './accounts/ledger.ts';
export { AccountLog, AccountRecord, accountRecordBytes } from './accounts/record.ts';
export { encodeAccounts, restoreAccounts } from './accounts/snapshot.ts';
export type { Suspicion, SuspicionKind } from './accounts/suspicions.ts';
export * from './address-limits.ts';
export * from './calls.ts';
export * from './client-shares.ts';
export * from './connection-id.ts';
export * from './counters.ts';
export * from './deltas.ts';
export * from './hooks.ts';
export * from './limits.ts';
export * from './logic.ts';
export * from './offenders.ts';
export * from './overload.ts';
export * from './policy/index.ts';
export * from './refusals.ts';
export * from './relay/connection.ts';
export * from './relay/limits.ts';
export * from './relay/relay.ts';
export * from './siphash.ts';
export * from './snapshot.ts';
export * from './snapshot-chunk.ts';
export * from './store/dense-store.ts';
export { RunCopy, type WalkedSwarm } from './store/walker.ts';
export * from './swarm-store.ts';

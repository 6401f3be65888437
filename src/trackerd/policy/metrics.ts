import type { Accounts } from '../../tracker/index.ts';
import type { MetricFamily } from '../web/ports.ts';
import type { PrivateUsers } from './users.ts';

/** What monitoring is told of a private tracker; of a public one nothing. */
export function policyMetrics({
  users,
  accounts,
}: {
  readonly users: Pick<PrivateUsers, 'size'> | undefined;
  readonly accounts: Accounts | undefined;
}): MetricFamily[] {
  if (users === undefined || accounts === undefined) return [];
  const family = (name: string, type: MetricFamily['type'], help: string, value: number): MetricFamily => ({
    ...{ name, type, help },
    samples: [{ value }],
  });
  const { ledger, sessions, suspicions } = accounts;
  return [
    family('users', 'gauge', 'Users of the private tracker.', users.size()),
    family('account_sessions', 'gauge', 'Clients of users that are there, or were until lately.', sessions.count),
    family('account_pairs', 'gauge', 'Pairs of user and torrent with sums of their own.', ledger.pairs.count),
    family('account_bytes', 'gauge', 'Memory of the accounts.', ledger.byteLength + sessions.byteLength),
    family('account_suspicions_total', 'counter', 'Reports of users that cannot be true.', suspicions.count),
    family(
      'account_overflows_total',
      'counter',
      'Reports that were not accounted because there are too many clients or torrents.',
      accounts.overflowCount,
    ),
  ];
}

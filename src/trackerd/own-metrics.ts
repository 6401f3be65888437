import type { Offenders } from '../tracker/index.ts';
import type { CatalogueService } from './catalogue/service.ts';
import type { PolicyHost } from './policy/index.ts';
import { policyMetrics } from './policy/metrics.ts';
import { type Replication, replicationMetrics } from './replication/index.ts';
import type { MetricFamily } from './web/ports.ts';

/** What monitoring is told of parts that not every tracker has, and of who offends. */
export function collectOwnMetrics(o: {
  readonly replication: Replication | undefined;
  readonly catalogue: CatalogueService | undefined;
  readonly policy: PolicyHost;
  readonly offenders: Offenders;
}): MetricFamily[] {
  return [
    ...(o.replication === undefined ? [] : replicationMetrics(o.replication.facts())),
    ...(o.catalogue === undefined ? [] : [catalogueFamily(o.catalogue)]),
    ...policyMetrics(o.policy),
    ...offenderFamilies(o.offenders),
  ];
}

function catalogueFamily({ catalogue }: CatalogueService): MetricFamily {
  const samples = [{ value: catalogue.size }];
  return { name: 'catalogue_torrents', type: 'gauge', help: 'Torrents in the catalogue.', samples };
}

/** Of those on the list: it forgets whoever others push off it, so these are no counters. */
export function offenderFamilies(offenders: Offenders): MetricFamily[] {
  const all = offenders.top(Number.POSITIVE_INFINITY);
  const sum = (kind: 'expired' | 'forged' | 'limited') => ({
    value: all.reduce((total, offender) => total + offender[kind], 0),
    labels: { kind },
  });
  return [
    { name: 'offenders', type: 'gauge', help: 'Addresses on the list of offenders.', samples: [{ value: all.length }] },
    {
      name: 'offences',
      type: 'gauge',
      help: 'Offences of the addresses on the list of offenders.',
      samples: [sum('expired'), sum('forged'), sum('limited')],
    },
  ];
}

import type { CounterName } from '../../tracker/index.ts';
import { type CountFacts, readCounter } from './counts.ts';
import type { MetricFamily, TrackerFacts, TrackerNumbers } from './ports.ts';
import type { ProcessNumbers } from './process-numbers.ts';

/** Everything that `/metrics` tells, component by component. */
export function collectFamilies(facts: TrackerFacts, process: ProcessNumbers): MetricFamily[] {
  return [
    ...swarmFamilies(facts.numbers()),
    healthFamily(facts),
    ...clientFamilies(facts),
    ...replicationFamilies(facts),
    ...processFamilies(process),
    gauge('info', 'Version of the tracker; always 1.', 1, { version: facts.version }),
    ...(facts.metrics?.() ?? []),
  ];
}

function gauge(name: string, help: string, value: number, labels?: Readonly<Record<string, string>>): MetricFamily {
  return { name, type: 'gauge', help, samples: [labels === undefined ? { value } : { value, labels }] };
}

function swarmFamilies(n: TrackerNumbers): MetricFamily[] {
  const leechers = n.peerCount4 + n.peerCount6 + n.peerCountWeb - n.seederCount;
  return [
    gauge('uptime_seconds', 'Time since the start.', n.uptimeMs / 1_000),
    gauge('swarms', 'Torrents in the store.', n.swarmCount),
    {
      name: 'peers',
      type: 'gauge',
      help: 'Peers in the store, by how they are reached.',
      samples: [
        { value: n.peerCount4, labels: { network: 'ipv4' } },
        { value: n.peerCount6, labels: { network: 'ipv6' } },
        { value: n.peerCountWeb, labels: { network: 'webrtc' } },
      ],
    },
    gauge('seeders', 'Peers that have everything.', n.seederCount),
    gauge('leechers', 'Peers that lack something.', leechers),
    ...counterFamilies(n.counters),
    ...(n.storeBytes === undefined
      ? []
      : [gauge('store_bytes', 'Memory that the store has used so far.', n.storeBytes)]),
  ];
}

function counterFamilies(counters: Readonly<Record<CounterName, number>>): MetricFamily[] {
  const all = Object.entries(counters).map(([name, value]) => ({ ...readCounter(name as CounterName), value }));
  const samplesOf = (subject: CountFacts['subject'], labelsOf: (c: CountFacts) => Record<string, string>) =>
    all
      .filter((c) => c.subject === subject)
      .map((c) => ({ value: c.value, labels: { transport: c.transport, ...labelsOf(c) } }));
  return [
    {
      name: 'requests_total',
      type: 'counter',
      help: 'Requests by transport and kind: connect, announce, scrape, or why one was not answered as asked.',
      samples: samplesOf('request', ({ kind, network }) => (network === undefined ? { kind } : { kind, network })),
    },
    {
      name: 'bytes_total',
      type: 'counter',
      help: 'Bytes of requests and answers, without the headers of IP, UDP and TCP.',
      samples: samplesOf('bytes', ({ kind }) => ({ direction: kind })),
    },
    {
      name: 'connections',
      type: 'gauge',
      help: 'Connections open now.',
      samples: samplesOf('connections', () => ({})),
    },
  ];
}

function healthFamily(facts: TrackerFacts): MetricFamily {
  return gauge(
    'healthy',
    '1 = ok, 0.5 = degraded, 0 = failing.',
    { ok: 1, degraded: 0.5, failing: 0 }[facts.health().state],
  );
}

function clientFamilies(facts: TrackerFacts): MetricFamily[] {
  const clients = facts.clients?.();
  if (clients === undefined) return [];
  const samples = clients.map(({ prefix, count }) => ({ value: count, labels: { prefix } }));
  return [{ name: 'clients', type: 'gauge', help: 'Clients by the beginning of their peer id.', samples }];
}

function replicationFamilies(facts: TrackerFacts): MetricFamily[] {
  const replication = facts.replication?.();
  if (replication === undefined) return [];
  return [
    gauge('replication_connected', 'Whether the replication server is there.', replication.isConnected ? 1 : 0),
    gauge(
      'replication_lag_seconds',
      'Age of what other trackers know and this one does not yet.',
      replication.lagMs / 1_000,
    ),
    gauge('replication_trackers', 'Other trackers seen lately.', replication.others.length),
  ];
}

function processFamilies(p: ProcessNumbers): MetricFamily[] {
  return [
    gauge('process_resident_bytes', 'Resident memory of the process.', p.residentBytes),
    gauge('process_heap_bytes', 'JavaScript heap in use.', p.heapBytes),
    {
      name: 'process_cpu_seconds_total',
      type: 'counter',
      help: 'CPU time of all threads.',
      samples: [{ value: p.cpuSec }],
    },
    gauge('event_loop_lag_seconds', 'Longest delay of the main thread in the last 10 seconds.', p.loopLagMs / 1_000),
  ];
}

import type { MetricFamily } from '../web/ports.ts';
import type { ReplicationFacts } from './types.ts';

/** What monitoring wants to know of replication, beside the few numbers of every page. */
export function replicationMetrics(f: ReplicationFacts): MetricFamily[] {
  const counter = (name: string, help: string, value: number): MetricFamily => ({
    name: `replication_${name}_total`,
    type: 'counter',
    help,
    samples: [{ value }],
  });
  const inAndOut = (name: string, help: string, into: number, out: number): MetricFamily => ({
    name: `replication_${name}_total`,
    type: 'counter',
    help,
    samples: [
      { value: into, labels: { direction: 'in' } },
      { value: out, labels: { direction: 'out' } },
    ],
  });
  return [
    {
      name: 'replication_state',
      type: 'gauge',
      help: '1 for the state that this tracker is in.',
      samples: (['alone', 'joining', 'live', 'behind'] as const).map((state) => ({
        value: f.state === state ? 1 : 0,
        labels: { state },
      })),
    },
    inAndOut('deltas', 'Announces told by other trackers and told to them.', f.deltasIn, f.deltasOut),
    inAndOut('entries', 'Entries of streams.', f.entriesIn, f.entriesOut),
    inAndOut('bytes', 'Bytes of these entries.', f.bytesIn, f.bytesOut),
    {
      name: 'replication_unsent_bytes',
      type: 'gauge',
      help: 'Deltas that wait for the server.',
      samples: [{ value: f.unsentBytes }],
    },
    {
      name: 'replication_queued_entries',
      type: 'gauge',
      help: 'Entries that are read and not applied.',
      samples: [{ value: f.lagEntries }],
    },
    counter('dropped_bytes', 'Deltas given up because the server was away for too long.', f.droppedBytes),
    counter('missed_entries', 'Entries of others that were gone before they were read.', f.gaps),
    counter('duplicate_entries', 'Entries that came twice and were applied once.', f.duplicates),
    counter('malformed_entries', 'Entries that make no sense.', f.malformed),
    counter('outdated_deltas', 'Deltas older than what this tracker knew by itself.', f.outdated),
    counter('snapshots_written', 'Snapshots written for others.', f.snapshotsWritten),
    counter('snapshots_loaded', 'Snapshots of others loaded.', f.snapshotsLoaded),
    counter('connects', 'Connections made to the server.', f.connects),
  ];
}

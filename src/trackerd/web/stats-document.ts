import { z } from '@hono/zod-openapi';
import { readConnections, sumRequests } from './counts.ts';
import type { RateHistory } from './history.ts';
import type { TrackerFacts } from './ports.ts';
import type { ProcessMeter } from './process-numbers.ts';

/** `/stats.json`: what the page shows, for programs. Fields may be added; absent parts are `null`. */
export interface StatsDocument {
  readonly version: string;
  readonly uptimeSec: number;
  readonly health: { readonly state: 'ok' | 'degraded' | 'failing'; readonly reasons: string[] };
  readonly torrents: number;
  readonly peers: { readonly ipv4: number; readonly ipv6: number; readonly webrtc: number };
  readonly seeders: number;
  readonly leechers: number;
  /** By transport and kind, since the start. */
  readonly requests: Record<string, Record<string, number>>;
  readonly connections: Record<string, number>;
  readonly process: {
    readonly residentBytes: number;
    readonly heapBytes: number;
    readonly cpuSec: number;
    readonly loopLagMs: number;
  };
  /** Bytes of the store of swarms, where it tells; it never shrinks. */
  readonly storeBytes: number | null;
  readonly replication: { readonly isConnected: boolean; readonly lagMs: number; readonly others: string[] } | null;
  readonly clients: { readonly prefix: string; readonly count: number }[] | null;
  readonly topSwarms:
    | {
        readonly infoHash: string;
        readonly seeders: number;
        readonly leechers: number;
        readonly downloads: number;
        readonly name?: string | undefined;
      }[]
    | null;
  readonly history: {
    readonly stepMs: number;
    readonly announceRates: Record<string, number[]>;
    readonly peers: number[];
  };
}

const count = z.int().min(0);

export const statsSchema: z.ZodType<StatsDocument> = z
  .object({
    version: z.string(),
    uptimeSec: z.number(),
    health: z.object({ state: z.enum(['ok', 'degraded', 'failing']), reasons: z.array(z.string()) }),
    torrents: count,
    peers: z.object({ ipv4: count, ipv6: count, webrtc: count }),
    seeders: count,
    leechers: count,
    requests: z.record(z.string(), z.record(z.string(), count)),
    connections: z.record(z.string(), count),
    process: z.object({ residentBytes: count, heapBytes: count, cpuSec: z.number(), loopLagMs: z.number() }),
    storeBytes: count.nullable(),
    replication: z.object({ isConnected: z.boolean(), lagMs: z.number(), others: z.array(z.string()) }).nullable(),
    clients: z.array(z.object({ prefix: z.string(), count })).nullable(),
    topSwarms: z
      .array(
        z.object({
          infoHash: z.string(),
          seeders: count,
          leechers: count,
          downloads: count,
          name: z.string().optional(),
        }),
      )
      .nullable(),
    history: z.object({
      stepMs: count,
      announceRates: z.record(z.string(), z.array(z.number())),
      peers: z.array(z.number()),
    }),
  })
  .openapi('Stats');

export function collectStats(
  facts: TrackerFacts,
  from: { readonly history: RateHistory; readonly meter: ProcessMeter },
): StatsDocument {
  const n = facts.numbers();
  const { state, reasons } = facts.health();
  const replication = facts.replication?.();
  const { stepMs, announceRates, peers } = from.history.read();
  return {
    version: facts.version,
    uptimeSec: Math.floor(n.uptimeMs / 1_000),
    health: { state, reasons: [...reasons] },
    torrents: n.swarmCount,
    peers: { ipv4: n.peerCount4, ipv6: n.peerCount6, webrtc: n.peerCountWeb },
    seeders: n.seederCount,
    leechers: n.peerCount4 + n.peerCount6 + n.peerCountWeb - n.seederCount,
    requests: sumRequests(n.counters),
    connections: readConnections(n.counters),
    process: from.meter.read(),
    storeBytes: n.storeBytes ?? null,
    replication: replication === undefined ? null : { ...replication, others: [...replication.others] },
    clients: facts.clients?.().map((client) => ({ ...client })) ?? null,
    topSwarms: facts.isPrivate ? null : (facts.topSwarms?.().map((swarm) => ({ ...swarm })) ?? null),
    history: {
      stepMs,
      announceRates: Object.fromEntries(Object.entries(announceRates).map(([t, rates]) => [t, [...rates]])),
      peers: [...peers],
    },
  };
}

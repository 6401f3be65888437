import type { CounterName } from '../../tracker/index.ts';

export type Transport = 'udp' | 'http' | 'ws';
export const transports: readonly Transport[] = ['udp', 'http', 'ws'];

/** A counter of the tracker in the words of metrics and pages. */
export interface CountFacts {
  readonly transport: Transport;
  /** `request`: something asked; `bytes`; `connections`: open now. */
  readonly subject: 'request' | 'bytes' | 'connections';
  /** Of requests: `connect`, `announce`, `scrape`, or why one was not answered as asked. Of bytes: `in`, `out`. */
  readonly kind: string;
  /** Of announces. */
  readonly network: 'ipv4' | 'ipv6' | undefined;
}

const good: Readonly<Record<string, string>> = { Connects: 'connect', Announces: 'announce', Scrapes: 'scrape' };

/** Kinds of requests that were answered as asked. */
export const goodKinds: ReadonlySet<string> = new Set([...Object.values(good), 'offers_relayed', 'answers_relayed']);

/** Reads the name of a counter: transport first, then what it counts. */
export function readCounter(name: CounterName): CountFacts {
  const [, transport = 'udp', rest = '', digit] = /^(udp|http|ws)(.*?)([46]?)$/.exec(name) ?? [];
  const network = digit === '4' ? 'ipv4' : digit === '6' ? 'ipv6' : undefined;
  const common = { transport: transport as Transport, network } as const;
  const bytes = /^Bytes(In|Out)$/.exec(rest);
  if (bytes !== null) return { ...common, subject: 'bytes', kind: (bytes[1] as string).toLowerCase() };
  if (rest === 'Connections') return { ...common, subject: 'connections', kind: 'open' };
  const kind = good[rest] ?? rest.replace(/(?<=.)[A-Z]/g, (letter) => `_${letter}`).toLowerCase();
  return { ...common, subject: 'request', kind };
}

/** Requests by transport and kind, networks added up; transports without any counter are left out. */
export function sumRequests(counters: Readonly<Record<CounterName, number>>): Record<string, Record<string, number>> {
  const sums: Record<string, Record<string, number>> = {};
  for (const [name, count] of Object.entries(counters)) {
    const { transport, subject, kind } = readCounter(name as CounterName);
    if (subject !== 'request') continue;
    const kinds = (sums[transport] ??= {});
    kinds[kind] = (kinds[kind] ?? 0) + count;
  }
  return sums;
}

/** Connections open now, by transport. */
export function readConnections(counters: Readonly<Record<CounterName, number>>): Record<string, number> {
  return { http: counters.httpConnections, ws: counters.wsConnections };
}

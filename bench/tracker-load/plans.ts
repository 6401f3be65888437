import type { LoadPhase } from './load-process.ts';
import type { Distribution } from './population.ts';

/** How peers are spread over torrents. */
export interface LoadPlan {
  readonly name: string;
  readonly title: string;
  readonly peerCount: number;
  readonly torrentCount: number;
  readonly distribution: Distribution;
  readonly hasHttp: boolean;
}

/** @param peerCount 1,000,000 in the full run; torrents go with it */
export function makePlans(peerCount: number): readonly LoadPlan[] {
  const per = peerCount / 1_000_000;
  const plan = (name: string, torrents: number, distribution: Distribution, hasHttp: boolean): LoadPlan => {
    const torrentCount = Math.max(500, Math.round(torrents * per));
    const how = distribution === 'zipf' ? ', zipf 1' : '';
    const title = `${peerCount.toLocaleString('en')} peers over ${torrentCount.toLocaleString('en')} torrents${how}`;
    return { name, title, peerCount, torrentCount, distribution, hasHttp };
  };
  return [
    plan('10k', 10_000, 'uniform', true),
    plan('300k', 300_000, 'uniform', false),
    plan('zipf', 10_000, 'zipf', false),
  ];
}

/**
 * Requests under way: few enough for the smallest receive buffer (212,992 bytes unless the tracker asks for more; an announce takes 768
 * of them, a scrape of 50 torrents 2,304), so that nothing is lost.
 */
const WINDOW = 192;
const SCRAPE_50_WINDOW = 64;
const CONNECTIONS = 64;

/** @param scale 1 in the full run, less for slow programs and quick runs */
export function makePhases(plan: LoadPlan, scale: number, udpWindow = WINDOW): readonly LoadPhase[] {
  const many = (answers: number) => ({ answers: Math.max(500, Math.round(answers * scale)) });
  const warmup = Math.max(200, Math.round(20_000 * scale));
  const udp: LoadPhase[] = [
    { name: 'fill', work: 'fill', answers: plan.peerCount, window: udpWindow },
    { name: 'UDP announce', work: 'announce', ...many(400_000), window: udpWindow },
    { name: 'UDP connect + announce', work: 'connect-announce', ...many(300_000), warmup, window: udpWindow },
    { name: 'UDP scrape of 1', work: 'scrape', torrents: 1, ...many(300_000), warmup, window: udpWindow },
    {
      name: 'UDP scrape of 50',
      work: 'scrape',
      torrents: 50,
      ...many(100_000),
      warmup,
      window: Math.min(udpWindow, SCRAPE_50_WINDOW),
    },
  ];
  if (!plan.hasHttp) return udp;
  const http = { window: CONNECTIONS, warmup: Math.round(warmup / 4) };
  return [
    ...udp,
    { name: 'HTTP announce, keep-alive', work: 'http-announce', keepsAlive: true, ...many(60_000), ...http },
    { name: 'HTTP announce, closing', work: 'http-announce', keepsAlive: false, ...many(15_000), ...http },
    { name: 'HTTP scrape, keep-alive', work: 'http-scrape', keepsAlive: true, ...many(40_000), ...http },
  ];
}

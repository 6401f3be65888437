import type { Rng } from '../../base/index.ts';
import { chance, logBetween, pick } from './draws.ts';
import type { ClientPlan, MemberPlan, Trouble } from './plan.ts';

/** Instants at which something may begin. Small contents are over in seconds, so early is likelier. */
const AT_MS = { min: 200, max: 120_000 };
const FOR_MS = { min: 100, max: 60_000 };

type Kind = Trouble['kind'];

/** What may go wrong, more often what is likelier to meet something under way. */
const kinds: readonly Kind[] = [
  'leave',
  'pause',
  'pause',
  'kill',
  'kill',
  'kill',
  'partition',
  'reset',
  'darken',
  'dial-failures',
  'tracker',
  'disk-errors',
  'disk-errors',
  'file-broken',
  'disk-full',
  'flips',
  'read-only',
  'open-fails',
  'file-cut',
  'clock',
  'rates',
  'recheck',
  'urgent',
];

const moods = ['down', 'silent', 'garbage', 'refusing', 'slow'] as const;

export function drawTrouble(rng: Rng, members: readonly MemberPlan[], fileCount: number): Trouble {
  const clients = members.filter((member): member is ClientPlan => member.kind === 'client');
  const atMs = logBetween(rng, AT_MS.min, AT_MS.max);
  const forMs = logBetween(rng, FOR_MS.min, FOR_MS.max);
  const who = pick(rng, clients).name;
  const kind = pick(rng, kinds);
  switch (kind) {
    case 'leave':
    case 'recheck':
      return { kind, who, atMs };
    case 'pause':
    case 'read-only':
    case 'open-fails':
      return { kind, who, atMs, forMs };
    case 'kill':
      return { kind, who, how: chance(rng, 0.3) ? 'power' : 'process', atMs, forMs: Math.min(forMs, 20_000) };
    case 'partition':
      return { kind, who: members.filter(() => chance(rng, 0.5)).map((member) => member.name), atMs, forMs };
    case 'reset':
    case 'darken':
      return { kind, atMs, forMs, everyMs: logBetween(rng, 300, 10_000) };
    case 'dial-failures':
      return { kind, rate: rng.unit(), atMs, forMs };
    case 'tracker':
      // Often from the beginning: who has found its peers does not notice.
      return { kind, tracker: rng.below(2), mood: pick(rng, moods), atMs: chance(rng, 0.5) ? 0 : atMs, forMs };
    case 'disk-errors': {
      const rate = () => (chance(rng, 0.3) ? 0 : logBetween(rng, 20, 1000) / 1000);
      return { kind, who, readRate: rate(), writeRate: rate(), atMs, forMs };
    }
    case 'file-broken':
      return { kind, who, file: rng.below(fileCount), atMs, forMs };
    case 'disk-full':
      return { kind, who, leftBytes: chance(rng, 0.3) ? 0 : logBetween(rng, 1000, 1_000_000), atMs, forMs };
    case 'flips': {
      const rate = logBetween(rng, 10, 500) / 1000;
      return { kind, who, on: chance(rng, 0.6) ? 'read' : 'write', rate, atMs, forMs };
    }
    case 'file-cut':
      return { kind, who, file: rng.below(fileCount), toShare: chance(rng, 0.5) ? 0 : rng.unit(), atMs, forMs };
    case 'clock':
      return { kind, byMs: (chance(rng, 0.5) ? 1 : -1) * logBetween(rng, 1000, 86_400_000), atMs };
    case 'rates': {
      const rate = () => (chance(rng, 0.4) ? undefined : logBetween(rng, 16_384, 2_000_000));
      return { kind, who, upload: rate(), download: rate(), atMs };
    }
    case 'urgent':
      return { kind, who, piece: rng.below(64), atMs };
  }
}

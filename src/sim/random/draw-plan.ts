import { type Rng, seededRng } from '../../base/index.ts';
import { BLOCK_LENGTH } from '../../metainfo/index.ts';
import type { LineName } from '../net/line.ts';
import type { PeerKind } from '../peers/traits.ts';
import { drawTrouble } from './draw-trouble.ts';
import { chance, logBetween, pick } from './draws.ts';
import type { ClientPlan, MemberPlan, ScriptedPlan, SwarmPlan, Trouble } from './plan.ts';

const KIB = 1024;
const MIB = 1024 * KIB;

/** What all downloaders of a plan together fetch, about: what a run costs. */
const TRAFFIC_BYTES = 10 * MIB;

/** Draws a plan. Small swarms are the rule: most bugs need few peers, and many of those can be run. */
export function drawPlan(seed: number): SwarmPlan {
  const rng = seededRng(seed).fork('plan');
  const size = drawSize(rng);
  const torrent = drawTorrent(rng, size);
  const clients = drawClients(rng, size, torrent);
  const members: MemberPlan[] = [...clients, ...drawScripted(rng, size - clients.length, size)];
  const troubles = drawTroubles(rng, members, torrent.files.length);
  return { seed, torrent, trackerCount: chance(rng, 0.2) ? 2 : 1, members, troubles };
}

function drawSize(rng: Rng): number {
  const dice = rng.unit();
  if (dice < 0.55) return 2 + rng.below(4);
  if (dice < 0.85) return 6 + rng.below(7);
  if (dice < 0.97) return 13 + rng.below(13);
  return 26 + rng.below(25);
}

function drawTorrent(rng: Rng, size: number): SwarmPlan['torrent'] {
  const format = pick(rng, ['v1', 'v1', 'v2', 'hybrid'] as const);
  const isPrivate = chance(rng, 0.1);
  // Pieces that are written through in segments.
  if (size <= 5 && chance(rng, 0.04)) {
    return { format, isPrivate, files: [logBetween(rng, 5 * MIB, 14 * MIB)], pieceLength: 8 * MIB };
  }
  const total = logBetween(rng, 24 * KIB, Math.min(3 * MIB, TRAFFIC_BYTES / size));
  const pieceLength = BLOCK_LENGTH * 2 ** rng.below(total > MIB ? 5 : 4);
  return { format, isPrivate, pieceLength, files: drawFiles(rng, total, pieceLength) };
}

function drawFiles(rng: Rng, total: number, pieceLength: number): number[] {
  if (chance(rng, 0.5)) return [total];
  const count = 2 + rng.below(10);
  const files = Array.from({ length: count }, () => {
    const dice = rng.unit();
    if (dice < 0.1) return 0;
    if (dice < 0.2) return 1 + rng.below(200);
    if (dice < 0.35) return pieceLength * (1 + rng.below(2));
    return 1 + rng.below(Math.ceil((2 * total) / count));
  });
  if (!files.some((length) => length > 0)) files[0] = total;
  return files;
}

function drawClients(rng: Rng, size: number, torrent: SwarmPlan['torrent']): ClientPlan[] {
  const scriptedShare = chance(rng, 0.45) ? 0.5 * rng.unit() : 0;
  const count = Math.max(2, Math.round(size * (1 - scriptedShare)));
  const seederCount = 1 + rng.below(Math.max(1, Math.ceil(count / 4)));
  const isLimitedPool = torrent.pieceLength > 4 * MIB || chance(rng, 0.2);
  const firewalledShare = chance(rng, 0.3) ? rng.unit() : 0;
  const magnetShare = chance(rng, 0.3) ? rng.unit() : 0;
  const lines = drawLines(rng, torrent.pieceLength > 4 * MIB);
  return Array.from({ length: count }, (_, i) => {
    const isSeeder = i < seederCount;
    const isPartial = chance(rng, isSeeder ? 0.1 : 0.15);
    const isMagnet = !isSeeder && chance(rng, magnetShare);
    return {
      kind: 'client',
      name: `c${i + 1}`,
      startMs: chance(rng, 0.75) ? rng.below(2000) : logBetween(rng, 100, 60_000),
      line: pick(rng, lines),
      isFirewalled: chance(rng, firewalledShare),
      hasShare: isPartial ? rng.unit() : isSeeder ? 1 : 0,
      isMagnet,
      ...(!isSeeder && torrent.files.length > 1 && chance(rng, 0.3)
        ? { wanted: torrent.files.map(() => chance(rng, 0.6)) }
        : {}),
      ...(chance(rng, 0.15) ? { uploadLimit: logBetween(rng, 8 * KIB, MIB) } : {}),
      ...(chance(rng, 0.1) ? { downloadLimit: logBetween(rng, 16 * KIB, MIB) } : {}),
      ...(chance(rng, 0.08) ? { connsMax: 2 + rng.below(size) } : {}),
      ...(isLimitedPool ? { pieceBytesMax: poolBytes(rng, torrent.pieceLength) } : {}),
      isDiskSlow: chance(rng, 0.1),
    };
  });
}

/** From a single buffer to a few. */
function poolBytes(rng: Rng, pieceLength: number): number {
  return Math.min(pieceLength, MIB) * (1 + rng.below(6));
}

/** On fast lines all is over before anything can go wrong, so slow ones are likelier; but much content needs fast ones. */
function drawLines(rng: Rng, isMuch: boolean): LineName[] {
  const fast: LineName[] = ['ideal', 'lan', 'fibre', 'cable', 'cable'];
  const all: LineName[] = isMuch ? fast : [...fast, 'dsl', 'dsl', 'mobile', 'satellite', 'slow'];
  return chance(rng, 0.5) ? [pick(rng, all)] : all;
}

const scriptedKinds: readonly PeerKind[] = [
  'seeder',
  'leecher',
  'freeRider',
  'liar',
  'liar',
  'staller',
  'slowAnswerer',
  'requestFlooder',
  'haveFlooder',
  'blockFlooder',
  'keepAliveFlooder',
  'neverUnchoker',
  'haveLiar',
];

function drawScripted(rng: Rng, count: number, size: number): ScriptedPlan[] {
  return Array.from({ length: Math.max(0, count) }, (_, i) => {
    const kind = pick(rng, scriptedKinds);
    const isFlooder = kind.endsWith('Flooder');
    return {
      kind,
      name: `p${i + 1}`,
      startMs: chance(rng, 0.75) ? rng.below(2000) : logBetween(rng, 100, 60_000),
      line: pick(rng, ['fibre', 'cable', 'dsl'] as const),
      ...(kind === 'liar'
        ? { traits: { badBlockRate: logBetween(rng, 5, 1000) / 1000, isBadConsistently: chance(rng, 0.5) } }
        : isFlooder
          ? { traits: { floodPerSec: floodPerSec(rng, kind, size) } }
          : {}),
    };
  });
}

/** A flood goes to everybody all the time: less shows the same in a large swarm, and costs less. */
function floodPerSec(rng: Rng, kind: PeerKind, size: number): number {
  return Math.ceil(logBetween(rng, 10, kind === 'blockFlooder' ? 100 : 2000) / size);
}

function drawTroubles(rng: Rng, members: readonly MemberPlan[], fileCount: number): Trouble[] {
  if (chance(rng, 0.1)) return [];
  const count = 1 + rng.below(Math.min(10, 2 + members.length));
  return Array.from({ length: count }, () => drawTrouble(rng, members, fileCount));
}

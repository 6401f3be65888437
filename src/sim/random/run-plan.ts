import { addMs, type CryptoPort } from '../../base/index.ts';
import type { MakeSession } from '../client.ts';
import type { TransferBuffer } from '../disk/buffers.ts';
import { lines } from '../net/line.ts';
import type { NetHost } from '../net/net.ts';
import { type ClientReport, SimSwarm } from '../swarm.ts';
import { SimTracker } from '../tracker.ts';
import { SimFailure } from '../world.ts';
import { Claims, wrongBans } from './claims.ts';
import { type ClientPlan, type SwarmPlan, troubleEndMs } from './plan.ts';
import { schedule } from './troubles.ts';
import { type Report, User } from './user.ts';

export interface RunPlanOptions {
  readonly crypto: CryptoPort;
  readonly makeSession?: MakeSession | undefined;
  readonly transfer?: TransferBuffer | undefined;
  /** Invariants are walked after every so many inputs of a session; 0 = never. */
  readonly checkEvery?: number;
  readonly log?: (line: string) => void;
}

export interface RandomReport {
  readonly seed: number;
  readonly memberCount: number;
  /** Clients of which it was claimed, and came true, that they get all that can reach them. */
  readonly claimCount: number;
  readonly virtualSec: number;
  readonly eventCount: number;
  readonly digest: number;
  readonly clients: readonly ClientReport[];
}

/** Virtual ms between two looks at who has what. */
const LOOK_MS = 2_000;
/** Virtual ms without a new piece anywhere after which nothing more is expected: retries of trackers and dials wait up to an hour. */
const STUCK_MS = 2 * 3_600_000;
/** Events of one run. The largest plans need about a million. */
const EVENTS_MAX = 8_000_000;

/** Runs a plan to its end. @throws SimFailure where something happened that must not, or did not happen that must */
export function runPlan(plan: SwarmPlan, options: RunPlanOptions): RandomReport {
  const w = new SimSwarm({ ...options, seed: plan.seed, torrent: plan.torrent });
  for (let i = 1; i < plan.trackerCount; i++) {
    w.trackers.add(new SimTracker(w.world, w.net.addHost({ line: lines.lan })));
  }
  const problems: string[] = [];
  const report: Report = (problem) => problems.push(problem);
  w.world.afterEvent(() => {
    if (problems.length > 0) throw new SimFailure(problems.join('\n'), w.world);
  });
  const hosts = new Map<string, NetHost>();
  const users = new Map<string, User>();
  for (const member of plan.members) {
    if (member.kind === 'client') {
      const user = addClient(w, member, report);
      users.set(member.name, user);
      hosts.set(member.name, user.client.net);
    } else {
      const { kind, line, traits, startMs } = member;
      const [peer] = w.peers(kind, 1, { line, ...(traits === undefined ? {} : { traits }), after: `${startMs}ms` });
      if (peer !== undefined) hosts.set(member.name, peer.net);
    }
  }
  for (const trouble of plan.troubles) schedule({ w, users, hosts }, trouble);
  w.world.run({ deadline: addMs(w.world.now, troubleEndMs(plan) + 1), eventsMax: EVENTS_MAX });
  const claims = new Claims(plan, users.values());
  settle(w, claims);
  problems.push(...wrongBans(w, users), ...wrongBytes(users.values()));
  if (problems.length > 0) throw new SimFailure(problems.join('\n'), w.world);
  for (const user of users.values()) user.dismiss();
  const clients = w.finish();
  return {
    seed: plan.seed,
    memberCount: plan.members.length,
    claimCount: claims.count,
    virtualSec: w.world.now / 1000,
    eventCount: w.world.eventCount,
    digest: w.world.digest,
    clients,
  };
}

function addClient(w: SimSwarm, plan: ClientPlan, report: Report): User {
  const { name, line, isFirewalled, isMagnet, hasShare, wanted, isDiskSlow } = plan;
  const { uploadLimit, downloadLimit, connsMax, pieceBytesMax } = plan;
  const { pieceCount } = w.torrent.geometry;
  const all = Array.from({ length: pieceCount }, (_, i) => i);
  const has = w.world.rng
    .fork(`has ${name}`)
    .shuffle(all)
    .slice(0, Math.round(hasShare * pieceCount));
  const [client] = w.leechers(1, {
    label: name,
    after: 'never',
    line,
    isFirewalled,
    isMagnet,
    ...(has.length > 0 ? { has } : {}),
    ...(wanted === undefined ? {} : { select: () => wanted }),
    ...(uploadLimit === undefined ? {} : { uploadLimit }),
    ...(downloadLimit === undefined ? {} : { downloadLimit }),
    ...(connsMax === undefined ? {} : { connsMax }),
    ...(pieceBytesMax === undefined ? {} : { pieceBytesMax }),
    ...(isDiskSlow ? { disk: { latencyMs: 12, reorderMs: 40, bytesPerSec: 4 * 1_048_576 } } : {}),
  });
  if (client === undefined) throw new RangeError('one client was asked for');
  // What has to be complete is decided by claims.
  w.giveUpOn(client);
  return new User(client, plan, w.world, report);
}

/** Runs until everything that is claimed is true. */
function settle(w: SimSwarm, claims: Claims): void {
  let progress = -1;
  let since = w.world.now;
  for (;;) {
    const missing = claims.missing();
    if (missing.length === 0) return;
    const now = claims.progress();
    if (now !== progress) since = w.world.now;
    progress = now;
    if (w.world.now > since + STUCK_MS) {
      throw new SimFailure(`this does not come any more:\n${missing.join('\n')}\n${w.state()}`, w.world);
    }
    if (w.world.eventCount > EVENTS_MAX) throw new SimFailure(`stuck: ${EVENTS_MAX} events and no end`, w.world);
    w.world.run({ deadline: addMs(w.world.now, LOOK_MS), eventsMax: EVENTS_MAX });
  }
}

/** Whatever somebody believes to have is the content, on its disk. */
function wrongBytes(users: Iterable<User>): string[] {
  return [...users].flatMap(({ client, isTainted, plan }) => {
    const have = client.brain?.content?.ledger.have;
    if (isTainted || have === undefined) return [];
    const image = client.disk.image(client.torrent.torrent.info);
    const wrong = [...have].filter((piece) => !image.isWhole(piece));
    return wrong.length === 0
      ? []
      : [`${plan.name}: ${wrong.length} pieces on disk are not the content, first ${wrong[0]}`];
  });
}

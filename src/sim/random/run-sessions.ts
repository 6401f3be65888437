import { addMs } from '../../base/index.ts';
import { checkNet } from '../checkers.ts';
import { lines } from '../net/line.ts';
import { SimNet } from '../net/net.ts';
import { makeTorrent } from '../torrents.ts';
import { SimTracker, SimTrackers } from '../tracker.ts';
import { SimFailure, SimWorld } from '../world.ts';
import { Machine, type MachinePlace } from './machine.ts';
import type { RandomReport, RunPlanOptions } from './run-plan.ts';
import { type SessionsPlan, type SessionsTrouble, sessionsEndMs } from './sessions-plan.ts';

/** Virtual ms between two looks. */
const LOOK_MS = 2_000;
/** Virtual ms without a new piece anywhere after which nothing more is expected. */
const STUCK_MS = 2 * 3_600_000;
/** Virtual ms in which everybody stops. */
const STOP_MS = 60_000;

/** Runs sessions of several torrents to their end. @throws SimFailure where something happened that must not, or did not that must */
export function runSessions(plan: SessionsPlan, options: RunPlanOptions): RandomReport {
  const world = new SimWorld(plan.seed);
  world.log = options.log;
  const net = new SimNet(world);
  const trackers = new SimTrackers();
  trackers.add(new SimTracker(world, net.addHost({ line: lines.lan })));
  const torrents = plan.torrents.map((made, i) =>
    makeTorrent(options.crypto, { ...made, seed: plan.seed + i, name: `torrent-${i}` }),
  );
  const { crypto, transfer, makeSession, checkEvery = 1 } = options;
  const place: MachinePlace = { world, net, trackers, torrents, crypto, transfer, makeSession, checkEvery };
  const machines = plan.machines.map((machine, i) => new Machine(i, machine, place));
  for (const { torrent } of torrents) machines[0]?.disk.fill(torrent.info);
  for (const machine of machines) world.after(machine.plan.startMs, 'machine.start', () => machine.start());
  for (const trouble of plan.troubles) {
    const machine = machines[trouble.machine];
    if (machine === undefined) continue;
    if (trouble.kind === 'disk-errors') machine.excused.add('disk/io');
    world.after(trouble.atMs, `trouble.${trouble.kind}`, () => begin(world, machine, trouble));
  }
  world.run({ deadline: addMs(world.now, sessionsEndMs(plan) + 1) });
  settle(world, machines);
  for (const machine of machines) machine.stop();
  world.runFor(STOP_MS);
  const problems = [...machines.flatMap((machine) => machine.problems()), ...checkNet(net)];
  if (problems.length > 0) throw new SimFailure(problems.join('\n'), world);
  return {
    seed: plan.seed,
    memberCount: machines.length,
    claimCount: machines.length,
    virtualSec: world.now / 1000,
    eventCount: world.eventCount,
    digest: world.digest,
    clients: [],
  };
}

/** Runs until every machine has all of its torrents. */
function settle(world: SimWorld, machines: readonly Machine[]): void {
  let progress = -1;
  let since = world.now;
  for (;;) {
    const missing = machines.flatMap((machine) => machine.missing());
    if (missing.length === 0) return;
    const now = machines.reduce((sum, machine) => sum + machine.progress(), 0);
    if (now !== progress) since = world.now;
    progress = now;
    if (world.now > since + STUCK_MS) {
      throw new SimFailure(`this does not come any more:\n${missing.join('\n')}`, world);
    }
    world.run({ deadline: addMs(world.now, LOOK_MS) });
  }
}

function begin(world: SimWorld, machine: Machine, trouble: SessionsTrouble): void {
  const later = (ms: number, action: () => void) => world.after(ms, `trouble.${trouble.kind}-over`, action);
  const { faults } = machine.disk;
  switch (trouble.kind) {
    case 'kill':
      if (machine.session === undefined) return;
      machine.kill();
      later(trouble.forMs, () => {
        if (machine.session === undefined) machine.start();
      });
      return;
    case 'disk-errors':
      faults.readErrorRate = trouble.readRate;
      faults.writeErrorRate = trouble.writeRate;
      later(trouble.forMs, () => {
        faults.readErrorRate = 0;
        faults.writeErrorRate = 0;
      });
      return;
    case 'disk-full':
      machine.disk.capacityBytes = 0;
      later(trouble.forMs, () => {
        machine.disk.capacityBytes = Number.POSITIVE_INFINITY;
      });
      return;
    case 'pause':
      machine.ask(trouble.torrent, (session, id, now) => session.pause(now, id));
      later(trouble.forMs, () => machine.ask(trouble.torrent, (session, id, now) => session.unpause(now, id)));
      return;
    case 'remove':
      machine.renew(trouble.torrent, trouble.forMs);
      return;
    case 'recheck':
      machine.ask(trouble.torrent, (session, id, now) => session.recheck(now, id));
      return;
    case 'first':
      machine.ask(trouble.torrent, (session, id, now) => session.moveInQueue(now, id, 1));
      return;
    case 'rates': {
      const { upload, download } = trouble;
      machine.ask(trouble.torrent, (session, id, now) => session.setRates(now, { upload, download }, id));
    }
  }
}

import { BtError } from '../../base/index.ts';
import type { NetHost } from '../net/net.ts';
import type { SimSwarm } from '../swarm.ts';
import type { Trouble } from './plan.ts';
import type { User } from './user.ts';

/** What troubles happen to. */
export interface TroubledSwarm {
  readonly w: SimSwarm;
  /** Clients by name. */
  readonly users: ReadonlyMap<string, User>;
  /** Machines by the name of the member. */
  readonly hosts: ReadonlyMap<string, NetHost>;
}

/** Lets one trouble happen in its time. What it concerns may be gone by then: it happens all the same, to nobody. */
export function schedule(swarm: TroubledSwarm, trouble: Trouble): void {
  excuse(swarm, trouble);
  swarm.w.world.after(trouble.atMs, `trouble.${trouble.kind}`, () => begin(swarm, trouble));
}

/** What a trouble may cause, from now on: an error may be noticed late. */
function excuse({ users }: TroubledSwarm, trouble: Trouble): void {
  if (!('who' in trouble) || typeof trouble.who !== 'string') return;
  const user = users.get(trouble.who);
  if (user === undefined) return;
  switch (trouble.kind) {
    case 'disk-errors':
    case 'file-broken':
      user.excused.add('disk/io');
      return;
    case 'read-only':
    case 'open-fails':
      user.excused.add('disk/access');
      return;
    case 'file-cut':
      user.excused.add('disk/not-found').add('disk/changed');
      return;
    case 'flips':
      user.isTainted = true;
  }
}

function begin(swarm: TroubledSwarm, trouble: Trouble): void {
  const { w } = swarm;
  const user = 'who' in trouble && typeof trouble.who === 'string' ? swarm.users.get(trouble.who) : undefined;
  const later = (ms: number, action: () => void) => w.world.after(ms, `trouble.${trouble.kind}-over`, action);
  switch (trouble.kind) {
    case 'partition':
      w.net.partition(trouble.who.flatMap((name) => swarm.hosts.get(name) ?? []));
      later(trouble.forMs, () => w.net.heal());
      return;
    case 'reset':
    case 'darken':
      again(w, trouble.everyMs, trouble.forMs, () => (trouble.kind === 'reset' ? w.net.resetOne() : w.net.darkenOne()));
      return;
    case 'dial-failures':
      w.net.dialFailRate = trouble.rate;
      later(trouble.forMs, () => {
        w.net.dialFailRate = 0;
      });
      return;
    case 'tracker': {
      const tracker = w.trackers.all[trouble.tracker % w.trackers.all.length];
      if (tracker === undefined) return;
      tracker.mood = trouble.mood;
      later(trouble.forMs, () => {
        tracker.mood = 'ok';
      });
      return;
    }
    case 'clock':
      w.world.jumpWallClock(trouble.byMs);
      return;
    default:
      if (user !== undefined) troubleClient(user, trouble, later);
  }
}

type ClientTrouble = Exclude<
  Trouble,
  { kind: 'partition' | 'reset' | 'darken' | 'dial-failures' | 'tracker' | 'clock' }
>;

function troubleClient(user: User, trouble: ClientTrouble, later: (ms: number, action: () => void) => void): void {
  const { client } = user;
  const { faults } = client.disk;
  const { info } = client.torrent.torrent;
  const image = client.disk.image(info);
  switch (trouble.kind) {
    case 'leave':
      user.hold('left');
      return;
    case 'pause':
      user.holdFor('paused', trouble.forMs);
      return;
    case 'kill':
      user.kill(trouble.how, trouble.forMs);
      return;
    case 'disk-errors':
      faults.readErrorRate = trouble.readRate;
      faults.writeErrorRate = trouble.writeRate;
      later(trouble.forMs, () => {
        faults.readErrorRate = 0;
        faults.writeErrorRate = 0;
      });
      return;
    case 'file-broken':
      image.brokenFiles.add(trouble.file % info.files.length);
      later(trouble.forMs, () => image.brokenFiles.clear());
      return;
    case 'disk-full':
      client.disk.capacityBytes = image.usedBytes + trouble.leftBytes;
      later(trouble.forMs, () => {
        client.disk.capacityBytes = Number.POSITIVE_INFINITY;
      });
      return;
    case 'flips': {
      const rate = trouble.on === 'read' ? 'flipOnReadRate' : 'flipOnWriteRate';
      faults[rate] = trouble.rate;
      later(trouble.forMs, () => {
        faults[rate] = 0;
      });
      return;
    }
    case 'read-only':
      faults.isReadOnly = true;
      later(trouble.forMs, () => {
        faults.isReadOnly = false;
      });
      return;
    case 'open-fails':
      faults.openError = new BtError('disk/access', { path: info.name, what: 'permission denied' });
      later(trouble.forMs, () => {
        faults.openError = undefined;
      });
      return;
    case 'file-cut': {
      const file = trouble.file % info.files.length;
      const length = Math.floor((info.files[file]?.length ?? 0) * trouble.toShare);
      const cut = () => image.truncate(file, length, client.disk.world.wallMs, trouble.toShare === 0);
      if (client.isRunning && client.brain?.phase === 'seeding') {
        cut();
        later(trouble.forMs, () => user.restart());
      } else user.restart(cut);
      return;
    }
    case 'rates': {
      if (!client.isRunning) return;
      const { upload = Number.POSITIVE_INFINITY, download = Number.POSITIVE_INFINITY } = trouble;
      client.ask((session, _, now) => session.setRates(now, { upload, download }));
      return;
    }
    case 'recheck':
      if (client.isRunning) client.ask((session, torrent, now) => session.recheck(now, torrent));
      return;
    case 'urgent':
      if (!client.isRunning) return;
      client.ask((session, torrent, now) => session.setUrgent(now, torrent, [trouble.piece % info.pieceCount]));
  }
}

/** Every so often, for a time. */
function again(w: SimSwarm, everyMs: number, forMs: number, action: () => void): void {
  const end = w.world.now + forMs;
  const next = () => {
    if (w.world.now > end) return;
    action();
    w.world.after(everyMs, 'trouble.again', next);
  };
  next();
}

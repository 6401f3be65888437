import { type ClientPlan, concerns, type MemberPlan, type SwarmPlan, type Trouble } from './plan.ts';
import type { SessionsPlan } from './sessions-plan.ts';

/**
 * Makes a plan that fails smaller: leaves out troubles, members and peculiarities as long as it fails all the same.
 *
 * @param fails whether a plan fails in the same way; called some hundred times at most
 * @param mayGoOn asked before each call; false ends the search with what has been found
 */
export function shrinkPlan(
  plan: SwarmPlan,
  fails: (plan: SwarmPlan) => boolean,
  mayGoOn: () => boolean = () => true,
): SwarmPlan {
  const tries = (smaller: SwarmPlan) => mayGoOn() && fails(smaller);
  let smallest = plan;
  for (;;) {
    const before = smallest;
    smallest = dropSome(smallest, smallest.troubles, (troubles) => ({ ...smallest, troubles }), tries);
    smallest = dropSome(smallest, smallest.members, (members) => withMembers(smallest, members), tries);
    for (const simpler of simplifications) {
      const next = simpler(smallest);
      if (JSON.stringify(next) !== JSON.stringify(smallest) && tries(next)) smallest = next;
    }
    smallest = simplifyMembers(smallest, tries);
    if (smallest === before || !mayGoOn()) return smallest;
  }
}

/** The same for sessions of several torrents: troubles and the last machines are left out. */
export function shrinkSessions(
  plan: SessionsPlan,
  fails: (plan: SessionsPlan) => boolean,
  mayGoOn: () => boolean = () => true,
): SessionsPlan {
  const tries = (smaller: SessionsPlan) => mayGoOn() && fails(smaller);
  const smallest = dropSome(plan, plan.troubles, (troubles) => ({ ...plan, troubles }), tries);
  for (let count = 2; count < smallest.machines.length; count++) {
    const smaller = { ...smallest, machines: smallest.machines.slice(0, count) };
    if (tries(smaller)) return smaller;
  }
  return smallest;
}

/** Leaves out runs of items, long ones first. */
function dropSome<T, Plan>(
  plan: Plan,
  items: readonly T[],
  make: (items: readonly T[]) => Plan,
  fails: (plan: Plan) => boolean,
): Plan {
  let kept = items;
  let smallest = plan;
  for (let size = kept.length; size >= 1; size = Math.floor(size / 2)) {
    for (let at = 0; at < kept.length; ) {
      const rest = [...kept.slice(0, at), ...kept.slice(at + size)];
      const smaller = make(rest);
      if (fails(smaller)) {
        kept = rest;
        smallest = smaller;
      } else at += size;
    }
  }
  return smallest;
}

/** A trouble of somebody who is not there is none. */
function withMembers(plan: SwarmPlan, members: readonly MemberPlan[]): SwarmPlan {
  const gone = plan.members.filter((member) => !members.includes(member));
  const troubles = plan.troubles.flatMap((trouble): Trouble[] => {
    if (trouble.kind === 'partition') {
      return [{ ...trouble, who: trouble.who.filter((name) => !gone.some((member) => member.name === name)) }];
    }
    return gone.some((member) => concerns(trouble, member.name)) ? [] : [trouble];
  });
  return { ...plan, members, troubles };
}

const simplifications: readonly ((plan: SwarmPlan) => SwarmPlan)[] = [
  (plan) => ({ ...plan, trackerCount: 1 }),
  (plan) => ({ ...plan, torrent: { ...plan.torrent, isPrivate: false } }),
  (plan) => ({ ...plan, torrent: { ...plan.torrent, format: 'v1' } }),
  (plan) => ({ ...plan, torrent: { ...plan.torrent, files: [plan.torrent.files.reduce((sum, n) => sum + n, 0)] } }),
  (plan) => ({
    ...plan,
    torrent: { ...plan.torrent, files: plan.torrent.files.slice(-Math.max(1, plan.torrent.files.length - 1)) },
  }),
];

const plainMembers: readonly ((member: ClientPlan) => ClientPlan)[] = [
  ({ uploadLimit: _, ...rest }) => rest,
  ({ downloadLimit: _, ...rest }) => rest,
  ({ connsMax: _, ...rest }) => rest,
  ({ pieceBytesMax: _, ...rest }) => rest,
  ({ wanted: _, ...rest }) => rest,
  (member) => ({ ...member, isMagnet: false }),
  (member) => ({ ...member, isFirewalled: false }),
  (member) => ({ ...member, isDiskSlow: false }),
  (member) => ({ ...member, hasShare: Math.round(member.hasShare) }),
  (member) => ({ ...member, startMs: 0 }),
  (member) => ({ ...member, line: 'fibre' }),
];

function simplifyMembers(plan: SwarmPlan, fails: (plan: SwarmPlan) => boolean): SwarmPlan {
  let smallest = plan;
  plan.members.forEach((_, i) => {
    for (const simplify of plainMembers) {
      const member = smallest.members[i];
      if (member?.kind !== 'client') continue;
      const simpler = simplify(member);
      if (JSON.stringify(simpler) === JSON.stringify(member)) continue;
      const next = { ...smallest, members: smallest.members.with(i, simpler) };
      if (fails(next)) smallest = next;
    }
  });
  return smallest;
}

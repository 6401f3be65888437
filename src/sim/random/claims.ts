import type { PeerTraits } from '../peers/traits.ts';
import type { SimSwarm } from '../swarm.ts';
import { concerns, type ScriptedPlan, type SwarmPlan } from './plan.ts';
import type { User } from './user.ts';

/**
 * What must come true once all trouble is over, decided from the plan and from who has what by then:
 *
 *     every client that stays gets every piece it wants that reached somebody who stays and passes it on to it
 *
 * A piece passes between clients that have it or want it, as long as one of them can be connected to. Not counted on are clients that
 * leave, whose disk lies, or that may not have a connection for everybody; nobody claims anything for them, nor by their help.
 */
export class Claims {
  readonly #all: readonly User[];
  /** Those for whom, and by whose help, more is claimed than that they work. */
  readonly #users: readonly User[];
  readonly #plan: SwarmPlan;
  readonly #hasScriptedSeeder: boolean;

  constructor(plan: SwarmPlan, users: Iterable<User>) {
    this.#plan = plan;
    this.#all = [...users].filter((user) => !isLeaving(plan, user));
    this.#users = this.#all.filter((user) => isReliable(plan, user));
    // A scripted seeder knows no hash trees: who lacks them cannot use what it sends.
    const needsHashes = plan.torrent.format !== 'v1' && this.#all.some((user) => user.plan.isMagnet);
    this.#hasScriptedSeeder = !needsHashes && plan.members.some((m) => m.kind === 'seeder' && isPlain(m));
  }

  /** Clients for which something is claimed. */
  get count(): number {
    return this.#users.length;
  }

  /** What is still missing, one line a client; empty where everything claimed is true. */
  missing(): string[] {
    return [...this.#all.flatMap((user) => this.#works(user)), ...this.#users.flatMap((user) => this.#hasAll(user))];
  }

  /** Whoever stays comes to work, whatever has befallen it. */
  #works({ client, plan, isHeld }: User): string[] {
    const phase = client.brain?.phase;
    if (phase === undefined || isHeld) return [`${plan.name} does not run`];
    const isAtWork = phase === 'downloading' || phase === 'seeding' || phase === 'fetching-metadata';
    return isAtWork ? [] : [`${plan.name} is ${phase}`];
  }

  #hasAll(user: User): string[] {
    const { client, plan } = user;
    if (client.brain?.phase === 'fetching-metadata') {
      return this.#hasMetadataNear() ? [`${plan.name} has no metadata`] : [];
    }
    const lacks = this.#lacks(user);
    return lacks.length === 0 ? [] : [`${plan.name} lacks ${lacks.length} pieces, first ${lacks[0]}`];
  }

  /** Pieces that the clients have together: grows as long as something goes on. */
  progress(): number {
    let sum = 0;
    for (const { client } of this.#users) sum += client.brain?.content?.ledger.have.count ?? 0;
    return sum;
  }

  #lacks(user: User): number[] {
    const { pieceCount } = user.client.torrent.geometry;
    const lacks: number[] = [];
    for (let piece = 0; piece < pieceCount; piece++) {
      if (user.client.wantsPiece(piece) && !has(user, piece) && this.#comesTo(user, piece)) lacks.push(piece);
    }
    return lacks;
  }

  /** Whether this one gets a piece that it wants. */
  #comesTo(user: User, piece: number): boolean {
    if (this.#hasScriptedSeeder) return true;
    if (!this.#users.some((other) => has(other, piece))) return false;
    return (
      this.#isMet(user) ||
      this.#users.some((other) => other.client.wantsPiece(piece) && this.#isMet(other)) ||
      this.#users.some((other) => has(other, piece) && !other.plan.isFirewalled)
    );
  }

  #hasMetadataNear(): boolean {
    if (this.#hasScriptedSeeder) return true;
    const knowing = this.#users.filter(({ client }) => client.brain?.info !== undefined);
    return (
      knowing.some((other) => !other.plan.isFirewalled) ||
      (knowing.length > 0 && this.#users.some((other) => this.#isMet(other)))
    );
  }

  /**
   * Whether those who have something connect to it, and not only it to them. A seeder does not look again at whoever was a seed when they
   * met: who may have lost what it had cannot count on being found by one that it cannot connect to.
   */
  #isMet({ plan: { name, isFirewalled } }: User): boolean {
    return !isFirewalled && !this.#plan.troubles.some((trouble) => concerns(trouble, name));
  }
}

/** Bans of those who have done nothing wrong, by those whose word counts. */
export function wrongBans(w: SimSwarm, users: ReadonlyMap<string, User>): string[] {
  const guilty = new Set<string>();
  for (const user of users.values()) if (user.isTainted) guilty.add(user.client.net.name);
  for (const peer of w.scripted) if (sendsRubbish(peer.traits)) guilty.add(peer.net.name);
  const nameOf = new Map([...users].map(([name, user]) => [user.client.net.name, name]));
  return [...users.values()].flatMap(({ client, plan: { name }, isTainted }) =>
    isTainted
      ? []
      : [...client.banned]
          .filter((host) => !guilty.has(host))
          .map((host) => `${name} banned ${nameOf.get(host) ?? host}, who is innocent`),
  );
}

function has({ client }: User, piece: number): boolean {
  return client.brain?.content?.ledger.have.has(piece) === true;
}

function isLeaving({ troubles }: SwarmPlan, { plan: { name } }: User): boolean {
  return troubles.some((trouble) => trouble.kind === 'leave' && concerns(trouble, name));
}

function isReliable({ members }: SwarmPlan, user: User): boolean {
  const { connsMax } = user.plan;
  if (user.isTainted) return false;
  // Dials to dead addresses count as connections while they last.
  return connsMax === undefined || connsMax >= 2 * members.length;
}

/** Bad blocks, or blocks that nobody asked for, which may be taken for an answer. */
function sendsRubbish({ badBlockRate, badPieceRate, flood }: PeerTraits): boolean {
  return badBlockRate > 0 || badPieceRate > 0 || flood === 'blocks';
}

function isPlain(member: ScriptedPlan): boolean {
  return member.traits === undefined;
}

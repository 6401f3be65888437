import assert from 'node:assert/strict';
import { mkdtempSync, readFileSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import type { TestContext } from 'node:test';
import { createSession, type Session } from 'eider';
import type { PeerAddress } from '#base';
import { RawListener, RawPeer } from './raw-peer.ts';
import { makeTarget, type Target, type TargetName } from './targets.ts';
import type { VictimFacts } from './victim-calls.ts';
import { VictimProcess } from './victim-process.ts';

const MIB = 1_048_576;

/** The seeder is not to be done before the attack has begun to bite, bytes per second. */
const honestRate = 8 * MIB;
const honestHost = '127.0.0.2';
const deadlineMs = 25_000;
const lookEveryMs = 20;
/** Descriptors that an attack may make the victim use: connections, those that linger, dials. */
const fdsMax = 600;

/** More of everything: `EIDER_HOSTILE=heavy` (.ci/run). */
export const scale = process.env['EIDER_HOSTILE'] === 'heavy' ? 5 : 1;

/** An attack as data. */
export interface Attack {
  readonly name: string;
  readonly target?: TargetName;
  /** The victim has the link only, and must get the metadata from peers. */
  readonly magnet?: true;
  /** The victim has the content already and seeds it. */
  readonly seeding?: true;
  /** `in`, where it is absent: they connect to the victim; `out`: the victim dials them; `both`, where that may differ: one after the other. */
  readonly direction?: Direction | 'both';
  /** Each from a host of its own. */
  readonly attackers?: number;
  /** Connects by itself: `act` gets no connection that is open. */
  readonly unconnected?: true;
  /** What one of them does, from the first byte on. */
  readonly act: (peer: RawPeer, scene: AttackScene) => Promise<void>;
  readonly expect: Expectation;
}

export type Direction = 'in' | 'out';

export interface Expectation {
  /** The victim ends each attacker's connection for this reason, seen in its trace. Absent: nobody is cut off for it. */
  readonly code?: string;
  /** It may do this: its connection is open until the download is done. */
  readonly kept?: true;
  /** How many of the attackers are banned for bad data, `some` at least, or `any` number; never anybody else. */
  readonly banned?: number | 'some' | 'any';
  /** Codes that may occur besides. */
  readonly also?: readonly string[];
  /** RSS of the victim above what it was, at its worst, MiB. */
  readonly peakMiB?: number;
  /** The same after it has settled, MiB. */
  readonly rssMiB?: number;
  /** Connections that are refused before they are anybody's: code to how often at least. */
  readonly refused?: Readonly<Record<string, number>>;
  /** Anything else. */
  readonly check?: (facts: VictimFacts, scene: AttackScene) => void;
}

export interface AttackScene {
  readonly target: Target;
  /** Another torrent, which the victim does not have. */
  readonly other: Target;
  readonly victim: VictimProcess;
  readonly victimAddress: PeerAddress;
  readonly seederAddress: PeerAddress;
  readonly direction: Direction;
  /** Of this attacker, from 0. */
  readonly index: number;
  /** Where this attacker comes from. */
  readonly host: string;
  /** The honest peer is wanted now; it comes by itself when all have acted or their connections are over. */
  readonly begin: () => void;
  readonly isOver: () => boolean;
  /** Resolves when the victim's torrent is complete. */
  readonly over: Promise<void>;
  /** One more connection from this attacker's host, or another. */
  readonly connect: (from?: string) => Promise<RawPeer>;
}

/** Honest seeder, victim and torrents, shared by the attacks of one test file. */
export class Arena {
  readonly #folder: string = mkdtempSync(join(tmpdir(), 'eider-hostile-'));
  readonly #targets = new Map<TargetName, Target>();
  #seeder!: Session;
  #victim!: VictimProcess;
  #runs = 0;
  /** Descriptors of a session with one torrent that has nobody to talk to: listener, disk worker, files. */
  #fdsAtWork = 0;

  static async open(): Promise<Arena> {
    const arena = new Arena();
    arena.#seeder = await createSession({ listen: { host: honestHost, port: 0 }, uploadLimit: honestRate });
    await arena.#revive();
    return arena;
  }

  async close(): Promise<void> {
    await this.#victim.end();
    await this.#seeder.close();
    rmSync(this.#folder, { recursive: true, force: true });
  }

  /** The whole story of one attack, in one direction. */
  async run(t: TestContext, attack: Attack, direction: Direction): Promise<void> {
    try {
      await this.#run(t, attack, direction);
    } catch (error) {
      // What an attack that won has left behind must not be blamed on the next one.
      await this.#victim.end();
      await this.#revive();
      throw error;
    }
  }

  async #revive(): Promise<void> {
    this.#victim = new VictimProcess();
    // The first run of everything costs memory for good: code, the disk worker, buffers.
    const target = await this.#target('small');
    const folder = this.#nextFolder();
    await this.#victim.call('open', { folder, torrent: target.file, peers: this.#seeder.addresses });
    await until(async () => (await this.#victim.call('facts')).phase === 'seeding', 'an honest download');
    await until(async () => (await this.#victim.call('facts')).connections === 0, 'two seeds part');
    const { fds } = await this.#victim.call('settle');
    await this.#victim.call('close');
    // And a file that is uploaded is opened by the main thread too.
    this.#fdsAtWork = fds + 1 - (await this.#victim.call('settle')).fds;
  }

  async #run(t: TestContext, attack: Attack, direction: Direction): Promise<void> {
    const target = await this.#target(attack.target ?? 'small');
    const other = await this.#target(attack.target === 'wide' ? 'small' : 'wide');
    const victim = this.#victim;
    const folder = attack.seeding === true ? join(this.#folder, 'from') : this.#nextFolder();
    const atRest = await victim.call('settle');
    const torrent = attack.magnet === true ? target.magnet : target.file;
    const { address } = await victim.call('open', {
      folder,
      torrent,
      ...(attack.seeding === true ? { verified: true } : {}),
    });
    const before = await victim.call('settle');
    const startedAt = performance.now();

    const seederAddress = this.#seeder.addresses[0] as PeerAddress;
    const gang = new Gang({ attack, target, other, victim, victimAddress: address, seederAddress, direction });
    try {
      await gang.start();
      if (attack.seeding !== true) await victim.call('addPeers', this.#seeder.addresses);
      const done = async () => {
        const { phase, error } = await victim.call('facts');
        if (error !== undefined) throw new Error(`the torrent has failed: ${error}`);
        return phase === 'seeding';
      };
      if (attack.seeding !== true) await until(done, 'the download from the honest peer');
      const doneMs = performance.now() - startedAt;
      gang.finish();
      if (attack.seeding !== true) {
        assert.ok(readFileSync(join(folder, target.name)).equals(target.bytes), 'the content is byte for byte right');
      }
      await gang.assertFate(attack.expect);
      for (const [code, least] of Object.entries(attack.expect.refused ?? {})) {
        await until(async () => {
          const { refused } = await victim.call('facts');
          return (refused[code] ?? 0) >= least || `refused ${JSON.stringify(refused)}`;
        }, `${code} ${least} times`);
      }
      const facts = await victim.call('facts');
      assertJudgement(attack, gang.hosts, facts, gang.codeCountMin(attack.expect));
      attack.expect.check?.(facts, gang.scene(0));
      await gang.leave();
      await until(async () => {
        const now = await victim.call('facts');
        const isBack = now.connections === 0 && now.fds <= atRest.fds + this.#fdsAtWork;
        return (
          isBack || `${now.connections} connections, ${now.fds - atRest.fds - this.#fdsAtWork} descriptors too many`
        );
      }, 'descriptors back where they were');
      const after = await victim.call('settle');
      const grown = (after.memory.rss - before.memory.rss) / MIB;
      const peak = (facts.peak.rss - before.memory.rss) / MIB;
      const figures = [
        `done in ${Math.round(doneMs)} ms`,
        `RSS +${grown.toFixed(1)} MiB, at worst +${peak.toFixed(1)} MiB`,
        `at most ${facts.peakFds - before.fds} descriptors`,
        `longest stall ${Math.round(facts.stallMs)} ms`,
        `CPU ${Math.round(facts.cpuMs - before.cpuMs)} ms`,
        `closed ${JSON.stringify(facts.closed)}`,
        `refused ${JSON.stringify(facts.refused)}`,
      ];
      t.diagnostic(figures.join(' · '));
      const { rssMiB = 32, peakMiB = 80 } = attack.expect;
      assert.ok(grown < rssMiB, `RSS has grown by ${grown.toFixed(1)} MiB and stays there`);
      assert.ok(peak < peakMiB, `RSS was ${peak.toFixed(1)} MiB above the start`);
      assert.ok(facts.peakFds - before.fds < fdsMax, `${facts.peakFds - before.fds} descriptors were in use`);
      assert.equal(after.pieceBytes, 0, 'no piece buffer is lost');
    } finally {
      gang.finish();
      await gang.leave();
    }
    await victim.call('close');
    await until(async () => (await victim.call('facts')).fds <= atRest.fds, 'no descriptor is lost');
    if (attack.seeding !== true) rmSync(folder, { recursive: true, force: true });
  }

  async #target(name: TargetName): Promise<Target> {
    let target = this.#targets.get(name);
    if (target === undefined) {
      target = await makeTarget(join(this.#folder, 'from'), name);
      this.#targets.set(name, target);
      const seeding = await this.#seeder.add(target.torrent, { path: join(this.#folder, 'from'), verified: true });
      await seeding.ready();
    }
    return target;
  }

  #nextFolder(): string {
    return join(this.#folder, `to-${++this.#runs}`);
  }
}

interface GangOptions
  extends Pick<AttackScene, 'target' | 'other' | 'victim' | 'victimAddress' | 'seederAddress' | 'direction'> {
  readonly attack: Attack;
}

/** The attackers of one run and how they fare. */
class Gang {
  readonly hosts: string[];
  readonly #o: GangOptions;
  readonly #listeners: RawListener[] = [];
  readonly #peers: RawPeer[] = [];
  /** First connection of each attacker. */
  readonly #first: (RawPeer | undefined)[] = [];
  readonly #acts: Promise<void>[] = [];
  readonly #begun: Promise<void>;
  readonly #over: Promise<void>;
  #begin!: () => void;
  #finish!: () => void;
  #isOver = false;

  constructor(o: GangOptions) {
    this.#o = o;
    const count = o.attack.attackers ?? 1;
    this.hosts = Array.from({ length: count }, (_, i) => hostOf(i));
    this.#begun = new Promise((resolve) => {
      this.#begin = resolve;
    });
    this.#over = new Promise((resolve) => {
      this.#finish = resolve;
    });
  }

  scene(index: number): AttackScene {
    return {
      ...this.#o,
      index,
      host: this.hosts[index] as string,
      begin: this.#begin,
      isOver: () => this.#isOver,
      over: this.#over,
      connect: async (from) => {
        const peer = await RawPeer.connect(this.#o.victimAddress, from ?? (this.hosts[index] as string));
        this.#peers.push(peer);
        return peer;
      },
    };
  }

  /** Resolves when the attack is under way. */
  async start(): Promise<void> {
    const { attack, direction, victim } = this.#o;
    const connected = this.hosts.map((host, i) => {
      if (attack.unconnected === true) {
        this.#act(i, undefined as unknown as RawPeer);
        return Promise.resolve();
      }
      return direction === 'in' ? this.#dial(i) : this.#listen(i, host);
    });
    const addresses = async () => {
      if (direction === 'out' && attack.unconnected !== true) {
        await until(async () => this.#listeners.length === this.hosts.length, 'the attackers listen');
        await victim.call(
          'addPeers',
          this.#listeners.map((l) => l.address),
        );
      }
    };
    await Promise.all([...connected, addresses()]);
    await within(Promise.race([this.#begun, Promise.all(this.#acts)]), 'the attack is under way');
  }

  finish(): void {
    this.#isOver = true;
    this.#finish();
  }

  async assertFate({ code, kept }: Expectation): Promise<void> {
    const first = this.#first.filter((p) => p !== undefined);
    if (code !== undefined)
      await within(Promise.all(first.map((p) => p.closed)), `all attackers are cut off (${code})`);
    if (kept === true)
      assert.ok(
        first.every((p) => !p.isClosed),
        'what the protocol allows is no reason to be cut off',
      );
    await within(Promise.all(this.#acts), 'the attackers have done what they wanted');
  }

  /** How often the code of an expectation must have been seen. */
  codeCountMin({ code }: Expectation): number {
    return code === undefined ? 0 : Math.max(1, this.#first.length);
  }

  async leave(): Promise<void> {
    for (const peer of this.#peers) peer.destroy();
    await Promise.all(this.#listeners.splice(0).map((l) => l.close()));
  }

  async #dial(index: number): Promise<void> {
    const peer = await RawPeer.connect(this.#o.victimAddress, this.hosts[index] as string);
    this.#peers.push(peer);
    this.#act(index, peer);
  }

  async #listen(index: number, host: string): Promise<void> {
    let dialled: () => void;
    const isDialled = new Promise<void>((resolve) => {
      dialled = resolve;
    });
    const listener = await RawListener.listen(host, (peer) => {
      this.#peers.push(peer);
      this.#act(index, peer);
      dialled();
    });
    this.#listeners.push(listener);
    await within(isDialled, 'the victim dials the attacker');
  }

  #act(index: number, peer: RawPeer): void {
    this.#first[index] ??= peer;
    const act = this.#o.attack.act(peer, this.scene(index));
    this.#acts.push(act);
  }
}

export function hostOf(index: number): string {
  return `127.1.${1 + Math.floor(index / 250)}.${1 + (index % 250)}`;
}

/** Who was cut off and banned, and that nobody else was. */
function assertJudgement(attack: Attack, hosts: readonly string[], facts: VictimFacts, codeCountMin: number): void {
  const { code, also = [], banned = 0 } = attack.expect;
  const seen = JSON.stringify(facts.closed);
  if (code !== undefined) {
    assert.ok((facts.closed[code] ?? 0) >= codeCountMin, `${code} is the reason, ${codeCountMin} times; seen: ${seen}`);
  }
  const strange = Object.keys(facts.closed).filter((c) => c.startsWith('peer/') && c !== code && !also.includes(c));
  assert.deepEqual(strange, [], `no other breach is seen; ${seen}`);
  // A ban names the host, but on 127.0.0.1 the whole address.
  const guilty = new Set(facts.bans.map((ban) => ban.key));
  const innocent = [...guilty].filter((key) => !hosts.includes(key));
  assert.deepEqual(innocent, [], 'nobody is banned who has done nothing');
  if (banned === 'some') assert.ok(guilty.size > 0, 'poisoners are banned');
  else if (banned !== 'any') assert.equal(guilty.size, banned, `banned: ${JSON.stringify(facts.bans)}`);
}

/** Looks until the condition is true; a text says why it is not. @throws Error after the deadline */
export async function until(condition: () => Promise<boolean | string>, what: string): Promise<void> {
  const end = performance.now() + deadlineMs;
  for (;;) {
    const is = await condition();
    if (is === true) return;
    const why = is === false ? '' : `, ${is}`;
    if (performance.now() > end) throw new Error(`within ${deadlineMs / 1000} s it did not come to: ${what}${why}`);
    await new Promise((resolve) => setTimeout(resolve, lookEveryMs));
  }
}

async function within<T>(promise: Promise<T>, what: string): Promise<T> {
  let timer: NodeJS.Timeout | undefined;
  const late = new Promise<never>((_, reject) => {
    timer = setTimeout(
      () => reject(new Error(`within ${deadlineMs / 1000} s it did not come to: ${what}`)),
      deadlineMs,
    );
  });
  try {
    return await Promise.race([promise, late]);
  } finally {
    clearTimeout(timer);
  }
}

import assert from 'node:assert/strict';
import { test } from 'node:test';
import fc from 'fast-check';
import { type Millis, type Rng, seededRng } from '#base';
import { AccountLog, Accounts, AnnounceCall, encodeAccounts, restoreAccounts } from '#tracker';

type Event = 'none' | 'started' | 'stopped' | 'completed';

/** One way to announce: transport and address. */
interface Way {
  readonly via: 'http' | 'udp' | 'ws';
  readonly source: Uint8Array;
}

const ways: readonly Way[] = [
  { via: 'http', source: Uint8Array.of(198, 51, 100, 1) },
  { via: 'udp', source: Uint8Array.of(198, 51, 100, 1) },
  { via: 'udp', source: Uint8Array.of(198, 51, 100, 2) },
  { via: 'http', source: new Uint8Array(16).fill(0x20) },
  { via: 'udp', source: new Uint8Array(16).fill(0x20) },
  { via: 'ws', source: Uint8Array.of(198, 51, 100, 1) },
];

interface Packet {
  readonly event: Event;
  readonly uploaded: number;
  readonly downloaded: number;
}

interface Line {
  readonly way: Way;
  readonly inFlight: Packet[];
  isStartedHeard: boolean;
}

/** One run of a client. What it reports by each of its ways arrives in order there, and in any order between them. */
interface Run {
  readonly userId: number;
  readonly hash: number;
  readonly peerId: Uint8Array;
  readonly key: number;
  readonly lines: Line[];
  uploaded: number;
  downloaded: number;
  isStopped: boolean;
  /** Whether a later run has its peer id. */
  hasFollower: boolean;
  /** The naive ledger: the highest sums heard less the first. */
  first: Packet | undefined;
  most: { uploaded: number; downloaded: number };
}

function newAccounts(): Accounts {
  return new Accounts({ sessionTtlMs: 10_000_000, seed: [3, 4] });
}

function newLine(way: Way): Line {
  return { way, inFlight: [], isStartedHeard: false };
}

/** Clients that come, transfer, report by several ways, lose packets, stop, crash and come again under the same peer id. */
class Scene {
  accounts: Accounts;
  readonly runs: Run[] = [];
  readonly #rng: Rng;
  readonly #threads: { log: AccountLog; batches: Uint8Array[]; heard: [Run, Packet][] }[] = [];
  #now = 1_000_000;

  constructor(rng: Rng) {
    this.#rng = rng;
    this.accounts = newAccounts();
    for (let i = 0; i < 3; i++) {
      const batches: Uint8Array[] = [];
      const log = new AccountLog({ recordsMax: 1 + rng.below(4), onBatch: (batch) => batches.push(batch.slice()) });
      this.#threads.push({ log, batches, heard: [] });
    }
  }

  step(): void {
    const rng = this.#rng;
    // Packets are late by seconds, not by minutes.
    this.#now += rng.below(200);
    const run = this.runs.length === 0 ? undefined : (this.runs[rng.below(this.runs.length)] as Run);
    const what = rng.below(100);
    if (run === undefined || what < 6) this.#start();
    else if (what < 35) this.#transfer(run);
    else if (what < 60) this.#send(run, 'none');
    else if (what < 85) this.#deliver(run, rng.below(10) === 0);
    else if (what < 93) this.#flush();
    else if (what < 96) this.#stop(run);
    else if (what < 98) this.#startAgain(run);
    else if (what < 99) this.accounts.sweep(this.#now as Millis);
    else this.#restartTracker();
  }

  end(): void {
    for (const run of this.runs) while (run.lines.some((line) => line.inFlight.length > 0)) this.#deliver(run, false);
    this.#flush();
  }

  #start(of: Partial<Run> = {}): void {
    const rng = this.#rng;
    const peerId = Uint8Array.from({ length: 20 }, () => rng.below(256));
    const lines = ways.filter(() => rng.below(2) === 0).map(newLine);
    if (lines.length === 0) lines.push(newLine(ways[0] as Way));
    const run: Run = {
      userId: 1 + rng.below(4),
      hash: rng.below(3),
      peerId,
      lines,
      uploaded: 0,
      downloaded: 0,
      isStopped: false,
      hasFollower: false,
      first: undefined,
      most: { uploaded: 0, downloaded: 0 },
      ...of,
      key: 1 + rng.below(1_000_000_000),
    };
    this.runs.push(run);
    this.#send(run, 'none');
  }

  #transfer(run: Run): void {
    // Nobody to transfer with before the tracker has answered.
    if (run.isStopped || run.first === undefined) return;
    run.uploaded += this.#rng.below(1_000);
    run.downloaded += this.#rng.below(1_000);
  }

  #send(run: Run, event: Event): void {
    if (run.isStopped) return;
    const { uploaded, downloaded } = run;
    for (const line of run.lines) {
      if (event !== 'stopped' && this.#rng.below(3) === 0) continue;
      line.inFlight.push({ event: event === 'none' && !line.isStartedHeard ? 'started' : event, uploaded, downloaded });
    }
  }

  #deliver(run: Run, isLost: boolean): void {
    const line = run.lines[this.#rng.below(run.lines.length)] as Line;
    const packet = line.inFlight.shift();
    if (packet === undefined || isLost) return;
    line.isStartedHeard ||= packet.event === 'started';
    const call = new AnnounceCall();
    const { via, source } = line.way;
    call.ask(
      {
        infoHash: new Uint8Array(20).fill(run.hash),
        peerId: run.peerId,
        port: 1,
        ...packet,
        left: 1,
        numWant: 0,
        key: run.key,
      },
      { via, source, families: 'both', peersMax: 0, out: new Uint8Array(0) },
    );
    call.userId = run.userId;
    // Packets of one address and transport come to the same thread.
    const thread = this.#threads[via === 'udp' ? 1 + (source.length === 4 ? 0 : 1) : 0];
    thread?.heard.push([run, packet]);
    thread?.log.postAnnounce(call, ++this.#now as Millis);
    if (run.first === undefined) this.#flush();
    run.first ??= packet;
  }

  #flush(): void {
    for (const thread of this.#rng.shuffle([...this.#threads])) {
      thread.log.flush();
      for (const batch of thread.batches.splice(0)) this.accounts.take(batch);
      for (const [run, packet] of thread.heard.splice(0)) {
        run.most.uploaded = Math.max(run.most.uploaded, packet.uploaded);
        run.most.downloaded = Math.max(run.most.downloaded, packet.downloaded);
      }
    }
  }

  #stop(run: Run): void {
    this.#send(run, 'stopped');
    run.isStopped = true;
  }

  /**
   * The same peer id and the same ways once more, after a crash or a goodbye; what the old run had sent has arrived or is lost. A new run
   * that is first heard by a way on which the old one never was cannot be told from it.
   */
  #startAgain(run: Run): void {
    if (run.hasFollower || run.lines.some((line) => !line.isStartedHeard)) return;
    run.isStopped = true;
    run.hasFollower = true;
    for (const line of run.lines) line.inFlight.length = 0;
    this.#flush();
    const { userId, hash, peerId } = run;
    this.#start({ userId, hash, peerId, lines: run.lines.map(({ way }) => newLine(way)) });
  }

  /** The tracker stops and starts: what it has heard goes on from its file. */
  #restartTracker(): void {
    this.#flush();
    const accounts = newAccounts();
    assert(restoreAccounts(accounts, Buffer.concat([...encodeAccounts(this.accounts, 0)]), 0));
    for (const { id, torrents } of this.accounts.ledger.users.values()) {
      assert.equal(accounts.user(id)?.torrents, torrents);
      const sorted = (of: Accounts): unknown[] => of.pairsOf(id).sort((a, b) => (a.infoHash < b.infoHash ? -1 : 1));
      assert.deepEqual(sorted(accounts), sorted(this.accounts));
    }
    this.accounts = accounts;
  }

  /** What the naive ledger says, by user. */
  totals(): Map<number, { uploaded: number; downloaded: number }> {
    const totals = new Map<number, { uploaded: number; downloaded: number }>();
    for (const { userId, most } of this.runs) {
      const total = totals.get(userId) ?? { uploaded: 0, downloaded: 0 };
      totals.set(userId, {
        uploaded: total.uploaded + most.uploaded,
        downloaded: total.downloaded + most.downloaded,
      });
    }
    return totals;
  }
}

test('accounts are what a ledger that knows each run of each client would say', () => {
  fc.assert(
    fc.property(fc.integer(), fc.integer({ min: 1, max: 400 }), (seed, steps) => {
      const scene = new Scene(seededRng(seed));
      for (let i = 0; i < steps; i++) scene.step();
      scene.end();
      for (const [userId, expected] of scene.totals()) {
        const user = scene.accounts.user(userId);
        const got = { uploaded: user?.uploaded ?? 0, downloaded: user?.downloaded ?? 0 };
        assert.deepEqual(got, expected, `user ${userId}`);
      }
    }),
    { numRuns: 300 },
  );
});

import type { MemberFacts, MemberRecord, ReplicationLimits, ReplicationState } from './types.ts';

const states: ReadonlySet<unknown> = new Set<ReplicationState | 'left'>(['alone', 'joining', 'live', 'behind', 'left']);

/** The trackers of a swarm as Redis knows them. */
export class Members {
  readonly #node: string;
  readonly #limits: ReplicationLimits;
  readonly #records = new Map<string, MemberRecord>();

  constructor(node: string, limits: ReplicationLimits) {
    this.#node = node;
    this.#limits = limits;
  }

  /** Takes over what Redis has: nodes and records in turn. What makes no sense is left out. */
  read(reply: readonly unknown[]): void {
    this.#records.clear();
    for (let i = 0; i + 1 < reply.length && this.#records.size < this.#limits.membersMax; i += 2) {
      const record = parseMember(String(reply[i + 1]));
      if (record !== undefined) this.#records.set(String(reply[i]), record);
    }
  }

  /** Another tracker that has everything. */
  hasLiveOther(serverMs: number): boolean {
    return this.#hasOther(serverMs, ({ state }) => state === 'live');
  }

  /** Another tracker that could give a snapshot, now or in a moment: who says `alone` in Redis has just come back. */
  hasGiver(serverMs: number): boolean {
    return this.#hasOther(serverMs, ({ state }) => state !== 'joining');
  }

  /** Whether the last life of the tracker of this name ended a moment ago with nothing left to tell. */
  wasTold(name: string, serverMs: number): boolean {
    for (const [node, record] of this.#records) {
      // One that is here is another of the same name.
      const isOurs = node !== this.#node && record.name === name && record.isTold && !this.#isHere(record, serverMs);
      if (isOurs && serverMs - record.atMs < this.#limits.streamAgeMs) return true;
    }
    return false;
  }

  /** Nodes that have been silent for long. */
  forgotten(serverMs: number): string[] {
    return [...this.#records]
      .filter(([, record]) => serverMs - record.atMs > this.#limits.memberForgetMs)
      .map(([node]) => node);
  }

  facts(serverMs: number): MemberFacts[] {
    return [...this.#records]
      .map(([node, { atMs, startedMs, isTold: _, ...record }]) => ({
        ...record,
        node,
        isSelf: node === this.#node,
        isHere: this.#isHere({ ...record, atMs }, serverMs),
        seenMsAgo: Math.max(0, serverMs - atMs),
        upMs: Math.max(0, atMs - startedMs),
      }))
      .sort((a, b) => Number(b.isHere) - Number(a.isHere) || a.name.localeCompare(b.name));
  }

  #hasOther(serverMs: number, isOne: (record: MemberRecord) => boolean): boolean {
    for (const [node, record] of this.#records) {
      if (node !== this.#node && isOne(record) && this.#isHere(record, serverMs)) return true;
    }
    return false;
  }

  #isHere(record: Pick<MemberRecord, 'state' | 'atMs'>, serverMs: number): boolean {
    return record.state !== 'left' && serverMs - record.atMs < this.#limits.memberTimeoutMs;
  }
}

/** @returns undefined where the text is no record of a tracker */
export function parseMember(text: string): MemberRecord | undefined {
  const value = parseJson(text);
  if (value === undefined || typeof value['name'] !== 'string' || !states.has(value['state'])) return undefined;
  const number = (key: string): number => (Number.isFinite(value[key]) ? Number(value[key]) : 0);
  return {
    name: value['name'].slice(0, 200),
    state: value['state'] as MemberRecord['state'],
    atMs: number('atMs'),
    startedMs: number('startedMs'),
    lagMs: number('lagMs'),
    swarmCount: number('swarmCount'),
    peerCount: number('peerCount'),
    isTold: value['isTold'] === true,
  };
}

/** @returns undefined where `text` is no JSON object */
export function parseJson(text: string): Record<string, unknown> | undefined {
  try {
    const value: unknown = JSON.parse(text);
    return typeof value === 'object' && value !== null ? (value as Record<string, unknown>) : undefined;
  } catch {
    return undefined;
  }
}

import { equalBytes, type Millis } from '../base/index.ts';
import { limits } from './limits.ts';

/** SHA-1 of a block. */
const hashBytes = 20;

/**
 * Why a peer is guilty. `sole-sender`: the whole bad piece came from him. `block-differs`: the good version of the piece has another
 * block where his was. `contradiction`: he sent two versions of one block, of which one at least is wrong.
 */
export type BlameReason = 'sole-sender' | 'block-differs' | 'contradiction';

/** A peer who sent bad data, beyond doubt. Plain data: goes into the trace and into the ban as its evidence. */
export interface BlameVerdict {
  /** As given in `senders`. */
  readonly key: string;
  readonly reason: BlameReason;
  readonly piece: number;
  /** The blocks that are proven bad; for `sole-sender` all that he sent. */
  readonly blocks: readonly number[];
  /** When the first of these blocks failed. */
  readonly since: Millis;
}

/** One piece that failed its hash. */
interface BadVersion {
  readonly at: Millis;
  readonly senders: readonly (string | undefined)[];
  readonly hashes: Uint8Array;
}

interface Case {
  failures: number;
  readonly versions: BadVersion[];
}

/**
 * Finds out who poisoned a piece, to the block ("smart ban"). A failed piece only says that somebody lied; the hash of every block is
 * kept, and when the good version comes, whoever sent a block that differs is guilty and nobody else is. Innocent peers are never
 * banned for sharing a piece with a liar.
 *
 * Where the good version does not come, because liars take part again and again, the piece is put on parole: it is to be asked of one
 * peer only, and if it fails again there is one to blame.
 */
export class Blame {
  /** By piece, oldest first. */
  readonly #cases = new Map<number, Case>();
  #bytes = 0;

  /** Ask for block hashes even where the piece turns out good: it failed before. */
  isSuspect(piece: number): boolean {
    return this.#cases.has(piece);
  }

  /** The piece is to be asked of one peer only. */
  isOnParole(piece: number): boolean {
    return (this.#cases.get(piece)?.failures ?? 0) >= limits.blame.paroleFailures;
  }

  /** Who took part in bad versions of the piece. For people, and to choose somebody else for a piece on parole. */
  suspects(piece: number): string[] {
    const keys = new Set<string>();
    for (const version of this.#cases.get(piece)?.versions ?? []) {
      for (const key of version.senders) if (key !== undefined) keys.add(key);
    }
    return [...keys];
  }

  /** Bytes of hashes kept. */
  get bytes(): number {
    return this.#bytes;
  }

  /**
   * A piece failed its hash.
   *
   * @param senders     by block, whose bytes it was; undefined where nobody sent it (pad bytes). Copied.
   * @param blockHashes 20 bytes a block, of the bad data. Copied.
   * @returns who is guilty already
   */
  onBad(now: Millis, piece: number, senders: readonly (string | undefined)[], blockHashes: Uint8Array): BlameVerdict[] {
    const known = this.#cases.get(piece);
    const bad: BadVersion = { at: now, senders: [...senders], hashes: new Uint8Array(blockHashes) };
    const sole = soleSender(senders);
    if (sole !== undefined) {
      // Nothing to learn from it later, but the piece stays under suspicion: others may have lied before.
      if (known !== undefined) known.failures++;
      const blocks = blocksOf(senders, sole);
      return [{ key: sole, reason: 'sole-sender', piece, blocks, since: now }];
    }
    const verdicts = known === undefined ? [] : contradictions(piece, known.versions, bad);
    const file = known ?? { failures: 0, versions: [] };
    if (known === undefined) this.#cases.set(piece, file);
    file.failures++;
    if (file.versions.length >= limits.blame.versionsMax) this.#drop(file.versions.shift() as BadVersion);
    file.versions.push(bad);
    this.#bytes += bad.hashes.length;
    this.#trim(piece);
    return verdicts;
  }

  /**
   * A piece passed its hash.
   *
   * @param blockHashes of the good data, where `isSuspect` asked for them; without them the case is closed without a verdict
   */
  onGood(_now: Millis, piece: number, blockHashes: Uint8Array | undefined): BlameVerdict[] {
    const file = this.#cases.get(piece);
    if (file === undefined) return [];
    this.#close(piece, file);
    if (blockHashes === undefined) return [];
    const guilty = new Map<string, { blocks: Set<number>; since: Millis }>();
    for (const { at, senders, hashes } of file.versions) {
      for (let block = 0; block < senders.length; block++) {
        const key = senders[block];
        if (key === undefined || isSameBlock(hashes, blockHashes, block)) continue;
        const found = guilty.get(key) ?? { blocks: new Set<number>(), since: at };
        found.blocks.add(block);
        guilty.set(key, found);
      }
    }
    return [...guilty].map(([key, { blocks, since }]) => ({
      key,
      reason: 'block-differs',
      piece,
      blocks: [...blocks].sort((a, b) => a - b),
      since,
    }));
  }

  /** Evidence is bounded: the oldest cases are given up, never the newest. */
  #trim(newest: number): void {
    for (const [piece, file] of this.#cases) {
      if (this.#bytes <= limits.blame.memoryBytes || piece === newest) return;
      this.#close(piece, file);
    }
  }

  #close(piece: number, file: Case): void {
    for (const version of file.versions) this.#drop(version);
    this.#cases.delete(piece);
  }

  #drop(version: BadVersion): void {
    this.#bytes -= version.hashes.length;
  }
}

/** The one who sent every block that anybody sent. */
function soleSender(senders: readonly (string | undefined)[]): string | undefined {
  let sole: string | undefined;
  for (const key of senders) {
    if (key === undefined) continue;
    if (sole !== undefined && key !== sole) return undefined;
    sole = key;
  }
  return sole;
}

function blocksOf(senders: readonly (string | undefined)[], key: string): number[] {
  const blocks: number[] = [];
  for (let block = 0; block < senders.length; block++) if (senders[block] === key) blocks.push(block);
  return blocks;
}

function contradictions(piece: number, before: readonly BadVersion[], now: BadVersion): BlameVerdict[] {
  const guilty = new Map<string, { blocks: number[]; since: Millis }>();
  for (let block = 0; block < now.senders.length; block++) {
    const key = now.senders[block];
    if (key === undefined) continue;
    const other = before.find((v) => v.senders[block] === key && !isSameBlock(v.hashes, now.hashes, block));
    if (other === undefined) continue;
    const found = guilty.get(key) ?? { blocks: [], since: other.at };
    found.blocks.push(block);
    guilty.set(key, found);
  }
  return [...guilty].map(([key, { blocks, since }]) => ({ key, reason: 'contradiction', piece, blocks, since }));
}

function isSameBlock(a: Uint8Array, b: Uint8Array, block: number): boolean {
  const at = block * hashBytes;
  return equalBytes(a.subarray(at, at + hashBytes), b.subarray(at, at + hashBytes));
}

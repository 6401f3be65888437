import { addMs, type ConnId, type Millis } from '../base/index.ts';
import type { LayerRange } from '../metainfo/index.ts';
import type { HashRange } from '../wire/index.ts';
import { limits } from './limits.ts';

/** A range of a piece layer that is missing. */
export interface Gap {
  readonly range: HashRange;
  /** Root of its file, as hex. */
  readonly root: string;
  /** Pieces of the file, counted from its first. */
  readonly first: number;
  readonly end: number;
}

interface Wanted extends Gap {
  askedOf: ConnId | undefined;
  askedAt: Millis;
  /** Peers that rejected or did not answer, until they may be asked again; late answers of theirs are welcome. */
  readonly refused: Map<ConnId, Millis>;
}

/**
 * The ranges of piece layers that are missing, and who was asked for which. A torrent of many files has as many: nothing here walks all
 * of them for one message.
 */
export class HashGaps {
  readonly #all = new Map<string, Wanted>();
  /** Asked of nobody. Those that were refused stand behind the others. */
  readonly #idle = new Set<Wanted>();
  /** In the order of asking. */
  readonly #asked = new Set<Wanted>();
  readonly #openAt = new Map<ConnId, number>();
  /** By peer: what it refused. */
  readonly #refusedBy = new Map<ConnId, Set<Wanted>>();

  get size(): number {
    return this.#all.size;
  }

  add(gap: Gap): void {
    const wanted = { ...gap, askedOf: undefined, askedAt: 0 as Millis, refused: new Map() };
    this.#all.set(keyOf(gap.root, gap.range), wanted);
    this.#idle.add(wanted);
  }

  /**
   * Requests to send to a peer, as many as may be open at it.
   * @param isWanted whether a gap is to be closed; one that is not now never will be
   */
  ask(now: Millis, conn: ConnId, isWanted: (gap: Gap) => boolean): HashRange[] {
    this.#expire(now);
    const out: HashRange[] = [];
    let open = this.#openAt.get(conn) ?? 0;
    if (open >= limits.hashes.perPeerMax) return out;
    for (const gap of this.#idle) {
      if (open >= limits.hashes.perPeerMax) break;
      if (!isWanted(gap)) {
        this.#idle.delete(gap);
        continue;
      }
      if ((gap.refused.get(conn) ?? now) > now) continue;
      gap.askedOf = conn;
      gap.askedAt = now;
      this.#idle.delete(gap);
      this.#asked.add(gap);
      open++;
      out.push(gap.range);
    }
    if (out.length > 0) this.#openAt.set(conn, open);
    return out;
  }

  /** Hashes have come. @returns the gap that they are to close; undefined where nobody asked this peer for them */
  answered(conn: ConnId, root: string, range: LayerRange): Gap | undefined {
    const gap = this.#all.get(keyOf(root, range));
    if (gap === undefined || !isSameRange(gap.range, range)) return undefined;
    if (gap.askedOf !== conn && !gap.refused.has(conn)) return undefined;
    if (gap.askedOf === conn) this.#free(gap);
    return gap;
  }

  /** What was missing is here. */
  close(gap: Gap): void {
    const key = keyOf(gap.root, gap.range);
    const wanted = this.#all.get(key);
    if (wanted === undefined) return;
    this.#free(wanted);
    this.#idle.delete(wanted);
    for (const conn of wanted.refused.keys()) this.#refusedBy.get(conn)?.delete(wanted);
    this.#all.delete(key);
  }

  /** @returns false where nobody asked this peer for it */
  onReject(now: Millis, conn: ConnId, root: string, range: LayerRange): boolean {
    const gap = this.#all.get(keyOf(root, range));
    if (gap?.askedOf !== conn) return false;
    this.#refuse(now, gap, conn);
    return true;
  }

  /** What the peer was asked for is free for others. */
  onClosed(conn: ConnId): void {
    if ((this.#openAt.get(conn) ?? 0) > 0) for (const gap of this.#asked) if (gap.askedOf === conn) this.#free(gap);
    this.#openAt.delete(conn);
    for (const gap of this.#refusedBy.get(conn) ?? []) gap.refused.delete(conn);
    this.#refusedBy.delete(conn);
  }

  #expire(now: Millis): void {
    for (const gap of this.#asked) {
      if (now < addMs(gap.askedAt, limits.hashes.timeoutMs)) return;
      this.#refuse(now, gap, gap.askedOf as ConnId);
    }
  }

  #refuse(now: Millis, gap: Wanted, conn: ConnId): void {
    gap.refused.set(conn, addMs(now, limits.hashes.refusedMs));
    const refused = this.#refusedBy.get(conn);
    if (refused === undefined) this.#refusedBy.set(conn, new Set([gap]));
    else refused.add(gap);
    this.#free(gap);
  }

  #free(gap: Wanted): void {
    if (gap.askedOf === undefined) return;
    this.#openAt.set(gap.askedOf, (this.#openAt.get(gap.askedOf) as number) - 1);
    gap.askedOf = undefined;
    this.#asked.delete(gap);
    this.#idle.add(gap);
  }
}

function keyOf(root: string, range: LayerRange): string {
  return `${root}/${range.index}`;
}

function isSameRange(a: LayerRange, b: LayerRange): boolean {
  return a.baseLayer === b.baseLayer && a.index === b.index && a.length === b.length && a.proofLayers === b.proofLayers;
}

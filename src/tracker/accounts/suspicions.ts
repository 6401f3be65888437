import { toHex } from '../../base/index.ts';
import { accountLimits } from './limits.ts';
import type { AccountRecord } from './record.ts';

/** `too-fast`: more bytes than the line can carry. `no-leecher`: uploaded where nobody was downloading. */
export type SuspicionKind = 'too-fast' | 'no-leecher';

/** A report that cannot be true. */
export interface Suspicion {
  readonly kind: SuspicionKind;
  readonly userId: number;
  /** 40 hex digits. */
  readonly infoHash: string;
  /** 40 hex digits. */
  readonly peerId: string;
  /** What the report added, bytes. */
  readonly uploaded: number;
  readonly downloaded: number;
  /** Since the client's report before, ms. */
  readonly ms: number;
  /** On the clock of the tracker. */
  readonly at: number;
}

/** The latest reports that cannot be true, and how many there were. */
export class Suspicions {
  readonly #onSuspicion: ((suspicion: Suspicion) => void) | undefined;
  readonly #kept: Suspicion[] = [];
  #count = 0;

  constructor(onSuspicion: ((suspicion: Suspicion) => void) | undefined) {
    this.#onSuspicion = onSuspicion;
  }

  /** Since the start. */
  get count(): number {
    return this.#count;
  }

  add(of: Pick<Suspicion, 'kind' | 'uploaded' | 'downloaded' | 'ms'>, record: AccountRecord): void {
    const suspicion: Suspicion = {
      ...of,
      userId: record.userId,
      infoHash: toHex(record.bytes.subarray(record.hashAt, record.hashAt + 20)),
      peerId: toHex(record.bytes.subarray(record.peerIdAt, record.peerIdAt + 20)),
      at: record.time,
    };
    this.#kept[this.#count++ % accountLimits.suspicionsKept] = suspicion;
    this.#onSuspicion?.(suspicion);
  }

  /** The latest first. */
  latest(limit: number = accountLimits.suspicionsKept): Suspicion[] {
    const latest: Suspicion[] = [];
    for (let i = this.#count - 1; i >= 0 && latest.length < Math.min(limit, this.#kept.length); i--) {
      latest.push(this.#kept[i % accountLimits.suspicionsKept] as Suspicion);
    }
    return latest;
  }
}

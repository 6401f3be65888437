import type { AnnounceCall } from './calls.ts';
import type { TrackerHooks } from './hooks.ts';

export interface ClientShare {
  /** Beginning of the peer id (BEP 20): `-qB`; `other` where it names no client in that way. */
  readonly prefix: string;
  /** Announces since the start. */
  readonly count: number;
}

const LETTERS = '0123456789ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz';
const DASH = 0x2d;
/** Place of a letter, by its byte; 255 = none. */
const places = new Uint8Array(256).fill(255);
for (let i = 0; i < LETTERS.length; i++) places[LETTERS.charCodeAt(i)] = i;
const OTHERS = LETTERS.length * LETTERS.length;

/** Which clients announce, by the two letters of their peer ids: fixed shared memory for all threads, whatever peers call themselves. */
export class ClientShares implements TrackerHooks {
  /** For `new ClientShares` in another thread: 15 KiB. */
  readonly shared: SharedArrayBuffer;
  readonly #counts: Uint32Array;

  /** @param from the memory of shares made elsewhere */
  constructor(from: SharedArrayBuffer = new SharedArrayBuffer((OTHERS + 1) * 4)) {
    this.shared = from;
    this.#counts = new Uint32Array(from);
  }

  postAnnounce(call: AnnounceCall): void {
    const { peerIdBytes: id, peerIdAt: at } = call;
    const first = places[id[at + 1] as number] as number;
    const second = places[id[at + 2] as number] as number;
    const isNamed = id[at] === DASH && id[at + 7] === DASH && first !== 255 && second !== 255;
    Atomics.add(this.#counts, isNamed ? first * LETTERS.length + second : OTHERS, 1);
  }

  /** Most announces first. */
  list(): ClientShare[] {
    const shares: ClientShare[] = [];
    for (let i = 0; i <= OTHERS; i++) {
      const count = this.#counts[i] as number;
      if (count === 0) continue;
      const letters = `${LETTERS[Math.floor(i / LETTERS.length)]}${LETTERS[i % LETTERS.length]}`;
      shares.push({ prefix: i === OTHERS ? 'other' : `-${letters}`, count });
    }
    return shares.sort((a, b) => b.count - a.count);
  }
}

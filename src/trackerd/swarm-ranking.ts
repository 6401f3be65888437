import { toHex } from '../base/index.ts';
import type { DenseStore, WalkedSwarm } from '../tracker/index.ts';
import type { SwarmFacts } from './web/ports.ts';

/** Swarms looked at in a step: under a millisecond. */
const STEP = 500;
const STEP_EVERY_MS = 200;

/** Keeps a list of the largest swarms fresh, by walking over all of them in small steps again and again. */
export class SwarmRanking {
  readonly #store: DenseStore;
  readonly #count: number;
  readonly #nameOf: (infoHash: string) => string | undefined;
  #cursor = 0;
  #next: SwarmFacts[] = [];
  #top: readonly SwarmFacts[] = [];
  #timer: NodeJS.Timeout | undefined;

  constructor(options: { store: DenseStore; count: number; nameOf: (infoHash: string) => string | undefined }) {
    this.#store = options.store;
    this.#count = options.count;
    this.#nameOf = options.nameOf;
  }

  /** Largest first: of a small store as it is now, of a large one as of the last walk that was finished. */
  get top(): readonly SwarmFacts[] {
    if (this.#store.stats().swarmCount <= STEP) {
      this.#cursor = 0;
      this.#next = [];
      do this.step();
      while (this.#cursor > 0);
    }
    return this.#top;
  }

  start(): void {
    this.#timer = setInterval(() => this.step(), STEP_EVERY_MS);
    this.#timer.unref();
  }

  close(): void {
    clearInterval(this.#timer);
  }

  step(): void {
    this.#cursor = this.#store.walk(this.#cursor, STEP, (swarm) => this.#visit(swarm));
    if (this.#cursor >= 0) return;
    this.#cursor = 0;
    this.#top = this.#next.map((swarm) => {
      const name = this.#nameOf(swarm.infoHash);
      return name === undefined ? swarm : { ...swarm, name };
    });
    this.#next = [];
  }

  #visit({ infoHash, complete, incomplete, downloaded }: WalkedSwarm): void {
    const size = complete + incomplete;
    const next = this.#next;
    const last = next[this.#count - 1];
    if (size === 0 || (last !== undefined && last.seeders + last.leechers >= size)) return;
    let at = next.length;
    while (at > 0 && sizeOf(next[at - 1] as SwarmFacts) < size) at--;
    next.splice(at, 0, { infoHash: toHex(infoHash), seeders: complete, leechers: incomplete, downloads: downloaded });
    if (next.length > this.#count) next.pop();
  }
}

function sizeOf({ seeders, leechers }: SwarmFacts): number {
  return seeders + leechers;
}

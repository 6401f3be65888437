import type { ScrapeCounts } from '../../wire/index.ts';
import type { Catalogue } from './catalogue.ts';
import { type CatalogueEntry, swarmHashes } from './entry.ts';

/** Live counts of one swarm. @param infoHash 20 bytes */
export type CountsOf = (infoHash: Uint8Array) => ScrapeCounts;

/** Torrents looked up in one step: the tracker serves between two. */
const STEP = 500;
const STEP_EVERY_MS = 200;

/** All swarms of a torrent together. */
export function countsOfEntry(entry: CatalogueEntry, countsOf: CountsOf): ScrapeCounts {
  const sum = { complete: 0, incomplete: 0, downloaded: 0 };
  for (const hash of swarmHashes(entry)) {
    const { complete, incomplete, downloaded } = countsOf(hash);
    sum.complete += complete;
    sum.incomplete += incomplete;
    sum.downloaded += downloaded;
  }
  return sum;
}

/** Keeps the catalogue's order by seeders fresh, a small step at a time. */
export class Ranking {
  readonly #catalogue: Catalogue;
  readonly #countsOf: CountsOf;
  #ids: string[] = [];
  #seeders = new Float64Array(0);
  #at = 0;
  #timer: NodeJS.Timeout | undefined;

  constructor(options: { catalogue: Catalogue; countsOf: CountsOf }) {
    this.#catalogue = options.catalogue;
    this.#countsOf = options.countsOf;
  }

  start(): void {
    this.#timer = setInterval(() => this.step(), STEP_EVERY_MS);
    this.#timer.unref();
  }

  close(): void {
    clearInterval(this.#timer);
  }

  /** Looks some torrents up; after the last the order is set anew. */
  step(): void {
    if (this.#at === 0) {
      this.#ids = [...this.#catalogue.ids()];
      this.#seeders = new Float64Array(this.#ids.length);
    }
    const end = Math.min(this.#at + STEP, this.#ids.length);
    for (; this.#at < end; this.#at++) {
      const entry = this.#catalogue.get(this.#ids[this.#at] as string);
      const complete = entry === undefined ? 0 : countsOfEntry(entry, this.#countsOf).complete;
      // Place and count in one number: sorting numbers is much quicker than sorting with a function.
      this.#seeders[this.#at] = complete * this.#ids.length + this.#at;
    }
    if (this.#at < this.#ids.length) return;
    this.#at = 0;
    this.#seeders.sort().reverse();
    this.#catalogue.rank(Array.from(this.#seeders, (n) => this.#ids[n % this.#ids.length] as string));
  }
}

import type { OpenAPIHono } from '@hono/zod-openapi';
import type { Context, Hono } from 'hono';
import { HashTable } from '../../tracker/index.ts';
import type { Markup } from '../web/page.ts';
import type { CatalogueAccess } from './access.ts';
import { createCatalogueApi } from './api.ts';
import { createCatalogueApp } from './app.ts';
import { Catalogue, type CatalogueChange, type CatalogueTrouble } from './catalogue.ts';
import { swarmHashes } from './entry.ts';
import { type CountsOf, Ranking } from './ranking.ts';

export interface CatalogueServiceOptions {
  readonly folder: string;
  readonly countsOf: CountsOf;
  /** Two unpredictable words. */
  readonly seed: readonly [number, number];
  /** `listed` is another table. */
  readonly onListed: () => void;
}

/** The catalogue of a running tracker: its torrents, their order by seeders, and the table of their info-hashes for all threads. */
export class CatalogueService {
  readonly catalogue: Catalogue;
  readonly #o: CatalogueServiceOptions;
  readonly #ranking: Ranking;
  #listed: HashTable;

  constructor(options: CatalogueServiceOptions) {
    this.#o = options;
    this.#listed = this.#newTable(0);
    this.catalogue = new Catalogue({ folder: options.folder, onChange: (change) => this.#onChange(change) });
    this.#ranking = new Ranking({ catalogue: this.catalogue, countsOf: options.countsOf });
  }

  /** Info-hashes of all torrents, both of a hybrid. Threads that have it see single changes at once. */
  get listed(): HashTable {
    return this.#listed;
  }

  /** Reads the folder, at the start and again. @returns files that could not be used */
  async load(): Promise<CatalogueTrouble[]> {
    return await this.catalogue.load();
  }

  start(): void {
    this.#ranking.start();
  }

  close(): void {
    this.#ranking.close();
  }

  createPages(o: {
    title: string;
    publicUrl: string | undefined;
    access: CatalogueAccess;
    mayUpload: () => boolean;
    frame: (
      c: Context,
      page: { title: string; body: Markup; status?: 200 | 400 | 401 | 404 },
    ) => Response | Promise<Response>;
    sourceOf: (c: Context) => string;
  }): Hono {
    const { publicUrl, ...rest } = o;
    const common = { catalogue: this.catalogue, countsOf: this.#o.countsOf };
    return createCatalogueApp({ ...common, ...rest, ...(publicUrl !== undefined && { publicUrl }) });
  }

  createOperations(announceUrls: (c: Context) => readonly string[]): OpenAPIHono {
    return createCatalogueApi({ catalogue: this.catalogue, countsOf: this.#o.countsOf, announceUrls });
  }

  #onChange(change: CatalogueChange): void {
    if (change.kind === 'loaded') {
      // Room to grow, so that single changes need no other table.
      this.#listed = this.#newTable(Math.max(1_024, Math.ceil(this.catalogue.size * 2.2)));
      for (const entry of this.catalogue.entries()) for (const hash of swarmHashes(entry)) this.#listed.add(hash, 0);
      this.#o.onListed();
      return;
    }
    const before = this.#listed;
    for (const hash of swarmHashes(change.entry)) {
      if (change.kind === 'removed') this.#listed.remove(hash, 0);
      else {
        this.#listed = this.#listed.withRoom();
        this.#listed.add(hash, 0);
      }
    }
    if (this.#listed !== before) this.#o.onListed();
  }

  #newTable(count: number): HashTable {
    return HashTable.make({ keyBytes: 20, count, seed: this.#o.seed, isShared: true });
  }
}

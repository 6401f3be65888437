import { readdir, stat, unlink } from 'node:fs/promises';
import { basename, join } from 'node:path';
import { BtError } from '../../base/index.ts';
import { nodeCrypto, toDiskError } from '../../hash/index.ts';
import { parseMagnet, parseTorrentFile, type TorrentFile, wrapInfo } from '../../metainfo/index.ts';
import { writeAtomic } from '../../node/index.ts';
import { catalogueLimits } from '../limits.ts';
import { type CatalogueEntry, type CatalogueNotes, entryOfMagnet, entryOfTorrent, toNotes } from './entry.ts';
import { RecentTorrents, readBounded, readTorrent, tooLarge } from './recent-torrents.ts';
import { SearchIndex } from './search-index.ts';

/** `seeders`: as last ranked. */
export type CatalogueOrder = 'newest' | 'name' | 'size' | 'seeders';

/** A file of the folder that could not be listed, and why. */
export interface CatalogueTrouble {
  readonly file: string;
  readonly what: string;
}

export type CatalogueChange =
  | { readonly kind: 'loaded' }
  | { readonly kind: 'added' | 'removed'; readonly entry: CatalogueEntry };

export interface CatalogueQuery {
  /** Beginnings of words of title, name, tags. */
  readonly words?: string;
  readonly category?: string;
  readonly tag?: string;
  readonly order?: CatalogueOrder;
}

/** What lies beside a torrent as `<id>.json`. A magnet link has only this. */
interface SideFile extends Partial<CatalogueNotes> {
  readonly v: 1;
  readonly magnet?: string;
}

/**
 * The torrents that a tracker serves, kept as files in one folder: `<id>.torrent`, and `<id>.json` with what people say about it, or with
 * the magnet link. Torrents that an operator puts into the folder under any name are listed too, at the next `load`.
 *
 * Lists and searches are answered from memory; of a torrent only a few facts are kept there.
 */
export class Catalogue {
  readonly #folder: string;
  readonly #nowSec: () => number;
  readonly #onChange: (change: CatalogueChange) => void;
  #entries = new Map<string, CatalogueEntry>();
  #index = new SearchIndex();
  readonly #recent = new RecentTorrents();
  /** Ids, newest first, by name, by size; made when asked for, dropped by a change. */
  readonly #sorted = new Map<CatalogueOrder, readonly string[]>();
  #categories: ReadonlyMap<string, number> | undefined;

  /**
   * @param options.nowSec seconds since 1970
   * @param options.onChange told after every change of what is listed
   */
  constructor(options: { folder: string; nowSec?: () => number; onChange?: (change: CatalogueChange) => void }) {
    this.#folder = options.folder;
    this.#onChange = options.onChange ?? ((): void => {});
    this.#nowSec = options.nowSec ?? (() => Math.floor(Date.now() / 1000));
  }

  /** Sets the order `seeders`; who is not in it comes last. @param ids most seeders first */
  rank(ids: readonly string[]): void {
    const known = ids.filter((id) => this.#entries.has(id));
    const ranked = new Set(known);
    this.#sorted.set('seeders', [...known, ...this.#inOrder('newest').filter((id) => !ranked.has(id))]);
  }

  get size(): number {
    return this.#entries.size;
  }

  /** Reads the folder anew. What was listed stays listed until all is read. @returns files that could not be used */
  async load(): Promise<CatalogueTrouble[]> {
    const troubles: CatalogueTrouble[] = [];
    const entries = new Map<string, CatalogueEntry>();
    const index = new SearchIndex();
    const names = (await listFolder(this.#folder)).sort();
    const sides = new Set(names.filter((name) => name.endsWith('.json')));
    const put = (entry: CatalogueEntry) => {
      if (entries.has(entry.id)) throw new BtError('client/invalid', { what: 'the same torrent is listed already' });
      if (entries.size >= catalogueLimits.entriesMax)
        throw new BtError('client/invalid', { what: `more than ${catalogueLimits.entriesMax} torrents` });
      entries.set(entry.id, entry);
      index.put(entry.id, toSearchText(entry));
    };
    for (const name of names) {
      const path = join(this.#folder, name);
      try {
        if (name.endsWith('.torrent')) {
          const sideName = `${basename(name, '.torrent')}.json`;
          const side = sides.delete(sideName) ? await readSide(join(this.#folder, sideName)) : undefined;
          const torrent = await readTorrent(path);
          const addedAt = Math.floor((await stat(path)).mtimeMs / 1000);
          put(entryOfTorrent(torrent, path, toNotes(side ?? {}, addedAt)));
        }
      } catch (error) {
        troubles.push({ file: name, what: error instanceof Error ? error.message : String(error) });
      }
    }
    // What is left stands alone: magnet links.
    for (const name of sides) {
      try {
        const side = await readSide(join(this.#folder, name));
        if (side.magnet === undefined)
          throw new BtError('client/invalid', { what: 'neither a torrent nor a magnet link' });
        put(entryOfMagnet(parseMagnet(side.magnet), toNotes(side, 0)));
      } catch (error) {
        troubles.push({ file: name, what: error instanceof Error ? error.message : String(error) });
      }
    }
    this.#entries = entries;
    this.#index = index;
    this.#changed();
    this.#onChange({ kind: 'loaded' });
    return troubles;
  }

  get(id: string): CatalogueEntry | undefined {
    return this.#entries.get(id) ?? this.#findV2(id);
  }

  ids(): Iterable<string> {
    return this.#entries.keys();
  }

  entries(): Iterable<CatalogueEntry> {
    return this.#entries.values();
  }

  /** @returns ids in order; a slice of it is a page */
  find(query: CatalogueQuery): string[] {
    const found = query.words === undefined ? undefined : this.#index.find(query.words);
    const { category, tag } = query;
    return this.#inOrder(query.order ?? 'newest').filter((id) => {
      if (found?.has(id) === false) return false;
      const entry = this.#entries.get(id) as CatalogueEntry;
      return (category === undefined || entry.category === category) && (tag === undefined || entry.tags.includes(tag));
    });
  }

  /** How many torrents each category has. */
  categories(): ReadonlyMap<string, number> {
    if (this.#categories === undefined) {
      const counts = new Map<string, number>();
      for (const { category } of this.#entries.values()) counts.set(category, (counts.get(category) ?? 0) + 1);
      this.#categories = new Map([...counts].sort(([a], [b]) => (a < b ? -1 : 1)));
    }
    return this.#categories;
  }

  /**
   * Adds a torrent that somebody sent.
   *
   * @throws BtError `metainfo/*`, `bencode/*` for bytes that are none; `client/duplicate`; `client/invalid` where the catalogue is full;
   *   `disk/*`
   */
  addTorrent(bytes: Uint8Array, given: Partial<CatalogueNotes>): CatalogueEntry {
    if (bytes.length > catalogueLimits.torrentBytesMax) throw tooLarge();
    const torrent = parseTorrentFile(bytes, nodeCrypto);
    if (torrent.info.files.length > catalogueLimits.filesMax)
      throw new BtError('client/invalid', { what: `more than ${catalogueLimits.filesMax} files` });
    const notes = toNotes(given, this.#nowSec());
    const entry = entryOfTorrent(torrent, '', notes);
    this.#expectRoom(entry);
    const path = join(this.#folder, `${entry.id}.torrent`);
    writeAtomic(path, bytes);
    this.#writeSide(entry.id, notes);
    return this.#add({
      ...entry,
      torrent: { ...(entry.torrent as object), path } as Required<CatalogueEntry>['torrent'],
    });
  }

  /** @throws BtError `magnet/invalid`, `client/duplicate`, `client/invalid`, `disk/*` */
  addMagnet(link: string, given: Partial<CatalogueNotes>): CatalogueEntry {
    const notes = toNotes(given, this.#nowSec());
    const entry = entryOfMagnet(parseMagnet(link), notes);
    this.#expectRoom(entry);
    this.#writeSide(entry.id, notes, link);
    return this.#add(entry);
  }

  /** Changes what people say about a torrent. @returns undefined where there is no such torrent */
  async change(id: string, given: Partial<CatalogueNotes>): Promise<CatalogueEntry | undefined> {
    const entry = this.get(id);
    if (entry === undefined) return undefined;
    const { title, description, category, tags, addedAt, addedBy } = entry;
    const notes = toNotes({ title, description, category, tags, addedBy, ...given, addedAt }, addedAt);
    const path = this.#sidePath(entry);
    const side = await readSide(path).catch(() => undefined);
    writeAtomic(path, encodeSide({ ...notes, ...(side?.magnet !== undefined && { magnet: side.magnet }) }));
    return this.#put({ ...entry, ...notes, title: notes.title === '' ? entry.name : notes.title });
  }

  /** Takes a torrent off the list and deletes its files. @returns whether it was there */
  async remove(id: string): Promise<boolean> {
    const entry = this.get(id);
    if (entry === undefined) return false;
    for (const path of [entry.torrent?.path, this.#sidePath(entry)]) {
      if (path !== undefined) await unlink(path).catch(ignoreMissing(path));
    }
    this.#entries.delete(entry.id);
    this.#index.remove(entry.id);
    this.#changed();
    this.#onChange({ kind: 'removed', entry });
    return true;
  }

  /** The torrent's file as it lies on disk. @throws BtError `disk/*`, `metainfo/*` where it was changed since */
  async readTorrent(entry: CatalogueEntry): Promise<TorrentFile | undefined> {
    return entry.torrent === undefined ? undefined : await this.#recent.read(entry.torrent.path);
  }

  #inOrder(order: CatalogueOrder): readonly string[] {
    const known = this.#sorted.get(order);
    if (known !== undefined) return known;
    // Nothing is ranked yet, or something was added or removed since.
    if (order === 'seeders') return this.#inOrder('newest');
    const all = [...this.#entries.values()].sort(comparators[order]).map(({ id }) => id);
    this.#sorted.set(order, all);
    return all;
  }

  #findV2(id: string): CatalogueEntry | undefined {
    if (id.length !== 64) return undefined;
    const short = this.#entries.get(id.slice(0, 40));
    return short?.hashV2 === id ? short : undefined;
  }

  #expectRoom(entry: CatalogueEntry): void {
    if (this.#entries.has(entry.id)) throw new BtError('client/duplicate', { infoHash: entry.id });
    if (this.#entries.size >= catalogueLimits.entriesMax) {
      throw new BtError('client/invalid', { what: `the catalogue is full: ${catalogueLimits.entriesMax} torrents` });
    }
  }

  #add(entry: CatalogueEntry): CatalogueEntry {
    this.#put(entry);
    this.#onChange({ kind: 'added', entry });
    return entry;
  }

  #put(entry: CatalogueEntry): CatalogueEntry {
    this.#entries.set(entry.id, entry);
    this.#index.put(entry.id, toSearchText(entry));
    this.#changed();
    return entry;
  }

  #changed(): void {
    this.#sorted.clear();
    this.#categories = undefined;
  }

  #sidePath(entry: CatalogueEntry): string {
    const stem = entry.torrent === undefined ? entry.id : basename(entry.torrent.path, '.torrent');
    return join(this.#folder, `${stem}.json`);
  }

  #writeSide(id: string, notes: CatalogueNotes, magnet?: string): void {
    writeAtomic(join(this.#folder, `${id}.json`), encodeSide({ ...notes, ...(magnet !== undefined && { magnet }) }));
  }
}

/** A torrent with only this tracker's announce URLs in it; nothing of the info dictionary changes. */
export function withTrackers(torrent: TorrentFile, announceUrls: readonly string[]): Uint8Array {
  return wrapInfo(torrent.info.bytes, {
    trackers: announceUrls.map((url) => [url]),
    webSeeds: torrent.webSeeds,
    ...(torrent.comment !== undefined && { comment: torrent.comment }),
    ...(torrent.createdBy !== undefined && { createdBy: torrent.createdBy }),
    ...(torrent.creationDate !== undefined && { creationDate: torrent.creationDate }),
    ...(torrent.info.hashV2 !== undefined && { pieceLayers: torrent.pieceLayers }),
  });
}

const comparators: Readonly<
  Record<Exclude<CatalogueOrder, 'seeders'>, (a: CatalogueEntry, b: CatalogueEntry) => number>
> = {
  newest: (a, b) => b.addedAt - a.addedAt || compareText(a.id, b.id),
  name: (a, b) => compareText(a.title.toLowerCase(), b.title.toLowerCase()) || compareText(a.id, b.id),
  size: (a, b) => (b.torrent?.totalLength ?? 0) - (a.torrent?.totalLength ?? 0) || compareText(a.id, b.id),
};

function compareText(a: string, b: string): number {
  if (a === b) return 0;
  return a < b ? -1 : 1;
}

function toSearchText(entry: CatalogueEntry): string {
  return `${entry.title} ${entry.name} ${entry.category} ${entry.tags.join(' ')}`;
}

function encodeSide(side: Omit<SideFile, 'v'>): Uint8Array {
  return Buffer.from(`${JSON.stringify({ v: 1, ...side }, null, 2)}\n`);
}

async function readSide(path: string): Promise<SideFile> {
  const parsed: unknown = JSON.parse((await readBounded(path, catalogueLimits.sideBytesMax)).toString('utf8'));
  if (typeof parsed !== 'object' || parsed === null) throw new BtError('swarm/state-damaged', { what: path });
  const fields = parsed as Record<string, unknown>;
  if (typeof fields['v'] === 'number' && fields['v'] > 1) throw new BtError('swarm/state-newer', { what: path });
  const text = (name: string) => (typeof fields[name] === 'string' ? { [name]: fields[name] } : {});
  const { tags, addedAt } = fields;
  return {
    v: 1,
    ...text('title'),
    ...text('description'),
    ...text('category'),
    ...text('addedBy'),
    ...text('magnet'),
    ...(Array.isArray(tags) && { tags: tags.filter((tag) => typeof tag === 'string') }),
    ...(typeof addedAt === 'number' && Number.isSafeInteger(addedAt) && { addedAt }),
  };
}

async function listFolder(folder: string): Promise<string[]> {
  try {
    return await readdir(folder);
  } catch (error) {
    if ((error as { code?: string }).code === 'ENOENT') return [];
    throw toDiskError(error, folder);
  }
}

function ignoreMissing(path: string): (error: unknown) => void {
  return (error) => {
    if ((error as { code?: string }).code !== 'ENOENT') throw toDiskError(error, path);
  };
}

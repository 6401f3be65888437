import { BtError, fromHex, type InfoHash } from '../../base/index.ts';
import { formatMagnet, type Magnet, type TorrentFile } from '../../metainfo/index.ts';
import { catalogueLimits } from '../limits.ts';

/** What people say about a torrent, beside what its file says. */
export interface CatalogueNotes {
  /** What it is listed as; the torrent's own name where nobody gave one. */
  readonly title: string;
  readonly description: string;
  /** One word, lower case; empty = none. */
  readonly category: string;
  readonly tags: readonly string[];
  /** Seconds since 1970. */
  readonly addedAt: number;
  /** Who added it; empty = unknown. */
  readonly addedBy: string;
}

/** One torrent of the catalogue: enough for lists and searches. The file itself stays on disk. */
export interface CatalogueEntry extends CatalogueNotes {
  /** 40 hex digits: the info-hash as trackers know it (a v2 hash is cut); of a hybrid the v1 hash. */
  readonly id: string;
  readonly hashV1?: InfoHash;
  readonly hashV2?: InfoHash;
  /** The name in the torrent, or of the magnet link. */
  readonly name: string;
  /** Undefined: only a magnet link is known. */
  readonly torrent?: { readonly path: string; readonly totalLength: number; readonly fileCount: number };
  readonly isPrivate: boolean;
}

/** The swarms of a torrent: a hybrid has two, one for each of its hashes. */
export function swarmHashes(entry: CatalogueEntry): Uint8Array[] {
  const ids = [entry.id];
  const second = entry.hashV1 === undefined ? undefined : entry.hashV2?.slice(0, 40);
  if (second !== undefined) ids.push(second);
  return ids.map((id) => fromHex(id) as Uint8Array);
}

/** The key of a torrent with these hashes. @throws BtError `magnet/invalid` without any */
export function toEntryId(hashes: { hashV1?: InfoHash; hashV2?: InfoHash }): string {
  const id = hashes.hashV1 ?? hashes.hashV2?.slice(0, 40);
  if (id === undefined) throw new BtError('magnet/invalid', { what: 'no info-hash' });
  return id;
}

export function entryOfTorrent(torrent: TorrentFile, path: string, notes: CatalogueNotes): CatalogueEntry {
  const { info } = torrent;
  return {
    ...notes,
    title: notes.title === '' ? info.name : notes.title,
    id: toEntryId(info),
    ...(info.hashV1 !== undefined && { hashV1: info.hashV1 }),
    ...(info.hashV2 !== undefined && { hashV2: info.hashV2 }),
    name: info.name,
    torrent: { path, totalLength: info.totalLength, fileCount: info.files.length },
    isPrivate: info.isPrivate,
  };
}

export function entryOfMagnet(magnet: Magnet, notes: CatalogueNotes): CatalogueEntry {
  const id = toEntryId(magnet);
  const name = magnet.name ?? id;
  return {
    ...notes,
    title: notes.title === '' ? name : notes.title,
    id,
    ...(magnet.hashV1 !== undefined && { hashV1: magnet.hashV1 }),
    ...(magnet.hashV2 !== undefined && { hashV2: magnet.hashV2 }),
    name,
    isPrivate: false,
  };
}

/** The link to an entry, with this tracker's own announce URLs in it. */
export function magnetOf(entry: CatalogueEntry, announceUrls: readonly string[]): string {
  return formatMagnet({
    ...(entry.hashV1 !== undefined && { hashV1: entry.hashV1 }),
    ...(entry.hashV2 !== undefined && { hashV2: entry.hashV2 }),
    name: entry.name,
    trackers: announceUrls,
  });
}

/** Brings what a person wrote into bounds: no control characters, not too long. */
export function toNotes(given: Partial<CatalogueNotes>, addedAt: number): CatalogueNotes {
  const tags = (given.tags ?? []).map(toWord).filter((tag) => tag !== '');
  return {
    title: toLine(given.title ?? '', catalogueLimits.titleCharsMax),
    description: toText(given.description ?? '', catalogueLimits.descriptionCharsMax),
    category: toWord(given.category ?? ''),
    tags: [...new Set(tags)].slice(0, catalogueLimits.tagsMax),
    addedAt: given.addedAt ?? addedAt,
    addedBy: toLine(given.addedBy ?? '', catalogueLimits.wordCharsMax),
  };
}

function toLine(text: string, charsMax: number): string {
  return toPlain(text).replace(/\s+/g, ' ').trim().slice(0, charsMax);
}

/** Without control characters, marks that turn the direction of text, and halves of characters. */
function toPlain(text: string): string {
  return text.replace(/[\p{Cs}\p{Cc}\u200e\u200f\u202a-\u202e\u2066-\u2069]/gu, ' ');
}

/** Line breaks stay. */
function toText(text: string, charsMax: number): string {
  const lines = text.slice(0, charsMax).split(/\r\n|\r|\n/);
  return lines
    .map((line) => toPlain(line).trimEnd())
    .join('\n')
    .trim();
}

function toWord(text: string): string {
  return toLine(text, catalogueLimits.wordCharsMax)
    .toLowerCase()
    .replace(/[^\p{L}\p{N}._+-]+/gu, '-')
    .replace(/^-+|-+$/g, '');
}

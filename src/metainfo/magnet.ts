import {
  BtError,
  canonicalHost,
  decodeUtf8Loose,
  encodeUtf8,
  formatAddress,
  fromHex,
  type InfoHash,
  isIpv6,
  parseIp,
  toInfoHash,
} from '../base/index.ts';
import { limits } from './limits.ts';
import type { TorrentFile } from './model.ts';
import { hasName, safeText } from './safe-path.ts';
import { cleanUrl, cleanWebSeed, TierList } from './urls.ts';

/** What a magnet link says (BEP 9, 53). At least one of the hashes is there; both mean one hybrid torrent. */
export interface Magnet {
  readonly hashV1?: InfoHash;
  readonly hashV2?: InfoHash;
  /** Only for showing until the metadata is there; safe as a path part all the same. */
  readonly name?: string;
  /** Order kept, repeats dropped; each is a tier of its own. */
  readonly trackers: readonly string[];
  readonly webSeeds: readonly string[];
  /** `x.pe`: a numeric address in canonical text, or a name of the DNS. */
  readonly peers: readonly { readonly host: string; readonly port: number }[];
  /** `so`: file indexes from 0, ascending; undefined = all files. Whether the torrent has them shows with its metadata. */
  readonly selectOnly?: readonly number[];
  /** `kt`. */
  readonly keywords: readonly string[];
}

/**
 * Parses a magnet link, or a bare info-hash (40 or 64 hex digits, 32 of base32, or a multihash), as people paste them. What is beside
 * the hashes is taken where it makes sense and passed over where not.
 *
 * @throws BtError `magnet/invalid` where there is no usable hash
 */
export function parseMagnet(text: string): Magnet {
  const link = text.trim();
  if (link.length > limits.magnetCharsMax) throw bad('too long');
  const bare = /^urn:/i.test(link) ? parseTopic(link) : parseBareHash(link);
  if (bare !== undefined) return { ...bare, trackers: [], webSeeds: [], peers: [], keywords: [] };
  if (!/^magnet:\?/i.test(link)) throw bad('does not begin with magnet:?');
  const parameters = splitQuery(link.slice('magnet:?'.length));
  const hashes = parseTopics(valuesOf(parameters, 'xt'));
  const name = valuesOf(parameters, 'dn')
    .map(decodeForm)
    .find((n) => hasName(encodeUtf8(n)));
  const trackers = new TierList();
  trackers.addTier(valuesOf(parameters, 'tr').map(decodeEscapes));
  const selectOnly = parseSelection(valuesOf(parameters, 'so').map(decodeEscapes).join(','));
  return {
    ...hashes,
    ...(name !== undefined && { name: safeText(name) }),
    trackers: trackers.tiers[0] ?? [],
    webSeeds: parseWebSeeds(valuesOf(parameters, 'ws')),
    peers: parsePeers(valuesOf(parameters, 'x.pe')),
    ...(selectOnly.length > 0 && { selectOnly }),
    keywords: valuesOf(parameters, 'kt')
      .flatMap((kt) => decodeForm(kt).split(' '))
      .filter((word) => word !== ''),
  };
}

/** Writes the shortest link that `parseMagnet` reads as the same. */
export function formatMagnet(magnet: Partial<Magnet>): string {
  const parts: string[] = [];
  if (magnet.hashV1 !== undefined) parts.push(`xt=urn:btih:${magnet.hashV1}`);
  if (magnet.hashV2 !== undefined) parts.push(`xt=urn:btmh:1220${magnet.hashV2}`);
  if (parts.length === 0) throw bad('no info-hash to write');
  if (magnet.name !== undefined) parts.push(`dn=${escapeValue(magnet.name)}`);
  for (const url of magnet.trackers ?? []) parts.push(`tr=${escapeValue(url)}`);
  for (const url of magnet.webSeeds ?? []) parts.push(`ws=${escapeValue(url)}`);
  for (const peer of magnet.peers ?? []) parts.push(`x.pe=${formatAddress(peer)}`);
  if (magnet.selectOnly !== undefined && magnet.selectOnly.length > 0)
    parts.push(`so=${formatSelection(magnet.selectOnly)}`);
  if (magnet.keywords !== undefined && magnet.keywords.length > 0)
    parts.push(`kt=${magnet.keywords.map(escapeValue).join('+')}`);
  return `magnet:?${parts.join('&')}`;
}

/** The link that leads to a torrent. */
export function toMagnet(torrent: TorrentFile): Magnet {
  const { info } = torrent;
  return {
    ...(info.hashV1 !== undefined && { hashV1: info.hashV1 }),
    ...(info.hashV2 !== undefined && { hashV2: info.hashV2 }),
    name: info.name,
    trackers: torrent.trackers.flat(),
    webSeeds: torrent.webSeeds,
    peers: [],
    keywords: [],
  };
}

function bad(what: string): BtError<'magnet/invalid'> {
  return new BtError('magnet/invalid', { what });
}

type Parameter = readonly [key: string, value: string];

/** Values stay escaped. `tr.1` counts as `tr`, and `&amp;` as `&`: links are copied out of pages. */
function splitQuery(query: string): Parameter[] {
  return query.split('&').map((part) => {
    const at = part.indexOf('=');
    const key = (at < 0 ? part : part.slice(0, at)).toLowerCase();
    return [key.replace(/^amp;/, '').replace(/\.\d+$/, ''), at < 0 ? '' : part.slice(at + 1)];
  });
}

function valuesOf(parameters: readonly Parameter[], key: string): string[] {
  return parameters.filter(([k]) => k === key).map(([, value]) => value);
}

/** Bad escapes stay as they stand; bad UTF-8 becomes U+FFFD. */
function decodeEscapes(text: string): string {
  return text.replace(/(?:%[0-9a-f]{2})+/gi, (run) => decodeUtf8Loose(fromHex(run.replaceAll('%', '')) as Uint8Array));
}

/** As forms write text: '+' is a blank. */
function decodeForm(text: string): string {
  return decodeEscapes(text.replaceAll('+', ' '));
}

function escapeValue(text: string): string {
  return encodeURIComponent(text.replace(/[\ud800-\udfff]/gu, '\ufffd'));
}

type Hashes = Pick<Magnet, 'hashV1' | 'hashV2'>;

/** Topics of other networks are passed over; a BitTorrent one that is wrong is refused, for it may have been the point of the link. */
function parseTopics(topics: readonly string[]): Hashes {
  let hashes: Hashes = {};
  for (const escaped of topics) {
    if (/%(?![0-9a-f]{2})/i.test(escaped)) throw bad('a % in the hash that escapes nothing');
    const topic = parseTopic(decodeEscapes(escaped));
    // The first of a kind counts.
    if (topic !== undefined) hashes = { ...topic, ...hashes };
  }
  if (hashes.hashV1 === undefined && hashes.hashV2 === undefined)
    throw bad('no info-hash in it (xt=urn:btih: or xt=urn:btmh:)');
  return hashes;
}

function parseTopic(topic: string): Hashes | undefined {
  const match = /^urn:(btih|btmh):(.*)$/is.exec(topic);
  if (match === null) return undefined;
  const hash = match[2] as string;
  if ((match[1] as string).toLowerCase() === 'btih') {
    const hashV1 = parseSha1(hash);
    if (hashV1 === undefined) throw bad('btih is neither 40 hex digits nor 32 of base32');
    return { hashV1 };
  }
  const hashV2 = parseMultihash(hash);
  if (hashV2 === undefined) throw bad('btmh is no SHA-256 multihash (1220 and 64 hex digits)');
  return { hashV2 };
}

function parseBareHash(text: string): Hashes | undefined {
  const hashV1 = parseSha1(text);
  if (hashV1 !== undefined) return { hashV1 };
  const hashV2 = /^[0-9a-f]{64}$/i.test(text) ? (text.toLowerCase() as InfoHash) : parseMultihash(text);
  return hashV2 === undefined ? undefined : { hashV2 };
}

function parseSha1(text: string): InfoHash | undefined {
  if (/^[0-9a-f]{40}$/i.test(text)) return text.toLowerCase() as InfoHash;
  return /^[a-z2-7]{32}$/i.test(text) ? toInfoHash(decodeBase32(text)) : undefined;
}

/** 0x12 = SHA-256, 0x20 = 32 bytes long. */
function parseMultihash(text: string): InfoHash | undefined {
  return /^1220[0-9a-f]{64}$/i.test(text) ? (text.slice(4).toLowerCase() as InfoHash) : undefined;
}

/** @param text of whole 40-bit groups (8 digits), alphabet of RFC 4648 in either case */
function decodeBase32(text: string): Uint8Array {
  const out = new Uint8Array((text.length * 5) / 8);
  let bits = 0;
  let have = 0;
  let at = 0;
  for (const digit of text.toUpperCase()) {
    bits = ((bits << 5) | 'ABCDEFGHIJKLMNOPQRSTUVWXYZ234567'.indexOf(digit)) & 0xfff;
    have += 5;
    if (have < 8) continue;
    have -= 8;
    out[at++] = bits >> have;
  }
  return out;
}

function parseWebSeeds(values: readonly string[]): string[] {
  const seeds = new Set<string>();
  for (const value of values) {
    const url = cleanWebSeed(decodeEscapes(value));
    if (url !== undefined && seeds.size < limits.webSeedCountMax) seeds.add(url);
  }
  return [...seeds];
}

function parsePeers(values: readonly string[]): { host: string; port: number }[] {
  const peers = new Map<string, { host: string; port: number }>();
  for (const value of values) {
    const peer = parsePeer(cleanUrl(decodeEscapes(value)) ?? '');
    if (peer !== undefined && peers.size < limits.magnetPeerCountMax) peers.set(formatAddress(peer), peer);
  }
  return [...peers.values()];
}

function parsePeer(text: string): { host: string; port: number } | undefined {
  const match = /^(?:\[([^\]]+)\]|([^:[\]]+)):(\d{1,5})$/.exec(text);
  if (match === null) return undefined;
  const port = Number(match[3]);
  if (port < 1 || port > 65_535) return undefined;
  if (match[1] !== undefined) {
    const host = isIpv6(match[1]) && parseIp(match[1]) !== undefined ? canonicalHost(match[1]) : undefined;
    return host === undefined ? undefined : { host, port };
  }
  const name = (match[2] as string).toLowerCase();
  const host = canonicalHost(name) ?? (isDnsName(name) ? name : undefined);
  return host === undefined ? undefined : { host, port };
}

/** A last label of digits would be a broken IPv4 address. */
function isDnsName(name: string): boolean {
  return (
    name.length <= 253 && /^(?:[a-z0-9_](?:[a-z0-9_-]{0,61}[a-z0-9])?\.)*[a-z](?:[a-z0-9-]{0,61}[a-z0-9])?$/.test(name)
  );
}

/** BEP 53: indexes and inclusive ranges between commas. What is no such thing, or beyond the number of files allowed, is passed over. */
function parseSelection(text: string): number[] {
  const ranges: { first: number; last: number }[] = [];
  for (const part of text.split(',')) {
    const match = /^(\d{1,9})(?:-(\d{1,9}))?$/.exec(part.trim());
    if (match === null) continue;
    const first = Number(match[1]);
    const last = Number(match[2] ?? match[1]);
    if (first <= last && last < limits.fileCountMax) ranges.push({ first, last });
  }
  ranges.sort((a, b) => a.first - b.first);
  const indexes: number[] = [];
  let next = 0;
  for (const { first, last } of ranges) {
    for (next = Math.max(next, first); next <= last; next++) indexes.push(next);
  }
  return indexes;
}

function formatSelection(indexes: readonly number[]): string {
  const sorted = [...new Set(indexes)].sort((a, b) => a - b);
  const parts: string[] = [];
  for (let i = 0; i < sorted.length; ) {
    let end = i;
    while (sorted[end + 1] === (sorted[end] as number) + 1) end++;
    parts.push(end === i ? `${sorted[i]}` : `${sorted[i]}-${sorted[end]}`);
    i = end + 1;
  }
  return parts.join(',');
}

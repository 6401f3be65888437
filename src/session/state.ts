import {
  Bitfield,
  BtError,
  decodeUtf8Loose,
  formatAddress,
  fromHex,
  type InfoHash,
  type PeerAddress,
  parseAddress,
  readU32,
  toInfoHash,
  writeU32,
} from '../base/index.ts';
import {
  type BInput,
  type BValue,
  decode,
  encode,
  getBytes,
  getInt,
  getList,
  getText,
  isBList,
} from '../bencode/index.ts';
import { crc32c } from '../wire/index.ts';
import type { KnownTorrent } from './add-torrent.ts';

/** What a session remembers of one torrent between runs. */
export interface TorrentRow {
  readonly hashV1?: InfoHash | undefined;
  readonly hashV2?: InfoHash | undefined;
  /** Absolute: the parent of the torrent's name. */
  readonly folder: string;
  /** Tiers. */
  readonly trackers: readonly (readonly string[])[];
  /** Those that the user named. */
  readonly peers: readonly PeerAddress[];
  /** By file index; undefined: all, or the metadata is not known yet. */
  readonly wanted?: readonly boolean[] | undefined;
  /** Indexes of the files to fetch, where the metadata was not known yet when they were chosen. */
  readonly picked?: readonly number[] | undefined;
  /** Bytes per second; undefined: no limit. */
  readonly uploadLimit?: number | undefined;
  readonly downloadLimit?: number | undefined;
  /** Place among all torrents. */
  readonly rank: number;
  /** Milliseconds since 1970. */
  readonly addedMs: number;
  readonly isPaused: boolean;
  /** Its .torrent file is beside. */
  readonly isKept: boolean;
  /** Payload bytes of all runs. */
  readonly uploaded: number;
  readonly downloaded: number;
  readonly known: KnownTorrent;
}

export interface SessionState {
  readonly rows: readonly TorrentRow[];
  /** First info-hashes (v1 where there is one) of torrents that are to be forgotten; in the journal alone. */
  readonly gone: readonly InfoHash[];
}

const version = 1;
const crcBytes = 4;
const what = 'the state of the session';

/** The name of a torrent in the state: its v1 hash where it has one. A magnet link may bring that later, so a row names both it knows. */
export function rowKey(row: {
  readonly hashV1?: InfoHash | undefined;
  readonly hashV2?: InfoHash | undefined;
}): InfoHash {
  return (row.hashV1 ?? row.hashV2) as InfoHash;
}

/**
 * Encodes the state, whole or what has changed of it.
 *
 *     0  u32 CRC-32C of the rest, big-endian
 *     4  bencoded dictionary: v · folders · tiers (each once, rows refer to them by number) · rows · gone (raw hashes)
 *
 * A row is a bencoded dictionary in a byte string, so that a reader holds one of ten thousand at a time:
 *
 *     h H hashes (raw) · f folder · t tiers · P peers (text) · s [files, wanted in BEP 3 bit order] · g picked · l [upload, download], -1 = no limit ·
 *     q rank · a added (ms since 1970) · p paused · k kept · u d payload bytes of all runs ·
 *     n name · z bytes · i pieces · w bytes wanted · c complete · x bytes done and j pieces had, where that is not all
 *
 * Keys that a reader does not know are ignored, so a later program may add some; the version rises where an old one would misunderstand.
 */
export function encodeState(state: SessionState): Uint8Array {
  const folders = new Numbers<string>();
  const tiers = new Numbers<string>();
  const rows = state.rows.map((row) =>
    encode(toDict(row, folders.of(row.folder, row.folder), tiers.of(JSON.stringify(row.trackers), row.trackers))),
  );
  const body = encode({
    v: version,
    folders: folders.values as readonly BInput[],
    tiers: tiers.values as readonly BInput[],
    rows,
    gone: state.gone.map((hash) => fromHex(hash) as Uint8Array),
  });
  const out = new Uint8Array(crcBytes + body.length);
  out.set(body, crcBytes);
  writeU32(out, 0, crc32c(body));
  return out;
}

/**
 * @param bytes borrowed
 * @throws BtError `swarm/state-newer` where a later program wrote it, `swarm/state-damaged` where it makes no sense
 */
export function decodeState(bytes: Uint8Array): SessionState {
  const body = bytes.subarray(crcBytes);
  if (bytes.length <= crcBytes || readU32(bytes, 0) !== crc32c(body)) throw damaged();
  try {
    const dict = decode(body);
    const v = getInt(dict, 'v');
    if (v === undefined || v < 1) throw damaged();
    if (v > version) throw new BtError('swarm/state-newer', { what });
    const folders = texts(getList(dict, 'folders'));
    const tiers = (getList(dict, 'tiers') ?? []).map((tier) => (isBList(tier) ? tier : []).map(asTexts));
    const rows = (getList(dict, 'rows') ?? []).map((row) => toRow(row, folders, tiers));
    const gone = (getList(dict, 'gone') ?? []).map(toGone);
    return { rows, gone };
  } catch (error) {
    if (BtError.is(error, 'swarm/state-newer')) throw error;
    throw damaged();
  }
}

/** Values by number, each once. */
class Numbers<K> {
  readonly values: unknown[] = [];
  readonly #numbers = new Map<K, number>();

  of(key: K, value: unknown): number {
    const known = this.#numbers.get(key);
    if (known !== undefined) return known;
    this.#numbers.set(key, this.values.length);
    return this.values.push(value) - 1;
  }
}

function toDict(row: TorrentRow, folder: number, tier: number): { [key: string]: BInput | undefined } {
  const { known, wanted, uploadLimit, downloadLimit } = row;
  const hash = (hex: InfoHash | undefined) => (hex === undefined ? undefined : (fromHex(hex) as Uint8Array));
  const isLimited = uploadLimit !== undefined || downloadLimit !== undefined;
  return {
    h: hash(row.hashV1),
    H: hash(row.hashV2),
    f: folder,
    t: tier,
    P: row.peers.length === 0 ? undefined : row.peers.map(formatAddress),
    s: wanted === undefined ? undefined : [wanted.length, packFlags(wanted)],
    g: row.picked,
    l: isLimited ? [Math.floor(uploadLimit ?? -1), Math.floor(downloadLimit ?? -1)] : undefined,
    q: Math.floor(row.rank),
    a: Math.floor(row.addedMs),
    p: row.isPaused ? 1 : undefined,
    k: row.isKept ? 1 : undefined,
    u: row.uploaded,
    d: row.downloaded,
    n: known.name,
    z: known.totalBytes,
    i: known.pieceCount,
    w: known.wantedBytes,
    c: known.isComplete === true ? 1 : undefined,
    x: known.doneBytes === known.wantedBytes ? undefined : known.doneBytes,
    j: known.piecesHave === known.pieceCount ? undefined : known.piecesHave,
  };
}

function toRow(
  packed: BValue,
  folders: readonly string[],
  tiers: readonly (readonly (readonly string[])[])[],
): TorrentRow {
  if (!(packed instanceof Uint8Array)) throw damaged();
  const dict = decode(packed);
  const hash = (key: string, length: number) => {
    const bytes = getBytes(dict, key);
    return bytes?.length === length ? toInfoHash(bytes) : undefined;
  };
  const hashV1 = hash('h', 20);
  const hashV2 = hash('H', 32);
  const folder = folders[getInt(dict, 'f') ?? -1];
  const trackers = tiers[getInt(dict, 't') ?? -1];
  if ((hashV1 ?? hashV2) === undefined || folder === undefined || trackers === undefined) throw damaged();
  const [up, down] = getList(dict, 'l') ?? [];
  const [files, bits] = getList(dict, 's') ?? [];
  return {
    hashV1,
    hashV2,
    folder,
    trackers,
    peers: texts(getList(dict, 'P'))
      .map(parseAddress)
      .filter((address) => address !== undefined),
    wanted: typeof files === 'number' && bits instanceof Uint8Array ? unpackFlags(files, bits) : undefined,
    picked: getList(dict, 'g')?.filter((index) => typeof index === 'number'),
    uploadLimit: toLimit(up),
    downloadLimit: toLimit(down),
    rank: getInt(dict, 'q') ?? 0,
    addedMs: getInt(dict, 'a') ?? 0,
    isPaused: getInt(dict, 'p') === 1,
    isKept: getInt(dict, 'k') === 1,
    uploaded: getInt(dict, 'u') ?? 0,
    downloaded: getInt(dict, 'd') ?? 0,
    known: toKnown(dict),
  };
}

function toGone(hash: BValue): InfoHash {
  if (!(hash instanceof Uint8Array) || (hash.length !== 20 && hash.length !== 32)) throw damaged();
  return toInfoHash(hash);
}

function toKnown(dict: BValue): KnownTorrent {
  const isComplete = getInt(dict, 'c') === 1;
  const pieceCount = getInt(dict, 'i');
  const wantedBytes = getInt(dict, 'w');
  return {
    name: getText(dict, 'n'),
    totalBytes: getInt(dict, 'z'),
    pieceCount,
    wantedBytes,
    isComplete,
    doneBytes: getInt(dict, 'x') ?? wantedBytes,
    piecesHave: getInt(dict, 'j') ?? pieceCount,
  };
}

function toLimit(value: BValue | undefined): number | undefined {
  return typeof value === 'number' && value >= 0 ? value : undefined;
}

function asTexts(list: BValue): string[] {
  return texts(isBList(list) ? list : []);
}

function texts(list: readonly BValue[] | undefined): string[] {
  return (list ?? []).flatMap((item) => (item instanceof Uint8Array ? [decodeUtf8Loose(item)] : []));
}

function packFlags(flags: readonly boolean[]): Uint8Array {
  const bits = new Bitfield(flags.length);
  flags.forEach((on, i) => {
    if (on) bits.set(i);
  });
  return bits.toBytes();
}

function unpackFlags(count: number, bytes: Uint8Array): boolean[] {
  const bits = Bitfield.fromBytes(count, bytes);
  if (bits === undefined) throw damaged();
  return Array.from({ length: count }, (_, i) => bits.has(i));
}

function damaged(): BtError {
  return new BtError('swarm/state-damaged', { what });
}

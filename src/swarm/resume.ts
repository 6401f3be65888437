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
  toHex,
  writeU32,
} from '../base/index.ts';
import { type BInput, type BValue, decode, encode, getBytes, getDict, getInt, getList } from '../bencode/index.ts';
import { crc32c } from '../wire/index.ts';

/** What a torrent remembers between runs. Partial pieces are not kept: a verified piece is the unit of trust. */
export interface ResumeData {
  /** v1 and v2, those there are. */
  readonly infoHashes: readonly InfoHash[];
  /** Verified and stored; undefined where the metadata was not known yet. */
  readonly have?: Bitfield | undefined;
  /** By file index; undefined: all. */
  readonly wanted?: readonly boolean[] | undefined;
  /** Payload bytes of all runs. */
  readonly uploaded: number;
  readonly downloaded: number;
  /** Where the swarm was, to find it again without a tracker. */
  readonly peers: readonly PeerAddress[];
  /** Tiers. */
  readonly trackers?: readonly (readonly string[])[] | undefined;
  /** The info dictionary, so that a magnet link need not fetch it again. */
  readonly info?: Uint8Array | undefined;
  /** Piece layers by hex of the root (BEP 52): a v2 magnet link need not fetch them again. */
  readonly layers?: ReadonlyMap<string, Uint8Array> | undefined;
  /** Milliseconds since 1970. */
  readonly addedMs?: number | undefined;
  readonly completedMs?: number | undefined;
}

const version = 1;
const crcBytes = 4;
const what = 'resume data';

/**
 * Encodes resume data. Keys that a reader does not know are ignored, so a later program may add some without a new version; the
 * version rises where an old reader would misunderstand.
 *
 *     0  u32 CRC-32C of the rest, big-endian
 *     4  bencoded dictionary:
 *        v · hashes (raw) · pieces (count) and have (BEP 3 bit order) · files (count) and wanted (likewise) · uploaded · downloaded ·
 *        peers (text) · trackers (tiers) · info (raw) · layers (root -> 32 bytes a piece) · added · completed (ms since 1970)
 *
 * The checksum is here and not only in whatever container it is stored in: one flipped bit in `have` would be believed.
 */
export function encodeResume(data: ResumeData): Uint8Array {
  const { have, wanted } = data;
  const dict: { [key: string]: BInput | undefined } = {
    v: version,
    hashes: data.infoHashes.map((hash) => fromHex(hash) as Uint8Array),
    pieces: have?.size,
    have: have?.toBytes(),
    files: wanted?.length,
    wanted: wanted === undefined ? undefined : packFlags(wanted),
    uploaded: data.uploaded,
    downloaded: data.downloaded,
    peers: data.peers.map(formatAddress),
    trackers: data.trackers,
    info: data.info,
    layers: data.layers === undefined ? undefined : packLayers(data.layers),
    added: data.addedMs === undefined ? undefined : Math.floor(data.addedMs),
    completed: data.completedMs === undefined ? undefined : Math.floor(data.completedMs),
  };
  const body = encode(dict);
  const out = new Uint8Array(crcBytes + body.length);
  out.set(body, crcBytes);
  writeU32(out, 0, crc32c(body));
  return out;
}

/**
 * @param bytes borrowed; the result has copies
 * @throws BtError `swarm/state-newer` where a later program wrote it, `swarm/state-damaged` where it makes no sense
 */
export function decodeResume(bytes: Uint8Array): ResumeData {
  const body = new Uint8Array(bytes.subarray(crcBytes));
  if (bytes.length <= crcBytes || readU32(bytes, 0) !== crc32c(body)) throw damaged();
  const dict = decodeBody(body);
  const found = getInt(dict, 'v');
  if (found !== undefined && found > version) throw new BtError('swarm/state-newer', { what });
  if (found !== version) throw damaged();
  const { uploaded, downloaded } = { uploaded: getInt(dict, 'uploaded'), downloaded: getInt(dict, 'downloaded') };
  if (uploaded === undefined || downloaded === undefined) throw damaged();
  return {
    infoHashes: bytesOf(getList(dict, 'hashes')).map((hash) => toHex(hash) as InfoHash),
    have: unpackField(getInt(dict, 'pieces'), getBytes(dict, 'have')),
    wanted: unpackFlags(getInt(dict, 'files'), getBytes(dict, 'wanted')),
    uploaded,
    downloaded,
    peers: textsOf(getList(dict, 'peers'))
      .map(parseAddress)
      .filter((a) => a !== undefined),
    trackers: getList(dict, 'trackers')?.map((tier) => textsOf(Array.isArray(tier) ? (tier as BValue[]) : undefined)),
    info: getBytes(dict, 'info'),
    layers: unpackLayers(dict),
    addedMs: getInt(dict, 'added'),
    completedMs: getInt(dict, 'completed'),
  };
}

function damaged(cause?: unknown): BtError {
  return new BtError('swarm/state-damaged', { what }, cause === undefined ? {} : { cause });
}

function decodeBody(body: Uint8Array): BValue {
  try {
    return decode(body);
  } catch (cause) {
    throw damaged(cause);
  }
}

function packFlags(flags: readonly boolean[]): Uint8Array {
  const field = new Bitfield(flags.length);
  flags.forEach((flag, i) => {
    if (flag) field.set(i);
  });
  return field.toBytes();
}

function unpackField(size: number | undefined, bytes: Uint8Array | undefined): Bitfield | undefined {
  if (size === undefined && bytes === undefined) return undefined;
  if (size === undefined || bytes === undefined || size < 0 || bytes.length !== Math.ceil(size / 8)) throw damaged();
  const field = Bitfield.fromBytes(size, bytes);
  if (field === undefined) throw damaged();
  return field;
}

function unpackFlags(count: number | undefined, bytes: Uint8Array | undefined): boolean[] | undefined {
  const field = unpackField(count, bytes);
  return field === undefined ? undefined : Array.from({ length: field.size }, (_, i) => field.has(i));
}

function packLayers(layers: ReadonlyMap<string, Uint8Array>): Map<Uint8Array, Uint8Array> {
  return new Map([...layers].map(([root, layer]) => [fromHex(root) as Uint8Array, layer]));
}

function unpackLayers(value: BValue): Map<string, Uint8Array> | undefined {
  const dict = getDict(value, 'layers');
  if (dict === undefined) return undefined;
  const layers = new Map<string, Uint8Array>();
  dict.keys.forEach((root, i) => {
    const layer = dict.values[i];
    if (layer instanceof Uint8Array && root.length === 32) layers.set(toHex(root), layer);
  });
  return layers;
}

function bytesOf(list: readonly BValue[] | undefined): Uint8Array[] {
  return (list ?? []).filter((item) => item instanceof Uint8Array);
}

function textsOf(list: readonly BValue[] | undefined): string[] {
  return bytesOf(list).map((item) => decodeUtf8Loose(item));
}

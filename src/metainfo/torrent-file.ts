import { type CryptoPort, decodeUtf8Loose, toHex } from '../base/index.ts';
import { BDict, type BValue, decodePrefix, getInt, getList, getText, isBList } from '../bencode/index.ts';
import { readInfo } from './info.ts';
import { limits } from './limits.ts';
import { HASH_BYTES, Merkle } from './merkle.ts';
import type { FileEntry, Info, TorrentFile } from './model.ts';
import { beyondLimit, invalid } from './raw-files.ts';
import { cleanWebSeed, TierList } from './urls.ts';

/**
 * Parses and checks a .torrent file (BEP 3, 5, 12, 19, 27, 47, 52). What concerns content is checked to the last byte and refused
 * where it is wrong; what is beside it (trackers, dates, comments) is taken where it makes sense and passed over where not. Bytes
 * after the dictionary are ignored.
 *
 * @param bytes  kept in the result, as are views of it
 * @throws BtError `bencode/…`, `metainfo/invalid`, `metainfo/limit`, `metainfo/unsafe-path`
 */
export function parseTorrentFile(bytes: Uint8Array, crypto: CryptoPort): TorrentFile {
  if (bytes.length > limits.torrentBytesMax) throw beyondLimit('file', `larger than ${limits.torrentBytesMax} bytes`);
  const root = decodePrefix(bytes).value;
  if (!(root instanceof BDict)) throw invalid('file', 'no dictionary');
  const infoDict = root.get('info');
  const infoBytes = root.rawOf('info');
  if (!(infoDict instanceof BDict) || infoBytes === undefined) throw invalid('info', 'missing or no dictionary');
  const info = readInfo(infoDict, infoBytes, crypto);
  const comment = getText(root, 'comment.utf-8') ?? getText(root, 'comment');
  const createdBy = getText(root, 'created by');
  const creationDate = getInt(root, 'creation date');
  return {
    info,
    trackers: readTrackers(root),
    webSeeds: readWebSeeds(root.get('url-list')),
    ...(comment !== undefined && { comment: comment.slice(0, limits.textCharsMax) }),
    ...(createdBy !== undefined && { createdBy: createdBy.slice(0, limits.textCharsMax) }),
    ...(creationDate !== undefined && { creationDate }),
    dhtNodes: readNodes(root),
    pieceLayers: info.format === 'v1' ? new Map() : readPieceLayers(root, info, new Merkle(crypto)),
  };
}

/** BEP 12: `announce` counts only where the list names nobody. What is no list in the list of tiers is passed over. */
function readTrackers(root: BDict): readonly (readonly string[])[] {
  const list = new TierList();
  for (const tier of getList(root, 'announce-list') ?? []) {
    if (list.isFull) break;
    if (isBList(tier)) list.addTier(texts(tier));
  }
  if (list.tiers.length === 0) list.addTier(texts(root.get('announce')));
  return list.tiers;
}

function readWebSeeds(value: BValue | undefined): string[] {
  const seeds: string[] = [];
  for (const text of texts(value)) {
    if (seeds.length >= limits.webSeedCountMax) break;
    const url = cleanWebSeed(text);
    if (url !== undefined) seeds.push(url);
  }
  return seeds;
}

/** One byte string, or those of a list; anything else holds no text. */
function* texts(value: BValue | undefined): Generator<string> {
  for (const item of isBList(value) ? value : [value]) if (item instanceof Uint8Array) yield decodeUtf8Loose(item);
}

function readNodes(root: BDict): { host: string; port: number }[] {
  const nodes: { host: string; port: number }[] = [];
  for (const node of getList(root, 'nodes') ?? []) {
    if (nodes.length >= limits.dhtNodeCountMax) break;
    if (!isBList(node)) continue;
    const [host, port] = node;
    if (!(host instanceof Uint8Array) || host.length === 0 || host.length > 255) continue;
    if (typeof port === 'number' && port > 0 && port < 65_536) nodes.push({ host: decodeUtf8Loose(host), port });
  }
  return nodes;
}

/**
 * Layers must belong to files of the torrent and prove true; a file may go without, as with magnet links (BEP 52 would refuse that, but
 * such torrents are about and peers can fill the gap).
 */
function readPieceLayers(root: BDict, info: Info, merkle: Merkle): ReadonlyMap<string, Uint8Array> {
  const layers = new Map<string, Uint8Array>();
  const dict = root.get('piece layers');
  if (dict === undefined) return layers;
  if (!(dict instanceof BDict)) throw invalid('piece layers', 'no dictionary');
  const files = filesByRoot(info);
  dict.keys.forEach((key, i) => {
    const hex = key.length === HASH_BYTES ? toHex(key) : '';
    const owners = files.get(hex);
    const layer = dict.values[i];
    if (owners === undefined || layers.has(hex))
      throw invalid('piece layers', 'an entry of no file, or a second one of the same');
    if (!(layer instanceof Uint8Array)) throw invalid('piece layers', 'an entry is no byte string');
    for (const { length } of owners) {
      const file = { root: key, length, pieceLength: info.pieceLength };
      if (!merkle.isPieceLayer(layer, file))
        throw invalid('piece layers', `the entry of ${hex} does not lead to that root`);
    }
    layers.set(hex, layer);
  });
  return layers;
}

/** Files that need a layer. Same content twice gives one root; of files that share it one of each length is enough to check. */
function filesByRoot(info: Info): Map<string, FileEntry[]> {
  const files = new Map<string, FileEntry[]>();
  for (const file of info.files) {
    if (file.piecesRoot === undefined || file.length <= info.pieceLength) continue;
    const hex = toHex(file.piecesRoot);
    const owners = files.get(hex);
    if (owners === undefined) files.set(hex, [file]);
    else if (!owners.some((o) => o.length === file.length)) owners.push(file);
  }
  return files;
}

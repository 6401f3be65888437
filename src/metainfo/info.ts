import {
  BtError,
  type CryptoPort,
  decodeUtf8Loose,
  equalBytes,
  type InfoHash,
  toBinaryString,
  toInfoHash,
} from '../base/index.ts';
import { BDict, decode, getBytes, getInt, getText } from '../bencode/index.ts';
import { BLOCK_LENGTH } from './geometry.ts';
import { limits } from './limits.ts';
import type { FileEntry, Info } from './model.ts';
import { beyondLimit, invalid, type RawFile, readFileTree, readV1Files } from './raw-files.ts';
import { hasName, NameTree, safePart, utf8Length } from './safe-path.ts';

/**
 * Parses and checks an info dictionary (BEP 3, 47, 52): of a .torrent file, or as peers send it (BEP 9; whether its hash is the one
 * that was asked for is the caller's to check).
 *
 * @param infoBytes  kept in the result, as are views of it
 * @throws BtError `bencode/…`, `metainfo/invalid`, `metainfo/limit`, `metainfo/unsafe-path`
 */
export function parseInfo(infoBytes: Uint8Array, crypto: CryptoPort): Info {
  const info = decode(infoBytes);
  if (!(info instanceof BDict)) throw invalid('info', 'no dictionary');
  return readInfo(info, infoBytes, crypto);
}

/** As `parseInfo`, for a dictionary that is decoded already. */
export function readInfo(info: BDict, bytes: Uint8Array, crypto: CryptoPort): Info {
  const isV2 = readsAsV2(info);
  const pieceLength = readPieceLength(info, isV2);
  const rawName = readName(info);
  const name = safePart(rawName);
  const content = isV2 ? readV2Content(info, pieceLength) : readV1Content(info);
  if (content.spaceLength === 0) throw invalid('length', 'the torrent holds no bytes');
  const pieceCount = Math.ceil(content.spaceLength / pieceLength);
  if (pieceCount > limits.pieceCountMax)
    throw beyondLimit('pieces', `${pieceCount}, at most ${limits.pieceCountMax} are allowed`);
  const pieces = content.format === 'v2' ? undefined : readPieces(info, pieceCount);
  const files = nameFiles(content, { name, rawName });
  const source = getText(info, 'source');
  return {
    format: content.format,
    bytes,
    ...hashesOf(bytes, content.format, crypto),
    name,
    pieceLength,
    singleFile: content.single,
    files,
    spaceLength: content.spaceLength,
    pieceCount,
    totalLength: files.reduce((sum, f) => sum + f.length, 0),
    ...(pieces !== undefined && { pieces }),
    // BEP 27 knows only 1; any other number but 0 is taken for it, because leaking a private torrent is the worse mistake.
    isPrivate: (getInt(info, 'private') ?? 0) !== 0,
    ...(source !== undefined && { source: source.slice(0, limits.textCharsMax) }),
  };
}

function hashesOf(
  bytes: Uint8Array,
  format: Info['format'],
  crypto: CryptoPort,
): { hashV1?: InfoHash; hashV2?: InfoHash } {
  return {
    ...(format !== 'v2' && { hashV1: toInfoHash(crypto.sha1(bytes)) }),
    ...(format !== 'v1' && { hashV2: toInfoHash(crypto.sha256(bytes)) }),
  };
}

/** BEP 52: the version is looked at before anything else. */
function readsAsV2(info: BDict): boolean {
  const version = getInt(info, 'meta version') ?? 1;
  if (version > 2) throw invalid('meta version', `${version} is newer than Eider knows`);
  if (version < 2) {
    if (info.has('file tree')) throw invalid('meta version', 'missing, though there is a file tree');
    return false;
  }
  // A v2 torrent has one encoding only; a v1 torrent with unsorted keys is as common as it is wrong.
  if (!info.isSorted) throw invalid('info', 'keys out of order or repeated');
  return true;
}

function readPieceLength(info: BDict, isV2: boolean): number {
  const length = getInt(info, 'piece length');
  if (length === undefined || length <= 0) throw invalid('piece length', 'missing or no positive number');
  if (length > limits.pieceLengthMax)
    throw beyondLimit('piece length', `${length}, at most ${limits.pieceLengthMax} is allowed`);
  // Integers up to 2^29: bit arithmetic is exact.
  if (isV2 && (length < BLOCK_LENGTH || (length & (length - 1)) !== 0)) {
    throw invalid('piece length', `${length}; v2 wants a power of two, at least ${BLOCK_LENGTH}`);
  }
  return length;
}

function readName(info: BDict): Uint8Array {
  const utf8 = getBytes(info, 'name.utf-8');
  const raw = utf8 !== undefined && hasName(utf8) ? utf8 : getBytes(info, 'name');
  if (raw === undefined || !hasName(raw)) throw invalid('name', 'missing or empty');
  return raw;
}

function readPieces(info: BDict, pieceCount: number): Uint8Array {
  const pieces = getBytes(info, 'pieces');
  if (pieces === undefined) throw invalid('pieces', 'missing');
  if (pieces.length !== pieceCount * 20) {
    throw invalid('pieces', `${pieces.length} bytes where ${pieceCount} pieces need ${pieceCount * 20}`);
  }
  return pieces;
}

interface Content {
  readonly format: Info['format'];
  readonly single: boolean;
  readonly placed: readonly PlacedFile[];
  readonly spaceLength: number;
}

interface PlacedFile {
  readonly raw: RawFile;
  readonly offset: number;
}

function readV1Content(info: BDict): Content {
  const v1 = readV1Files(info);
  if (v1 === undefined) throw invalid('files', 'neither files nor length');
  const { placed, end } = placeV1(v1.files);
  if (placed.length === 0) throw invalid('files', 'no files');
  return { format: 'v1', single: v1.single, placed, spaceLength: end };
}

/** File after file; pad files take room and are left out. */
function placeV1(files: readonly RawFile[]): { placed: PlacedFile[]; end: number } {
  const placed: PlacedFile[] = [];
  let end = 0;
  for (const raw of files) {
    if (!raw.isPad) placed.push({ raw, offset: end });
    end = addLength(end, raw.length);
  }
  return { placed, end };
}

/** Every file with bytes begins a piece (BEP 52). */
function placeV2(files: readonly RawFile[], pieceLength: number): { placed: PlacedFile[]; end: number } {
  const placed: PlacedFile[] = [];
  let end = 0;
  for (const raw of files) {
    const offset = raw.length === 0 ? end : Math.ceil(end / pieceLength) * pieceLength;
    placed.push({ raw, offset });
    end = addLength(offset, raw.length);
  }
  return { placed, end };
}

/** Leaves room above for rounding up to a whole piece, so that no sum in torrent space is ever inexact. */
function addLength(end: number, length: number): number {
  const sum = end + length;
  if (sum > Number.MAX_SAFE_INTEGER - limits.pieceLengthMax)
    throw beyondLimit('length', 'the files together are beyond 2^53 bytes');
  return sum;
}

function readV2Content(info: BDict, pieceLength: number): Content {
  const tree = readFileTree(info);
  if (tree.files.length === 0) throw invalid('file tree', 'no files');
  const v2 = placeV2(tree.files, pieceLength);
  const v1 = readV1Files(info);
  if (v1 === undefined) return { format: 'v2', single: tree.single, placed: v2.placed, spaceLength: v2.end };
  return readHybridContent({ v1, v2, tree, pieceLength, name: getBytes(info, 'name') });
}

/** Both lists must tell of the same files at the same places (BEP 52, "Upgrade Path"); with or without a pad file at the end. */
function readHybridContent(h: {
  v1: { readonly single: boolean; readonly files: readonly RawFile[] };
  v2: { readonly placed: readonly PlacedFile[]; readonly end: number };
  tree: { readonly single: boolean; readonly files: readonly RawFile[] };
  pieceLength: number;
  name: Uint8Array | undefined;
}): Content {
  const v1 = placeV1(h.v1.files);
  if (v1.placed.length !== h.v2.placed.length) throw invalid('files', 'v1 and v2 have different numbers of files');
  // With `length` instead of `files` there is no folder; `single` of the tree then says that its one file has the torrent's name.
  if (h.v1.single !== h.tree.single && h.v1.single) throw invalid('file tree', 'v1 has one file, v2 another');
  const placed = v1.placed.map((one, i) => {
    const two = h.v2.placed[i] as PlacedFile;
    const wanted = h.tree.single && !h.v1.single ? [h.name as Uint8Array] : two.raw.path;
    const isSame =
      one.raw.length === two.raw.length &&
      (isSamePath(one.raw.path, wanted) || isSamePath(one.raw.otherPath, wanted)) &&
      (one.raw.length === 0 || one.offset === two.offset) &&
      (one.raw.symlink === undefined) === (two.raw.symlink === undefined);
    if (!isSame) throw invalid('files', `v1 and v2 differ at file ${i}: other name, length or place`);
    return { raw: { ...two.raw, path: h.v1.single ? [] : wanted }, offset: one.offset };
  });
  const padded = Math.ceil(h.v2.end / h.pieceLength) * h.pieceLength;
  if (v1.end !== h.v2.end && v1.end !== padded) throw invalid('files', 'pad files after the last file are too long');
  return { format: 'hybrid', single: h.v1.single, placed, spaceLength: v1.end };
}

function isSamePath(a: readonly Uint8Array[] | undefined, b: readonly Uint8Array[]): boolean {
  return a !== undefined && a.length === b.length && a.every((part, i) => equalBytes(part, b[i] as Uint8Array));
}

/** Safe, distinct paths for all files, and safe targets for their links. */
function nameFiles(content: Content, torrent: { readonly name: string; readonly rawName: Uint8Array }): FileEntry[] {
  const wanted = content.placed.map(({ raw }) => checkLength([torrent.name, ...raw.path.map(safePart)]));
  const tree = new NameTree();
  for (const path of wanted) tree.addFolders(path);
  const paths = wanted.map((path) => tree.addFile(path));
  const links = new LinkTargets(torrent.name, content.placed, paths, tree);
  return content.placed.map(({ raw, offset }, index) => {
    const path = paths[index] as readonly string[];
    const original = [torrent.rawName, ...raw.path].map(decodeUtf8Loose).join('/').slice(0, limits.pathBytesMax);
    const symlink = raw.symlink === undefined ? undefined : links.resolve(raw);
    return {
      index,
      path,
      length: raw.length,
      offset,
      ...(raw.piecesRoot !== undefined && { piecesRoot: raw.piecesRoot }),
      executable: raw.executable,
      hidden: raw.hidden,
      ...(symlink !== undefined && { symlink }),
      ...(original !== path.join('/') && { originalPath: original }),
    };
  });
}

function checkLength(path: readonly string[]): readonly string[] {
  let bytes = path.length;
  for (const part of path) bytes += utf8Length(part);
  if (bytes <= limits.pathBytesMax) return path;
  const shown = `${path.slice(0, 8).join('/').slice(0, 100)}…`;
  throw new BtError('metainfo/unsafe-path', { path: shown, what: `longer than ${limits.pathBytesMax} bytes in all` });
}

/** Turns raw link targets into paths of the torrent, so that a link follows the file it means even where that got another name. */
class LinkTargets {
  readonly #name: string;
  readonly #tree: NameTree;
  readonly #files = new Map<string, readonly string[]>();

  constructor(name: string, placed: readonly PlacedFile[], paths: readonly (readonly string[])[], tree: NameTree) {
    this.#name = name;
    this.#tree = tree;
    if (!placed.some(({ raw }) => raw.symlink !== undefined)) return;
    placed.forEach(({ raw }, i) => {
      const key = toKey(raw.path);
      if (!this.#files.has(key)) this.#files.set(key, paths[i] as readonly string[]);
    });
  }

  /**
   * BEP 47: the target is a path below the torrent's folder. Some makers meant below the link's own folder, as a file system does: that
   * is tried second. A target that is not there stays a dangling link inside the torrent's folder; one of '..' parts too, since they
   * are made safe like those of any name.
   */
  resolve(link: RawFile): readonly string[] {
    const target = link.symlink as readonly Uint8Array[];
    const beside = [...link.path.slice(0, -1), ...target];
    return this.#find(target) ?? this.#find(beside) ?? checkLength([this.#name, ...target.map(safePart)]);
  }

  #find(rawPath: readonly Uint8Array[]): readonly string[] | undefined {
    const file = this.#files.get(toKey(rawPath));
    if (file !== undefined) return file;
    const path = [this.#name, ...rawPath.map(safePart)];
    return this.#tree.has(path) ? checkLength(path) : undefined;
  }
}

/** Lengths make it unambiguous: raw parts may hold any byte. */
function toKey(path: readonly Uint8Array[]): string {
  return path.map((part) => `${part.length}:${toBinaryString(part)}`).join('');
}

import { BtError, decodeUtf8Loose, equalBytes } from '../base/index.ts';
import { BDict, type BList, type BValue, getBytes, getDict, getInt, getList, isBList } from '../bencode/index.ts';
import { limits } from './limits.ts';

/** One file or pad file as the torrent names it, sizes checked, names not yet made safe. */
export interface RawFile {
  /** Parts below the torrent's folder, raw; empty for the one file of a single-file torrent. */
  readonly path: readonly Uint8Array[];
  /** The other spelling of the path, where the torrent has two (`path` beside `path.utf-8`). */
  readonly otherPath?: readonly Uint8Array[];
  /** 0 for symlinks, whatever the torrent says (BEP 47). */
  readonly length: number;
  readonly isPad: boolean;
  readonly executable: boolean;
  readonly hidden: boolean;
  /** Raw parts below the torrent's folder. */
  readonly symlink?: readonly Uint8Array[];
  readonly piecesRoot?: Uint8Array;
}

export function invalid(field: string, what: string): BtError {
  return new BtError('metainfo/invalid', { field, what });
}

export function beyondLimit(field: string, what: string): BtError {
  return new BtError('metainfo/limit', { field, what });
}

/** `files` or `length` of BEP 3, with the attributes of BEP 47. @returns undefined where there is neither */
export function readV1Files(info: BDict): { readonly single: boolean; readonly files: RawFile[] } | undefined {
  const list = getList(info, 'files');
  if (list !== undefined) return { single: false, files: readFileList(list) };
  if (!info.has('length')) return undefined;
  return { single: true, files: [readFile(info, [])] };
}

function readFileList(list: BList): RawFile[] {
  if (list.length > limits.fileCountMax) throw beyondLimit('files', `more than ${limits.fileCountMax}`);
  return list.map((entry) => {
    if (!(entry instanceof BDict)) throw invalid('files', 'an entry is no dictionary');
    const isPad = hasAttribute(entry, 'p');
    const path = readParts(entry.get('path'));
    const utf8Path = readParts(entry.get('path.utf-8'));
    // BEP 47: the path of a pad file may be absent.
    if (path === undefined && !isPad) throw invalid('path', 'a file has no path, or one that is no list of names');
    const file = readFile(entry, utf8Path ?? path ?? []);
    return utf8Path === undefined || path === undefined ? file : { ...file, otherPath: path };
  });
}

/** @returns undefined where it is not a list of at least one byte string */
function readParts(value: BValue | undefined): readonly Uint8Array[] | undefined {
  if (!isBList(value) || value.length === 0) return undefined;
  return value.every((part) => part instanceof Uint8Array) ? (value as readonly Uint8Array[]) : undefined;
}

function hasAttribute(entry: BDict, letter: string): boolean {
  return getBytes(entry, 'attr')?.includes(letter.charCodeAt(0)) ?? false;
}

function readFile(entry: BDict, path: readonly Uint8Array[]): RawFile {
  const symlink = readSymlink(entry);
  const length = symlink === undefined ? getInt(entry, 'length') : 0;
  if (length === undefined || length < 0) {
    throw invalid('length', entry.has('length') ? 'not a number of bytes from 0 to 2^53 - 1' : 'missing');
  }
  return {
    path,
    length,
    isPad: hasAttribute(entry, 'p'),
    executable: hasAttribute(entry, 'x'),
    hidden: hasAttribute(entry, 'h'),
    ...(symlink !== undefined && { symlink }),
  };
}

/** A link without a target is taken for a plain file. */
function readSymlink(entry: BDict): readonly Uint8Array[] | undefined {
  return hasAttribute(entry, 'l') ? readParts(entry.get('symlink path')) : undefined;
}

/**
 * `file tree` of BEP 52, files in order of the tree.
 *
 * Keys must ascend at every level: the order of files is the order of their bytes, so two readers that sort differently would see two
 * different contents.
 */
export function readFileTree(info: BDict): { readonly single: boolean; readonly files: RawFile[] } {
  const tree = getDict(info, 'file tree');
  if (tree === undefined) throw invalid('file tree', 'missing');
  const files: RawFile[] = [];
  readFolder(tree, [], files);
  // A lone file named like the torrent is a single-file torrent. BEP 52 would call every lone file that; but then a folder with one
  // file in it could not be shared, because makers write it as this tree under the folder's name.
  const only = files.length === 1 && tree.size === 1 ? (files[0] as RawFile) : undefined;
  const name = getBytes(info, 'name');
  const single = only?.path.length === 1 && name !== undefined && equalBytes(only.path[0] as Uint8Array, name);
  return { single, files: single ? [{ ...(only as RawFile), path: [] }] : files };
}

/** Recursive as deep as the decoder allows. */
function readFolder(folder: BDict, path: readonly Uint8Array[], files: RawFile[]): void {
  if (!folder.isSorted) throw invalid('file tree', 'names out of order or repeated');
  folder.keys.forEach((name, i) => {
    const entry = folder.values[i];
    const at = [...path, name];
    if (name.length === 0) throw invalid('file tree', `${showPath(path)} is both a file and a folder, or nameless`);
    if (!(entry instanceof BDict)) throw invalid('file tree', `${showPath(at)} is no dictionary`);
    if (entry.size === 1 && entry.keys[0]?.length === 0) {
      if (files.length >= limits.fileCountMax) throw beyondLimit('file tree', `more than ${limits.fileCountMax} files`);
      files.push(readTreeFile(entry.values[0] as BValue, at));
    } else readFolder(entry, at, files);
  });
}

function readTreeFile(entry: BValue, path: readonly Uint8Array[]): RawFile {
  if (!(entry instanceof BDict)) throw invalid('file tree', `${showPath(path)} has no properties`);
  const file = readFile(entry, path);
  if (file.isPad) throw invalid('file tree', `${showPath(path)} is a pad file, which a tree cannot hold`);
  if (file.length === 0) return file;
  const root = getBytes(entry, 'pieces root');
  if (root?.length !== 32 || root.every((b) => b === 0)) throw invalid('pieces root', `missing for ${showPath(path)}`);
  return { ...file, piecesRoot: root };
}

/** For messages. */
export function showPath(path: readonly Uint8Array[]): string {
  const text = path.slice(0, 20).map(decodeUtf8Loose).join('/');
  return JSON.stringify(text.length > 200 ? `${text.slice(0, 200)}…` : text);
}

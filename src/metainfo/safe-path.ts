import { BtError, decodeUtf8, decodeUtf8Loose } from '../base/index.ts';
import { limits } from './limits.ts';

/*
 * File names come from strangers. What reaches the disk never climbs out of its folder, has no separator, no control byte, at most 255
 * bytes a part, and is told apart from every other name of the torrent:
 *
 *     bad UTF-8 (also over-long forms), control characters (C0, C1, DEL,   each run of them becomes '_'
 *       U+2028/2029), '/' and '\'
 *     marks that reorder text on the screen (U+061C, U+200E/F, U+202A-E,   left out: `gpj.exe` must not look like `exe.jpg`
 *       U+2066-9), U+FEFF
 *     a part that is '', '.' or '..' (then or before)                      '_', '_', '__'
 *     over 255 bytes                                                       cut at a character, its extension kept
 *     taken by another file or folder of the torrent                      `name.1.ext`, `name.2.ext`, ...
 *
 * Everything else stays, also what only Windows forbids (`CON`, `a:b`, blanks at the end): here it is a name like others, and peers
 * who share the same folder expect to find it. Names that differ only in case or in Unicode normalisation are different names; on a
 * file system that takes them for one, the store sees the second file as existing already and has to refuse it.
 */

const CONTROL = /[\u0000-\u001f\u007f-\u009f\u2028\u2029]+/g;
const REORDERING = /[\u061c\u200e\u200f\u202a-\u202e\u2066-\u2069\ufeff]/g;
const SEPARATOR = /[/\\]/g;
const LONE_SURROGATE = /[\ud800-\udfff]+/gu;

/** One path part out of raw bytes; equal to their text where that is safe already. Not empty, no '.' or '..'. */
export function safePart(raw: Uint8Array): string {
  const strict = decodeUtf8(raw);
  return safeText(strict ?? decodeUtf8Loose(raw).replace(/\ufffd+/g, '_'));
}

/** As `safePart`, for text. Lone surrogates count as bad. */
export function safeText(text: string): string {
  const clean = text.replace(LONE_SURROGATE, '_').replace(CONTROL, '_').replace(REORDERING, '').replace(SEPARATOR, '_');
  if (clean === '' || clean === '.') return '_';
  if (clean === '..') return '__';
  return fitName(clean, limits.nameBytesMax);
}

/** Whether anything of a name is worth keeping: false for nothing but dots, controls and separators. */
export function hasName(raw: Uint8Array): boolean {
  return decodeUtf8Loose(raw).replace(CONTROL, '').replace(REORDERING, '') !== '';
}

/** Bytes of a string in UTF-8; lone surrogates count as the U+FFFD that they become. */
export function utf8Length(text: string): number {
  let bytes = 0;
  for (const c of text) bytes += utf8CharLength(c);
  return bytes;
}

function utf8CharLength(c: string): number {
  const code = c.codePointAt(0) as number;
  return code < 0x80 ? 1 : code < 0x800 ? 2 : code < 0x1_0000 ? 3 : 4;
}

/** Longer "extensions" are part of the name. */
const EXTENSION_BYTES_MAX = 16;

/** `name.ext` as [`name`, `.ext`]; no extension where the dot begins the name. */
function splitExtension(name: string): [stem: string, extension: string] {
  const dot = name.lastIndexOf('.');
  const extension = dot > 0 ? name.slice(dot) : '';
  return extension !== '' && utf8Length(extension) <= EXTENSION_BYTES_MAX
    ? [name.slice(0, dot), extension]
    : [name, ''];
}

function fitName(name: string, bytesMax: number): string {
  if (name.length * 3 <= bytesMax || utf8Length(name) <= bytesMax) return name;
  const [stem, extension] = splitExtension(name);
  return cutUtf8(stem, bytesMax - utf8Length(extension)) + extension;
}

function cutUtf8(text: string, bytesMax: number): string {
  let bytes = 0;
  let end = 0;
  for (const c of text) {
    bytes += utf8CharLength(c);
    if (bytes > bytesMax) break;
    end += c.length;
  }
  return text.slice(0, end);
}

interface Folder {
  /** A name is a folder or a file, never both. */
  readonly members: Map<string, Folder | 'file'>;
  /** Next number to try, by the name it goes into. */
  numbers?: Map<string, number>;
}

/**
 * Makes names of one torrent's files distinct. All folders are entered first, so that a file gives way to a folder of its name and no
 * file ever lies below another file (or symlink). Work and memory grow with the sum of all parts, whatever the names are.
 */
export class NameTree {
  readonly #root: Folder = { members: new Map() };
  #folderCount = 0;

  /** Enters the folders of a path, whose last part is the file's own name. */
  addFolders(path: readonly string[]): void {
    this.#folderOf(path);
  }

  /** Enters a file, after all folders of the torrent. @returns its path, the last part changed where it was taken */
  addFile(path: readonly string[]): readonly string[] {
    const folder = this.#folderOf(path);
    const name = path[path.length - 1] as string;
    if (!folder.members.has(name)) {
      folder.members.set(name, 'file');
      return path;
    }
    const free = this.#freeName(folder, name);
    folder.members.set(free, 'file');
    return [...path.slice(0, -1), free];
  }

  /** Whether there is a file or folder of this path. */
  has(path: readonly string[]): boolean {
    let at: Folder | 'file' | undefined = this.#root;
    for (const part of path) {
      if (at === undefined || at === 'file') return false;
      at = at.members.get(part);
    }
    return at !== undefined;
  }

  #folderOf(path: readonly string[]): Folder {
    let folder = this.#root;
    for (let i = 0; i < path.length - 1; i++) {
      const part = path[i] as string;
      let next = folder.members.get(part);
      if (next === undefined || next === 'file') {
        if (++this.#folderCount > limits.folderCountMax) {
          throw new BtError('metainfo/limit', { field: 'path', what: `more than ${limits.folderCountMax} folders` });
        }
        next = { members: new Map() };
        folder.members.set(part, next);
      }
      folder = next;
    }
    return folder;
  }

  #freeName(folder: Folder, name: string): string {
    const [stem, extension] = splitExtension(name);
    // Room for the number is made before counting: all names that are cut alike share one count, so that no name is tried twice.
    const short = cutUtf8(stem, limits.nameBytesMax - utf8Length(extension) - '.9999999'.length);
    const key = short + extension;
    folder.numbers ??= new Map();
    for (let n = folder.numbers.get(key) ?? 1; ; n++) {
      const candidate = `${short}.${n}${extension}`;
      if (folder.members.has(candidate)) continue;
      folder.numbers.set(key, n + 1);
      return candidate;
    }
  }
}

import { join } from 'node:path';
import { BtError, type InfoHash, readU32, readU64Clamped, writeU32, writeU64 } from '../../base/index.ts';
import { decode, encode, getBytes, getInt, getText } from '../../bencode/index.ts';
import type { FileState, SavedResume } from '../../swarm/index.ts';
import { crc32 } from '../crc32.ts';
import { readIntact, removeAtomic, writeAtomic } from '../files.ts';
import type { SystemCalls } from './system-calls.ts';

const VERSION = 1;
const CRC_BYTES = 4;
/** Per file: length + 1 (0 = no file) and milliseconds since 1970, both u64. */
const STATE_BYTES = 16;

export interface ResumeRecord extends SavedResume {
  /** Absolute download folder that the record is about. */
  readonly folder: string;
}

/**
 * Container of resume data: a bencoded dictionary, then the CRC-32 of it (u32, big-endian).
 *
 *     v 1 · bytes (the brain's) · files (16 bytes a file) · final 0/1 · folder · part (16 bytes) · saved (ms since 1970)
 */
export function encodeResume(record: ResumeRecord): Uint8Array {
  const body = encode({
    v: VERSION,
    bytes: record.bytes,
    files: packStates(record.files),
    final: record.final ? 1 : 0,
    folder: record.folder,
    part: packStates([record.partFile]),
    saved: Math.floor(record.savedMs),
  });
  const out = new Uint8Array(body.length + CRC_BYTES);
  out.set(body);
  writeU32(out, body.length, crc32(body));
  return out;
}

/** @throws BtError `swarm/state-damaged`, `swarm/state-newer` */
export function decodeResume(file: Uint8Array): ResumeRecord {
  const body = file.subarray(0, Math.max(0, file.length - CRC_BYTES));
  const what = 'resume data';
  if (body.length === 0 || readU32(file, body.length) !== crc32(body))
    throw new BtError('swarm/state-damaged', { what });
  const dict = decode(body);
  const version = getInt(dict, 'v');
  if (version !== undefined && version > VERSION) throw new BtError('swarm/state-newer', { what });
  const bytes = getBytes(dict, 'bytes');
  const files = unpackStates(getBytes(dict, 'files'));
  const folder = getText(dict, 'folder');
  const savedMs = getInt(dict, 'saved');
  if (
    version !== VERSION ||
    bytes === undefined ||
    files === undefined ||
    folder === undefined ||
    savedMs === undefined
  ) {
    throw new BtError('swarm/state-damaged', { what });
  }
  return {
    // A copy: the rest of the file need not be kept for it.
    bytes: bytes.slice(),
    files,
    partFile: unpackStates(getBytes(dict, 'part'))?.[0],
    final: getInt(dict, 'final') === 1,
    savedMs,
    folder,
  };
}

function packStates(states: readonly (FileState | undefined)[]): Uint8Array {
  const out = new Uint8Array(states.length * STATE_BYTES);
  states.forEach((state, i) => {
    if (state === undefined) return;
    writeU64(out, i * STATE_BYTES, state.length + 1);
    writeU64(out, i * STATE_BYTES + 8, Math.max(0, Math.floor(state.modifiedMs)));
  });
  return out;
}

function unpackStates(bytes: Uint8Array | undefined): (FileState | undefined)[] | undefined {
  if (bytes === undefined || bytes.length % STATE_BYTES !== 0) return undefined;
  const states: (FileState | undefined)[] = [];
  for (let at = 0; at < bytes.length; at += STATE_BYTES) {
    const length = readU64Clamped(bytes, at) - 1;
    states.push(length < 0 ? undefined : { length, modifiedMs: readU64Clamped(bytes, at + 8) });
  }
  return states;
}

/** Where resume records are kept: `<stateDir>/resume/<infohash>.resume`, the previous generation beside it. */
export class ResumeFolder {
  readonly #folder: string;
  readonly #calls: SystemCalls;

  constructor(stateDir: string, calls: SystemCalls) {
    this.#folder = join(stateDir, 'resume');
    this.#calls = calls;
  }

  /** @returns undefined where there is no record, none that can be read, or one about another download folder */
  load(infoHash: InfoHash, folder: string): SavedResume | undefined {
    try {
      const record = readIntact(this.#pathOf(infoHash), decodeResume, this.#calls);
      return record?.folder === folder ? record : undefined;
    } catch {
      // Without a record everything on disk is checked: slower, never wrong.
      return undefined;
    }
  }

  /** @throws BtError `disk/...` */
  save(infoHash: InfoHash, record: ResumeRecord): void {
    writeAtomic(this.#pathOf(infoHash), encodeResume(record), {
      sync: record.final,
      keepPrevious: true,
      calls: this.#calls,
    });
  }

  remove(infoHash: InfoHash): void {
    removeAtomic(this.#pathOf(infoHash), this.#calls);
  }

  #pathOf(infoHash: InfoHash): string {
    return join(this.#folder, `${infoHash}.resume`);
  }
}

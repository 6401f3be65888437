import { createHash } from 'node:crypto';
import { closeSync, mkdirSync, openSync, readdirSync, readSync, writeSync } from 'node:fs';
import { writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { createTorrent } from 'eider/create';
import { type BuiltTorrent, toBuilt } from './wrap.ts';

export const formats = ['v1', 'v2', 'hybrid'] as const;

/** What is transferred: one file, or many of the same length in a folder. */
export interface ContentPlan {
  readonly format: (typeof formats)[number];
  readonly fileCount: number;
  readonly fileBytes: number;
  readonly pieceLength: number;
}

export interface MadeContent {
  readonly plan: ContentPlan;
  /** Bytes of all files. */
  readonly bytes: number;
  /** Parent folder of the content. */
  readonly folder: string;
  /** Of the content below its parent: equal for equal bytes in equal files. */
  readonly digest: string;
  readonly torrent: BuiltTorrent;
}

const NAME = 'content';
const CHUNK = 1_048_576;

/** Writes the content once, for all runs, and makes its torrent. */
export async function makeContent(folder: string, plan: ContentPlan): Promise<MadeContent> {
  const root = join(folder, NAME);
  mkdirSync(folder, { recursive: true });
  if (plan.fileCount === 1) writeNoise(root, plan.fileBytes, 0);
  else {
    mkdirSync(root);
    for (let i = 0; i < plan.fileCount; i++) writeNoise(join(root, `${i}.bin`), plan.fileBytes, i);
  }
  const { bytes } = await createTorrent(root, { format: plan.format, pieceLength: plan.pieceLength });
  return {
    plan,
    bytes: plan.fileCount * plan.fileBytes,
    folder,
    digest: digestOf(folder),
    torrent: toBuilt(bytes),
  };
}

/** A tracker that is not there: for work in which nobody has to be asked. */
export const nowhere = 'http://127.0.0.1:9/announce';

/** The .torrent file with a tracker in it. */
export async function writeTorrent(path: string, { torrent }: MadeContent, trackerUrl: string): Promise<void> {
  await writeFile(path, torrent.withTracker(trackerUrl));
}

/** @param folder parent of the content */
export function digestOf(folder: string): string {
  const hash = createHash('sha256');
  const buffer = Buffer.allocUnsafe(CHUNK);
  const walk = (path: string, name: string): void => {
    const entries = readdirSync(path, { withFileTypes: true }).sort((a, b) => (a.name < b.name ? -1 : 1));
    for (const entry of entries) {
      const at = join(path, entry.name);
      if (entry.isDirectory()) walk(at, `${name}${entry.name}/`);
      // What a program keeps beside the content for itself is not content.
      else if (`${name}${entry.name}`.startsWith(NAME) && !entry.name.endsWith('.aria2')) {
        hash.update(`${name}${entry.name}\n`);
        hashFile(at);
      }
    }
  };
  const hashFile = (path: string): void => {
    const fd = openSync(path, 'r');
    try {
      for (;;) {
        const got = readSync(fd, buffer);
        if (got === 0) return;
        hash.update(buffer.subarray(0, got));
      }
    } finally {
      closeSync(fd);
    }
  };
  walk(folder, '');
  return hash.digest('hex');
}

/** Bytes that neither compress nor repeat, made fast. */
export function writeNoise(path: string, length: number, salt: number): void {
  const fd = openSync(path, 'w');
  try {
    const chunk = Buffer.alloc(Math.min(CHUNK, Math.ceil(length / 4) * 4));
    for (let at = 0; at < length; at += CHUNK) {
      let x = Math.imul(salt * 65_536 + at / CHUNK + 1, 0x9e3779b1) | 1;
      for (let i = 0; i < chunk.length; i += 4) {
        x ^= x << 13;
        x ^= x >>> 17;
        x ^= x << 5;
        chunk.writeInt32LE(x | 0, i);
      }
      writeSync(fd, chunk, 0, Math.min(CHUNK, length - at));
    }
  } finally {
    closeSync(fd);
  }
}

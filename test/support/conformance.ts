/**
 * The conformance data lies beside the project (`../shared/conformance`) and is never copied into it.
 * A suite reads it through here, so that its cases are counted and its absence is told, not passed over.
 */
import { existsSync, readFileSync, writeFileSync } from 'node:fs';
import { dirname, join } from 'node:path';
import { test } from 'node:test';
import { fileURLToPath } from 'node:url';

// Built tests lie in build/test/support.
const projectRoot = join(dirname(fileURLToPath(import.meta.url)), '../../..');
const root = join(projectRoot, '../shared/conformance');
const countFile = join(projectRoot, 'build/conformance-count.json');
const counts = { run: 0, skipped: 0 };

process.once('exit', () => {
  if (counts.run + counts.skipped === 0) return;
  const before = existsSync(countFile) ? JSON.parse(readFileSync(countFile, 'utf8')) : { run: 0, skipped: 0 };
  const sum = { run: before.run + counts.run, skipped: before.skipped + counts.skipped };
  writeFileSync(countFile, `${JSON.stringify(sum)}\n`);
});

export const hasConformanceData: boolean = existsSync(root);

/** Bytes of one file of the data; `path` as in `torrents/index.json`. */
export function readConformance(path: string): Uint8Array {
  return readFileSync(join(root, path));
}

/** @returns parsed JSON of `vectors/<name>.json` and the like; the caller states the type it expects */
export function readConformanceJson<T>(path: string): T {
  return JSON.parse(readFileSync(join(root, path), 'utf8')) as T;
}

/**
 * One test over many cases of one file: every case is tried, and all that fail are named together.
 *
 *     conformance('magnet: valid', 'vectors/magnet.json', (file: MagnetVectors) => file.valid, (c) => { ... }, (c) => c._id);
 *
 * Without the data it is one skipped test with a message.
 */
export function conformance<F, C>(
  name: string,
  path: string,
  casesOf: (file: F) => readonly C[],
  check: (c: C) => void | Promise<void>,
  nameOf: (c: C, index: number) => string = (_, index) => `case ${index}`,
): void {
  if (!hasConformanceData) {
    counts.skipped++;
    test(name, { skip: '../shared/conformance is not there' }, () => {});
    return;
  }
  test(name, async () => {
    const failures: string[] = [];
    for (const [index, c] of casesOf(readConformanceJson<F>(path)).entries()) {
      counts.run++;
      try {
        await check(c);
      } catch (error) {
        failures.push(`${nameOf(c, index)}: ${error instanceof Error ? error.message : String(error)}`);
      }
    }
    if (failures.length > 0) throw new Error(`${failures.length} failed\n  ${failures.join('\n  ')}`);
  });
}

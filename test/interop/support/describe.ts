import { execFile } from 'node:child_process';
import { mkdtemp, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { describe, test } from 'node:test';
import { promisify } from 'node:util';
import { createTorrent } from '#create';
import type { TorrentFormat } from '#metainfo';
import { writeTree } from '../../support/temp-folder.ts';
import { contents, toTree } from './contents.ts';
import type { ForeignClient } from './foreign.ts';
import { whyNoNetwork } from './network.ts';
import { caseTimeoutMs, type InteropCase, runCase } from './run-case.ts';

/** Every combination of these, one test each. */
export function allCases(formats: readonly TorrentFormat[]): InteropCase[] {
  const cases: InteropCase[] = [];
  for (const seeder of ['foreign', 'eider'] as const)
    for (const format of formats)
      for (const layout of ['single', 'multi'] as const)
        for (const source of ['torrent', 'magnet'] as const)
          for (const tracker of ['http', 'udp'] as const) cases.push({ seeder, format, layout, source, tracker });
  return cases;
}

/**
 * Registers the tests of one program. Where it cannot run they are skipped, except in CI: there that is a failure. Formats that the
 * program misreads are skipped anywhere.
 */
export async function describeInterop(client: ForeignClient, cases: readonly InteropCase[]): Promise<void> {
  const obstacle = await whyNoInterop(client);
  if (obstacle !== undefined) {
    test(`interop with ${client.name}`, { skip: obstacle }, () => {});
    return;
  }
  const misread = new Map<TorrentFormat, string>();
  for (const format of new Set(cases.map((c) => c.format))) {
    const what = format === 'v1' ? undefined : await whatItMisreads(client, format);
    if (what !== undefined) misread.set(format, what);
  }
  describe(`interop with ${client.name}`, { concurrency: client.casesAtOnce }, () => {
    for (const [format, what] of misread) test(`${format} torrents`, { skip: `${client.name} ${what}` }, () => {});
    for (const c of cases) {
      if (misread.has(c.format)) continue;
      test(toName(client, c), { timeout: caseTimeoutMs + 15_000 }, (t) => runCase(t, client, c));
    }
  });
}

/** Why cases with this program cannot run here; undefined = they can. @throws Error in CI, where they must */
export async function whyNoInterop(client: ForeignClient): Promise<string | undefined> {
  const obstacle = (await whyNoNetwork()) ?? (await whyNoProgram(client));
  if (obstacle !== undefined && process.env['CI'] === 'true') throw new Error(`must run in CI, but ${obstacle}`);
  return obstacle;
}

/** A group of tests, or where there is an obstacle one that is skipped: a group that is skipped counts as no test at all. */
export function describeUnless(obstacle: string | undefined, name: string, tests: () => void, concurrency = 1): void {
  if (obstacle === undefined) describe(name, { concurrency }, tests);
  else test(name, { skip: obstacle }, () => {});
}

function toName({ name }: ForeignClient, c: InteropCase): string {
  const way = c.seeder === 'eider' ? `Eider to ${name}` : `${name} to Eider`;
  const source = c.source === 'torrent' ? '.torrent' : c.source;
  return `${way}: ${c.format}, ${c.layout}-file, by ${source}, ${c.tracker} tracker${c.ipv6 === true ? ', IPv6' : ''}`;
}

async function whyNoProgram(client: ForeignClient): Promise<string | undefined> {
  for (const command of client.needs) {
    try {
      await promisify(execFile)('sh', ['-c', command], { timeout: 20_000 });
    } catch {
      return `\`${command}\` does not run; tools/install-interop.sh installs it`;
    }
  }
  return undefined;
}

/** What the program makes of a torrent of this format, where that is wrong. */
async function whatItMisreads(client: ForeignClient, format: TorrentFormat): Promise<string | undefined> {
  if (client.misreads === undefined) return undefined;
  const folder = await mkdtemp(join(tmpdir(), 'eider-interop-'));
  try {
    const { bytes, torrent } = await createTorrent(writeTree(folder, toTree(contents.single)), { format });
    const file = join(folder, 'probe.torrent');
    await writeFile(file, bytes);
    return await client.misreads(file, torrent.info.hashV1 ?? '');
  } finally {
    await rm(folder, { recursive: true, force: true });
  }
}

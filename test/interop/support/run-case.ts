import { execFile } from 'node:child_process';
import { mkdir, mkdtemp, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { describe, type TestContext, test } from 'node:test';
import { promisify } from 'node:util';
import { createTorrent } from '#create';
import { formatMagnet, type TorrentFormat, toMagnet } from '#metainfo';
import { makeTempFolder, writeTree } from '../../support/temp-folder.ts';
import { type Contents, compareTree, contents, type Layout, toTree } from './contents.ts';
import { EiderSide } from './eider.ts';
import type { ForeignClient, ForeignRun } from './foreign.ts';
import { makeNetwork, type NetworkSide, whyNoNetwork } from './network.ts';
import { padFilesOf } from './pad-files.ts';
import { Program } from './program.ts';

export interface InteropCase {
  /** Who has the data at first. */
  readonly seeder: 'foreign' | 'eider';
  readonly format: TorrentFormat;
  readonly layout: Layout;
  /** What the downloader is given; a seeder has the .torrent file. */
  readonly source: 'torrent' | 'magnet';
  readonly tracker: 'http' | 'udp';
}

/** Of one transfer with everything around it; the slowest takes a fifth of this. */
const caseTimeoutMs = 60_000;
/** Of each side, in the message of a failed test. */
const reportLinesShown = 25;
/** Reports of good cases too, and packets, for people to look at: build/interop-reports. */
const isReported = process.env['EIDER_INTEROP_REPORT'] === '1';

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

/** Registers the tests of one program. Where it cannot run they are skipped, except in CI: there that is a failure. */
export async function describeInterop(client: ForeignClient, cases: readonly InteropCase[]): Promise<void> {
  const obstacle = (await whyNoNetwork()) ?? (await whyNoProgram(client));
  if (obstacle !== undefined) {
    const mustRun = process.env['CI'] === 'true';
    test(`interop with ${client.name}`, mustRun ? {} : { skip: obstacle }, () => {
      throw new Error(`must run in CI, but ${obstacle}`);
    });
    return;
  }
  const misread = new Map<TorrentFormat, string>();
  for (const format of new Set(cases.map((c) => c.format))) {
    const what = await whatItMisreads(client, format);
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

function toName({ name }: ForeignClient, c: InteropCase): string {
  const way = c.seeder === 'eider' ? `Eider to ${name}` : `${name} to Eider`;
  return `${way}: ${c.format}, ${c.layout}-file, by ${c.source === 'torrent' ? '.torrent' : 'magnet'}, ${c.tracker} tracker`;
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

async function runCase(t: TestContext, client: ForeignClient, c: InteropCase): Promise<void> {
  const work = makeTempFolder(t);
  const given = join(work, 'given');
  const taken = join(work, 'taken');
  await mkdir(taken);
  await using network = await makeNetwork();
  await using _capture = await startCapture(t.name, network.near);
  await using eider = new EiderSide(network.near);
  let run: ForeignRun | undefined;
  const act = async () => {
    eider.tell({ do: 'tracker', host: network.near.host });
    const ports = await eider.until('tracker');
    const tracker = toTrackerUrl(c.tracker, network.near.host, Number(ports[c.tracker]));
    const { file, magnet } = await makeContent(given, work, c, tracker, client.knowsPadFiles);
    const input = c.source === 'magnet' ? magnet : file;
    const startForeign = (what: string, folder: string, isSeeder: boolean) => {
      const task = { side: network.far, input: what, folder, workFolder: work, tracker: c.tracker, isSeeder };
      return client.start(task);
    };
    const { near, far } = network;
    if (c.seeder === 'eider') {
      eider.tell({ do: 'add', host: near.host, input: file, folder: given });
      const { progress } = await eider.until('ready');
      if (progress !== 1) throw new Error(`Eider found ${String(progress)} of its data good`);
      await eider.until('announce', (a) => a['host'] === near.host && a['left'] === 0);
      run = await startForeign(input, taken, false);
      await Promise.race([run.complete, eider.until('never')]);
    } else {
      run = await startForeign(file, given, true);
      run.complete.catch(() => {});
      await Promise.race([eider.until('announce', (a) => a['host'] === far.host && a['left'] === 0), dies(run)]);
      eider.tell({ do: 'add', host: near.host, input, folder: taken });
      await Promise.race([eider.until('done'), dies(run)]);
    }
    if (isReported) await writeReport(t.name, await reportOf(eider, client, run));
    // What is still in its memory is written at the latest when it ends.
    await run[Symbol.asyncDispose]();
    const code = await eider.quit();
    if (code !== 0) throw new Error(`Eider ended with code ${code}`);
    const isTheirs = c.seeder === 'eider';
    const wrong = compareTree(taken, contents[c.layout], {
      keepsPads: isTheirs && !client.knowsPadFiles,
      skipsEmpty: isTheirs && !client.makesEmptyFiles,
    });
    if (wrong.length > 0) throw new Error(`the copy is not the original: ${wrong.join('; ')}`);
  };
  try {
    await withDeadline(act(), caseTimeoutMs);
  } catch (error) {
    const { ours, theirs } = await reportOf(eider, client, run);
    const file = await writeReport(t.name, { ours, theirs });
    const what = `${(error as Error).message}; all of it is in ${file}`;
    throw new Error([what, endOf(ours), endOf(theirs)].join('\n'));
  } finally {
    await run?.[Symbol.asyncDispose]();
  }
}

/** Keeps every packet of a case, where tcpdump is there. */
async function startCapture(name: string, side: NetworkSide): Promise<AsyncDisposable | undefined> {
  if (!isReported) return undefined;
  const file = await toReportPath(name, 'pcap');
  return new Program(side, ['tcpdump', '-i', 'any', '-U', '-Z', 'root', '-w', file]);
}

interface Report {
  readonly ours: string;
  readonly theirs: string;
}

async function reportOf(eider: EiderSide, client: ForeignClient, run: ForeignRun | undefined): Promise<Report> {
  const ours = await eider.report().catch(String);
  const theirs = (await run?.report().catch(String)) ?? 'not started';
  return { ours: `--- Eider\n${ours}`, theirs: `--- ${client.name}\n${theirs}` };
}

/** @returns its path from the project's root */
async function writeReport(name: string, { ours, theirs }: Report): Promise<string> {
  const path = await toReportPath(name, 'txt');
  await writeFile(path, `${ours}\n${theirs}\n`);
  return path;
}

async function toReportPath(name: string, extension: string): Promise<string> {
  await mkdir('build/interop-reports', { recursive: true });
  return `build/interop-reports/${name.replace(/[^\w.-]+/g, '-')}.${extension}`;
}

function endOf(text: string): string {
  return text.trimEnd().split('\n').slice(-reportLinesShown).join('\n');
}

async function makeContent(
  given: string,
  work: string,
  c: InteropCase,
  tracker: string,
  knowsPadFiles: boolean,
): Promise<{ file: string; magnet: string }> {
  const what: Contents = contents[c.layout];
  writeTree(given, toTree(what));
  const { bytes, torrent } = await createTorrent(join(given, what.name), {
    format: c.format,
    pieceLength: 65_536,
    trackers: [[tracker]],
    noDate: true,
  });
  // A program that does not know them has them from its own download.
  if (c.seeder === 'foreign' && !knowsPadFiles) writeTree(given, padFilesOf(bytes));
  const file = join(work, 'shared.torrent');
  await writeFile(file, bytes);
  return { file, magnet: formatMagnet(toMagnet(torrent)) };
}

function toTrackerUrl(protocol: 'http' | 'udp', host: string, port: number): string {
  return `${protocol}://${host}:${port}/announce`;
}

function dies(run: ForeignRun): Promise<never> {
  return run.program.untilItDies();
}

async function withDeadline(work: Promise<void>, ms: number): Promise<void> {
  let timer: NodeJS.Timeout | undefined;
  const late = new Promise<never>((_, reject) => {
    timer = setTimeout(() => reject(new Error(`not done within ${ms / 1000} s`)), ms);
  });
  try {
    await Promise.race([work, late]);
  } finally {
    clearTimeout(timer);
  }
}

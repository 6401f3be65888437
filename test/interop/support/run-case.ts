import { rmSync } from 'node:fs';
import { mkdir, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import type { TestContext } from 'node:test';
import { formatAddress } from '#base';
import { createTorrent } from '#create';
import { formatMagnet, type TorrentFormat, toMagnet } from '#metainfo';
import { makeTempFolder, writeTree } from '../../support/temp-folder.ts';
import { compareTree, contents, type Layout, toTree } from './contents.ts';
import { EiderSide } from './eider.ts';
import type { ForeignClient, ForeignRun } from './foreign.ts';
import { makeNetwork, type Network } from './network.ts';
import { padFilesOf } from './pad-files.ts';
import { Report, startCapture } from './report.ts';

export interface InteropCase {
  /** Who has the data at first. */
  readonly seeder: 'foreign' | 'eider';
  readonly format: TorrentFormat;
  readonly layout: Layout;
  /** What the downloader is given; a seeder has the .torrent file. Of a hybrid, a link may name one of the two info-hashes only. */
  readonly source: 'torrent' | 'magnet' | 'v1 magnet' | 'v2 magnet';
  readonly tracker: 'http' | 'udp';
  /** Default: IPv4. */
  readonly ipv6?: boolean;
}

/** Of one transfer with everything around it; the slowest takes a third of this. */
export const caseTimeoutMs = 60_000;
/** Many pieces also in small files, and layers of more than one hash in v2. */
const pieceLength = 65_536;

/**
 * One transfer between Eider and a foreign program, each in a network namespace of its own, and nothing but the tracker to tell them of
 * each other: the copy must be the original byte for byte, and Eider must tell the tracker that it stops.
 */
export async function runCase(t: TestContext, client: ForeignClient, c: InteropCase): Promise<void> {
  const folders = makeFolders(t);
  await using network = await makeNetwork({ ipv6: c.ipv6 === true });
  await using _capture = await startCapture(t.name, network.near);
  await using eider = new EiderSide(network.near);
  const transfer = new Transfer({ client, c, folders, network, eider });
  const report = new Report(t.name);
  try {
    await withDeadline(
      (async () => {
        await transfer.run();
        if (transfer.foreign !== undefined) await report.keepIfWanted(eider, transfer.foreign, client);
        await transfer.finish();
      })(),
      caseTimeoutMs,
    );
  } catch (error) {
    await report.take(eider, transfer.foreign);
    throw await report.explain(error, client);
  } finally {
    await transfer.foreign?.[Symbol.asyncDispose]();
  }
}

interface Folders {
  readonly work: string;
  /** The original. */
  readonly given: string;
  /** The copy. */
  readonly taken: string;
}

function makeFolders(t: TestContext): Folders {
  const work = makeTempFolder(t);
  // A process that is told to end runs no hooks of its tests.
  const remove = () => rmSync(work, { recursive: true, force: true });
  process.on('exit', remove);
  t.after(() => process.off('exit', remove));
  return { work, given: join(work, 'given'), taken: join(work, 'taken') };
}

interface TransferParts {
  readonly client: ForeignClient;
  readonly c: InteropCase;
  readonly folders: Folders;
  readonly network: Network;
  readonly eider: EiderSide;
}

class Transfer {
  foreign: ForeignRun | undefined;
  readonly #p: TransferParts;

  constructor(parts: TransferParts) {
    this.#p = parts;
  }

  /** Resolves when the downloader says that it has everything. */
  async run(): Promise<void> {
    const { c, eider, network, folders } = this.#p;
    eider.tell({ do: 'tracker', host: network.near.host });
    const ports = await eider.until('tracker');
    const at = formatAddress({ host: network.near.host, port: Number(ports[c.tracker]) });
    const url = `${c.tracker}://${at}/announce`;
    await mkdir(folders.taken);
    const { file, input } = await this.#makeContent(url);
    if (c.seeder === 'eider') await this.#giveTo(file, input);
    else await this.#takeFrom(file, input);
  }

  /** Ends both, then looks at what they have left. */
  async finish(): Promise<void> {
    const { client, c, eider, network, folders } = this.#p;
    // What a program still has in memory is on disk at the latest when it has ended.
    await this.foreign?.[Symbol.asyncDispose]();
    const code = await eider.quit();
    if (code !== 0) throw new Error(`Eider ended with code ${code}`);
    const isTheirs = c.seeder === 'eider';
    const wrong = compareTree(folders.taken, contents[c.layout], {
      keepsPads: isTheirs && !client.knowsPadFiles,
      skipsEmpty: isTheirs && !client.makesEmptyFiles,
    });
    if (wrong.length > 0) throw new Error(`the copy is not the original: ${wrong.join('; ')}`);
    const isStopped = eider.hasSaid('announce', (a) => a['host'] === network.near.host && a['what'] === 'stopped');
    if (!isStopped) throw new Error('Eider did not tell the tracker that it stops');
  }

  async #giveTo(file: string, input: string): Promise<void> {
    const { eider, network, folders } = this.#p;
    const { host } = network.near;
    eider.tell({ do: 'add', host, input: file, folder: folders.given });
    const { progress } = await eider.until('ready');
    if (progress !== 1) throw new Error(`Eider found ${String(progress)} of its data good`);
    await eider.until('announce', (a) => a['host'] === host && a['left'] === 0);
    this.foreign = await this.#startForeign(input, { folder: folders.taken, isSeeder: false });
    await Promise.race([this.foreign.complete, eider.fails]);
  }

  async #takeFrom(file: string, input: string): Promise<void> {
    const { eider, network, folders } = this.#p;
    const { near, far } = network;
    const foreign = await this.#startForeign(file, { folder: folders.given, isSeeder: true });
    this.foreign = foreign;
    foreign.complete.catch(() => {});
    const dies = foreign.program.untilItDies();
    await Promise.race([eider.until('announce', (a) => a['host'] === far.host && a['left'] === 0), dies]);
    eider.tell({ do: 'add', host: near.host, input, folder: folders.taken });
    await Promise.race([eider.until('done'), dies]);
  }

  #startForeign(input: string, options: { folder: string; isSeeder: boolean }): Promise<ForeignRun> {
    const { client, c, network, folders } = this.#p;
    return client.start({ ...options, input, side: network.far, workFolder: folders.work, tracker: c.tracker });
  }

  /** @returns the .torrent file, and what the downloader is given */
  async #makeContent(tracker: string): Promise<{ file: string; input: string }> {
    const { client, c, folders } = this.#p;
    const what = contents[c.layout];
    writeTree(folders.given, toTree(what));
    const options = { format: c.format, pieceLength, trackers: [[tracker]], noDate: true };
    const { bytes, torrent } = await createTorrent(join(folders.given, what.name), options);
    // A program that does not know pad files has them from its own download.
    if (c.seeder === 'foreign' && !client.knowsPadFiles) writeTree(folders.given, padFilesOf(bytes));
    const file = join(folders.work, 'shared.torrent');
    await writeFile(file, bytes);
    if (c.source === 'torrent') return { file, input: file };
    const { hashV1, hashV2, ...magnet } = toMagnet(torrent);
    const input = formatMagnet({
      ...magnet,
      ...(hashV1 !== undefined && c.source !== 'v2 magnet' && { hashV1 }),
      ...(hashV2 !== undefined && c.source !== 'v1 magnet' && { hashV2 }),
    });
    return { file, input };
  }
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

import { rmSync } from 'node:fs';
import { mkdir, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import type { TestContext } from 'node:test';
import { setTimeout as sleep } from 'node:timers/promises';
import { createTorrent } from '#create';
import { makeBytes, makeTempFolder, writeTree } from '../../support/temp-folder.ts';
import { type Contents, compareTree, toTree } from './contents.ts';
import type { ForeignClient, ForeignRun } from './foreign.ts';
import { makeNetwork, type Network } from './network.ts';
import { type TrackerProtocol, WholeTracker } from './whole-tracker.ts';

/** Small: what is tried is the tracker. */
export const sharedBytes = 300_001;
const shared: Contents = { name: 'shared.bin', files: { '': makeBytes(sharedBytes, 1) } };
const pollMs = 100;
/** Of each side, in the message of a failed test. */
const linesShown = 30;

export interface ClientTask {
  readonly isSeeder: boolean;
  readonly protocol: TrackerProtocol;
  /** Of the announce URL. */
  readonly passkey?: string;
  /** Of libtorrent. */
  readonly settings?: Readonly<Record<string, unknown>>;
}

/** A tracker, and foreign clients of one torrent: seeders on its side of the wire, downloaders on the other. */
export class TrackerPlace implements AsyncDisposable {
  readonly tracker: WholeTracker;
  readonly network: Network;
  infoHash = '';
  readonly #work: string;
  readonly #runs: { readonly client: ForeignClient; readonly run: ForeignRun; readonly folder: string }[] = [];
  #made = 0;
  #started = 0;

  static async open(
    t: TestContext,
    o: { readonly ipv6?: boolean; readonly config?: (folder: string) => readonly string[] } = {},
  ): Promise<TrackerPlace> {
    const work = makeTempFolder(t);
    // A process that is told to end runs no hooks of its tests.
    const remove = () => rmSync(work, { recursive: true, force: true });
    process.on('exit', remove);
    t.after(() => process.off('exit', remove));
    const network = await makeNetwork({ ipv6: o.ipv6 === true });
    const folder = join(work, 'tracker');
    await mkdir(folder);
    const place = new TrackerPlace(network, work, new WholeTracker(network.near, folder, o.config?.(folder)));
    try {
      writeTree(join(work, 'given'), toTree(shared));
      await place.#makeTorrent('http://localhost/announce');
      await place.tracker.start();
    } catch (error) {
      await place[Symbol.asyncDispose]();
      throw error;
    }
    return place;
  }

  private constructor(network: Network, work: string, tracker: WholeTracker) {
    this.network = network;
    this.#work = work;
    this.tracker = tracker;
  }

  /** With a .torrent file of its own, of one announce URL. Transmission once a side. */
  async start(client: ForeignClient, { isSeeder, protocol, passkey, settings = {} }: ClientTask): Promise<ForeignRun> {
    const workFolder = join(this.#work, `${client.name}-${this.#started++}`);
    const input = await this.#makeTorrent(this.tracker.url(protocol, passkey));
    const folder = isSeeder ? join(this.#work, 'given') : join(workFolder, 'taken');
    await mkdir(join(workFolder, 'taken'), { recursive: true });
    const run = await client.start({
      side: isSeeder ? this.network.near : this.network.far,
      input,
      folder,
      workFolder,
      tracker: protocol,
      trusts: this.tracker.certFile,
      settings,
      isSeeder,
      stays: true,
    });
    run.complete.catch(() => {});
    this.#runs.push({ client, run, folder });
    return run;
  }

  /** It leaves the swarm, and tells the tracker. */
  async stop(run: ForeignRun): Promise<void> {
    await (run.leave === undefined ? run[Symbol.asyncDispose]() : run.leave());
  }

  /** What of the copy is not the original. */
  compare(run: ForeignRun): string[] {
    const { folder } = this.#runs.find((r) => r.run === run) as { folder: string };
    return compareTree(folder, shared, { keepsPads: false, skipsEmpty: false });
  }

  /** Resolves when what the client has to say matches; the test's time limit ends it otherwise. */
  async untilSays(run: ForeignRun, pattern: RegExp): Promise<void> {
    while (!pattern.test(await run.report())) {
      if (run.program.hasEnded) throw new Error(`ended without saying ${pattern}`);
      await sleep(pollMs);
    }
  }

  /** For the message of a failed test. */
  async report(): Promise<string> {
    const counts = await this.tracker.countsOf(this.infoHash).catch(String);
    const parts = ['--- tracker', JSON.stringify(counts), endOf(this.tracker.output)];
    for (const { client, run } of this.#runs) parts.push(`--- ${client.name}`, endOf(await run.report().catch(String)));
    return parts.join('\n');
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await Promise.all(this.#runs.map(({ run }) => run[Symbol.asyncDispose]()));
    await this.tracker[Symbol.asyncDispose]();
    await this.network[Symbol.asyncDispose]();
  }

  async #makeTorrent(url: string): Promise<string> {
    const file = join(this.#work, `${this.#made++}.torrent`);
    const path = join(this.#work, 'given', shared.name);
    const options = { format: 'v1', pieceLength: 32_768, trackers: [[url]], noDate: true } as const;
    const { bytes, torrent } = await createTorrent(path, options);
    this.infoHash = torrent.info.hashV1 as string;
    await writeFile(file, bytes);
    return file;
  }
}

/** Without what says only that time goes by. */
function endOf(text: string): string {
  const lines = text.split('\n').filter((line) => !/"event": ?"progress"|DefaultBtInteractive/.test(line));
  return lines.slice(-linesShown).join('\n');
}

/** @throws Error with what all sides say, where the work fails or takes longer */
export async function within(place: TrackerPlace, ms: number, work: () => Promise<void>): Promise<void> {
  let timer: NodeJS.Timeout | undefined;
  const late = new Promise<never>((_, reject) => {
    timer = setTimeout(() => reject(new Error(`not done within ${ms / 1000} s`)), ms);
  });
  try {
    await Promise.race([work(), late]);
  } catch (error) {
    const what = error instanceof Error ? error.message : String(error);
    throw new Error(`${what}\n${await place.report()}`, { cause: error });
  } finally {
    clearTimeout(timer);
  }
}

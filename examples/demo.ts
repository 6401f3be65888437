import { once } from 'node:events';
import { rmSync } from 'node:fs';
import { mkdir, mkdtemp, readdir, rm } from 'node:fs/promises';
import { constants, tmpdir } from 'node:os';
import { join } from 'node:path';
import { formatBytes, formatDuration, formatPlural, formatRate } from '#room/cli/format';
import { StatusView } from '#room/cli/render';
import { type DemoArguments, parseArguments, usage } from './demo/arguments.ts';
import {
  type Content,
  checkRoom,
  compareContent,
  describeContent,
  makeContent,
  type Place,
  useContent,
} from './demo/content.ts';
import { EiderProcess, numberIn } from './demo/eider-process.ts';
import { judge } from './demo/verdict.ts';
import { showSwarm } from './demo/view.ts';

/**
 * `npm run demo`: a whole swarm on this machine, made of the `eider` command alone. See `usage`.
 *
 * The seeder's upload is limited to a rate at which one copy takes `copySec`: much less than the downloaders could take, so whoever is
 * to be ready soon must get most of the content from its fellows.
 */
const copySec = 12;
/** Bytes a second that the seeder sends at most: with four times as much on the move, two cores are busy and not yet the limit. */
const limitMax = 32 * 1024 * 1024;
/** With fewer, chance decides who has anything to give. */
const piecesMin = 64;
const downloaderCount = 3;
/** Room beside the downloads themselves. */
const spareBytes = 64 * 1024 * 1024;
/** ms without any progress after which something is wrong. */
const stallMs = 60_000;
/** ms that processes get to end; their own limit is 3 s. */
const graceMs = 10_000;
const viewEveryMs = 200;
/** All on this machine, and any port that is free. */
const anywhere = '127.0.0.1:0';

const say = (text: string) => process.stdout.write(`${text}\n`);

class Demo {
  readonly #o: DemoArguments;
  readonly #signal: AbortSignal;
  readonly #work: string;
  readonly #processes: EiderProcess[] = [];
  readonly #view = new StatusView({ screen: process.stdout });

  constructor(options: DemoArguments, work: string, signal: AbortSignal) {
    this.#o = options;
    this.#work = work;
    this.#signal = signal;
  }

  /** @returns whether the swarm did what it should. @throws Error where anything failed */
  async run(): Promise<boolean> {
    const { path, keep } = this.#o;
    const place = path === undefined ? makeContent(this.#work, keep === undefined) : await useContent(path);
    const torrent = await this.#prepare(place);
    const content = await describeContent(place, torrent);
    if (content.pieceCount < piecesMin) {
      const least = formatBytes(piecesMin * 16 * 1024);
      throw new Error(`${path} is too small to be shared by ${downloaderCount}: take ${least} or more`);
    }
    const what = `${formatPlural(content.files.length, 'file')}, ${formatBytes(content.bytes)}`;
    say(`content: ${content.name}, ${what} in ${formatPlural(content.pieceCount, 'piece')}`);
    await checkRoom(this.#work, downloaderCount * content.bytes + spareBytes);
    const limit = Math.min(limitMax, Math.ceil(content.bytes / copySec));
    const seeder = this.#start('seeder', [
      ...['seed', torrent, '--dir', content.dir, '--listen', anywhere, '--upload-limit', String(limit)],
      ...this.#ownFiles('seeder'),
    ]);
    await this.#unlessAborted(seeder.waitFor('ready'));
    say(`seeder: may send ${formatRate(limit)}, one copy in ${formatDuration(content.bytes / limit)}`);
    const downloaders = await this.#download({ content, torrent, seeder });
    await this.#compare(content);
    return this.#sum({ content, seeder, downloaders });
  }

  /** Ends every process that is still there. */
  async close(): Promise<void> {
    this.#view.close('keep');
    await Promise.all(this.#processes.map((p) => p.destroy(graceMs)));
  }

  /** For the very end, when nothing can be waited for. */
  kill(): void {
    for (const p of this.#processes) p.kill();
  }

  /** Tracker and torrent. @returns the .torrent file, all that the downloaders will know */
  async #prepare(content: Place): Promise<string> {
    const tracker = this.#start('tracker', ['tracker', '--http', anywhere, '--udp', anywhere]);
    await this.#unlessAborted(tracker.waitFor('ready'));
    const urls = ['http', 'udp'].map((protocol) => {
      const place = tracker.latest.get(`listening ${protocol}`);
      return `${protocol}://${place?.['host']}:${place?.['port']}/announce`;
    });
    say(`tracker: ${urls.join(' and ')}`);
    const torrent = join(this.#work, 'demo.torrent');
    const create = this.#start('creation', [
      ...['create', join(content.dir, content.name), '--output', torrent],
      ...urls.flatMap((url) => ['--tracker', url]),
    ]);
    await this.#unlessAborted(create.waitFor('done'));
    await create.ended;
    return torrent;
  }

  /** Three who begin with nothing, until all have everything. */
  async #download(swarm: { content: Content; torrent: string; seeder: EiderProcess }): Promise<EiderProcess[]> {
    const { content, torrent, seeder } = swarm;
    const startedAt = performance.now();
    const downloaders = Array.from({ length: downloaderCount }, (_, i) =>
      this.#start(`downloader ${i + 1}`, [
        ...['download', torrent, '--dir', this.#folderOf(i), '--listen', anywhere, '--seed'],
        ...this.#ownFiles(`downloader-${i + 1}`),
      ]),
    );
    const show = () => {
      const seconds = (performance.now() - startedAt) / 1000;
      this.#view.show(showSwarm({ contentBytes: content.bytes, seeder, downloaders, seconds }));
    };
    const timer = setInterval(show, viewEveryMs);
    try {
      await this.#unlessAborted(
        Promise.race([
          Promise.all(downloaders.map((d) => d.waitFor('done'))),
          seeder.ended.then(() => Promise.reject(new Error(`the seeder has ended: ${seeder.lastWords}`))),
          this.#stalled([seeder, ...downloaders]),
        ]),
      );
      const seconds = (performance.now() - startedAt) / 1000;
      await Promise.all(downloaders.map((d) => d.stop(graceMs)));
      await seeder.stop(graceMs);
      show();
      this.#view.close('keep');
      say(`all three are complete after ${formatDuration(seconds)}`);
    } finally {
      clearInterval(timer);
    }
    return downloaders;
  }

  async #compare(content: Content): Promise<void> {
    for (let i = 0; i < downloaderCount; i++) await compareContent(content, this.#folderOf(i), this.#signal);
    const files = formatPlural(content.files.length, 'file');
    say(`compared ${downloaderCount} × ${files}, ${formatBytes(content.bytes)}: every byte is the same`);
  }

  #sum(swarm: { content: Content; seeder: EiderProcess; downloaders: readonly EiderProcess[] }): boolean {
    const sent = (client: EiderProcess) => numberIn(client.latest.get('stopped'), 'uploadedBytes');
    const { ok, lines } = judge({
      contentBytes: swarm.content.bytes,
      seederBytes: sent(swarm.seeder),
      givenBytes: swarm.downloaders.map(sent),
    });
    say(`\n${lines.join('\n')}`);
    if (this.#o.keep !== undefined) say(`kept: ${this.#work}`);
    say(
      ok
        ? 'the swarm did the work'
        : 'failed: the work was not shared as it should be (run with --keep DIR: traces tell why)',
    );
    return ok;
  }

  #start(name: string, args: readonly string[]): EiderProcess {
    this.#signal.throwIfAborted();
    const started = new EiderProcess(name, args);
    this.#processes.push(started);
    return started;
  }

  /** Rejects when none of the clients has moved a byte for `stallMs`. Never resolves. */
  async #stalled(clients: readonly EiderProcess[]): Promise<never> {
    const total = () => clients.reduce((sum, c) => sum + numberIn(c.latest.get('progress'), 'uploadedBytes'), 0);
    let before = -1;
    let since = performance.now();
    for (;;) {
      // Unref: it goes on for ever, and nobody waits for it.
      await new Promise((resolve) => setTimeout(resolve, 1000).unref());
      if (total() !== before) since = performance.now();
      before = total();
      if (performance.now() - since < stallMs) continue;
      const reasons = clients.map((c) => {
        const reason = c.latest.get('progress')?.['reason'] as { text?: string } | null | undefined;
        return `${c.name}: ${reason?.text ?? 'no reason known'}`;
      });
      throw new Error(`nothing moves any more\n  ${reasons.join('\n  ')}`);
    }
  }

  #folderOf(downloader: number): string {
    return join(this.#work, `downloader-${downloader + 1}`);
  }

  /** What processes of one user would share by default, and here must not. */
  #ownFiles(name: string): string[] {
    const state = ['--state-dir', join(this.#work, 'state', name)];
    return this.#o.keep === undefined ? state : [...state, '--trace', join(this.#work, `${name}.trace.jsonl`)];
  }

  async #unlessAborted<T>(promise: Promise<T>): Promise<T> {
    this.#signal.throwIfAborted();
    const broken = new AbortController();
    const aborted = once(this.#signal, 'abort', { signal: broken.signal }).then(() => this.#signal.throwIfAborted());
    aborted.catch(() => {});
    try {
      return (await Promise.race([promise, aborted])) as T;
    } finally {
      broken.abort();
    }
  }
}

/** @throws Error where `--keep` names a folder with something in it */
async function makeWorkFolder(keep: string | undefined): Promise<string> {
  if (keep === undefined) return mkdtemp(join(tmpdir(), 'eider-demo-'));
  await mkdir(keep, { recursive: true });
  if ((await readdir(keep)).length > 0) throw new Error(`${keep} is not empty: --keep wants a new or empty folder`);
  return keep;
}

/** @returns the exit code */
async function main(): Promise<number> {
  const options = parseArguments(process.argv.slice(2), process.env['INIT_CWD'] ?? process.cwd());
  if (options.help) {
    process.stdout.write(usage);
    return 0;
  }
  const interrupted = new AbortController();
  const work = await makeWorkFolder(options.keep);
  const demo = new Demo(options, work, interrupted.signal);
  const remove = () => {
    demo.kill();
    if (options.keep === undefined) rmSync(work, { recursive: true, force: true, maxRetries: 3 });
  };
  process.once('exit', remove);
  const onSignal = (signal: NodeJS.Signals) => {
    // The second one wants no more order; what is left is removed on the way out.
    if (interrupted.signal.aborted) process.exit(128 + constants.signals[signal]);
    interrupted.abort(signal);
  };
  const signals = ['SIGINT', 'SIGTERM', 'SIGHUP'] as const;
  for (const signal of signals) process.on(signal, onSignal);
  try {
    return (await demo.run()) ? 0 : 1;
  } catch (error) {
    if (!interrupted.signal.aborted) throw error;
    await demo.close();
    process.stderr.write('interrupted\n');
    return 128 + constants.signals[interrupted.signal.reason as NodeJS.Signals];
  } finally {
    await demo.close();
    if (options.keep === undefined) await rm(work, { recursive: true, force: true, maxRetries: 3 });
  }
}

try {
  process.exitCode = await main();
} catch (error) {
  process.stderr.write(`demo: ${error instanceof Error ? error.message : String(error)}\n`);
  process.exitCode = 1;
}

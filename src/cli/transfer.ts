import { BtError } from '../base/index.ts';
import { createSession, type Session, type SessionEvent, type Torrent, type TorrentInput } from '../client/index.ts';
import type { Cli } from './context.ts';
import { CliError, exitCodes } from './exit.ts';
import { warnOfFewDescriptors } from './few-descriptors.ts';
import { formatDuration, formatPercent, printable } from './format.ts';
import { resolveListen } from './listen.ts';
import { type FileRange, toFileIndexes } from './options.ts';
import { openStateFolder } from './state-folder.ts';
import type { TransferOptions } from './transfer-options.ts';
import { TransferReport } from './transfer-report.ts';
import { TransferTrace } from './transfer-trace.ts';

export interface TransferJob {
  readonly input: TorrentInput;
  /** Parent folder of the torrent's name. */
  readonly dir: string;
  /** A seeder that turns out not to have everything has failed. */
  readonly role: 'download' | 'seed';
  /** Go on when everything is here, until a signal comes. */
  readonly keepSeeding: boolean;
  readonly files?: readonly FileRange[] | undefined;
  /** The data was hashed a moment ago. */
  readonly verified?: boolean | undefined;
  /** Besides the torrent's own. */
  readonly trackers?: readonly string[] | undefined;
  /** Gives up when nothing has come for this long. */
  readonly timeoutMs?: number | undefined;
}

type Outcome =
  | { readonly kind: 'complete' }
  | { readonly kind: 'interrupted' }
  | { readonly kind: 'failed'; readonly error: unknown };

const tickMs = 250;

/**
 * One run of `download` or `seed`: a session with one torrent, from listening to the last word to the trackers. Open it, run it once,
 * close it whatever happened.
 */
export class Transfer {
  readonly #cli: Cli;
  readonly #options: TransferOptions;
  readonly #signal: AbortSignal;
  readonly #session: Session;
  readonly #startedAt: number;
  readonly #trace: TransferTrace | undefined;
  #name = 'nothing';

  private constructor(o: {
    cli: Cli;
    options: TransferOptions;
    signal: AbortSignal;
    session: Session;
    startedAt: number;
    trace: TransferTrace | undefined;
  }) {
    this.#cli = o.cli;
    this.#options = o.options;
    this.#signal = o.signal;
    this.#session = o.session;
    this.#startedAt = o.startedAt;
    this.#trace = o.trace;
  }

  /**
   * Listens, and says where.
   *
   * @throws BtError `net/port-in-use`, `net/listen`; `disk/…` for a trace that cannot be written
   */
  static async open(cli: Cli, options: TransferOptions, signal: AbortSignal): Promise<Transfer> {
    const places = (await Promise.all((options.listen ?? []).map((place) => resolveListen(place)))).flat();
    const stateDir = await openStateFolder(cli, options.stateDir);
    const trace = options.trace === undefined ? undefined : await TransferTrace.open(options.trace, Date.now());
    const startedAt = performance.now();
    const session = await createSession({
      ...(places.length > 0 && { listen: places }),
      ...(stateDir !== undefined && { stateDir }),
      ...(options.uploadLimit !== undefined && { uploadLimit: options.uploadLimit }),
      ...(options.downloadLimit !== undefined && { downloadLimit: options.downloadLimit }),
    });
    warnOfFewDescriptors(cli, session);
    for (const { host, port } of session.addresses) cli.events?.emit('listening', { host, port, protocol: 'tcp' });
    return new Transfer({ cli, options, signal, session, startedAt, trace });
  }

  /** Where peers can reach us. */
  get addresses(): Session['addresses'] {
    return this.#session.addresses;
  }

  /**
   * Adds the torrent and stays until it is complete (`keepSeeding`: until a signal), then ends it in order.
   *
   * @throws CliError with the exit code of what ended it, unless all is well; BtError for trouble with disk or torrent
   */
  async run(job: TransferJob): Promise<void> {
    const run = new TransferRun(job, this.#signal);
    // Reads from now on: the first events come before `add` returns.
    const reading = run.read(this.#session.events());
    const torrent = await this.#add(job);
    this.#name = torrent.name;
    const report = new TransferReport(this.#cli, torrent, this.#startedAt, () => this.#session.budgets);
    run.begin(torrent, report);
    const outcome = await run.outcome;
    run.end();
    if (outcome.kind === 'failed') this.#cli.endStatus('erase');
    await torrent.stop();
    report.stopped();
    await this.#session.close();
    await reading;
    if (outcome.kind === 'failed') throw outcome.error;
    if (outcome.kind === 'interrupted') checkInterrupted(torrent);
  }

  /** Ends what is still open, and writes the trace. Idempotent. */
  async close(): Promise<void> {
    this.#cli.endStatus('erase');
    await this.#session.close();
    await this.#trace?.write(this.#name);
  }

  async #add(job: TransferJob): Promise<Torrent> {
    const { files } = job;
    const { peer } = this.#options;
    const tracer = this.#trace?.tracer;
    return this.#session.add(job.input, {
      path: job.dir,
      signal: this.#signal,
      ...(files !== undefined && { files: (file) => isChosen(files, file.index + 1) }),
      ...(peer !== undefined && { peers: peer }),
      ...(job.trackers !== undefined && { trackers: job.trackers }),
      ...(job.verified !== undefined && { verified: job.verified }),
      ...(tracer !== undefined && { tracer }),
    });
  }
}

/** The time in between: follows the events of the torrent until something decides how it ends. */
class TransferRun {
  readonly outcome: Promise<Outcome>;
  readonly #job: TransferJob;
  readonly #signal: AbortSignal;
  #settle!: (outcome: Outcome) => void;
  /** Events that came before `begin`. */
  readonly #early: SessionEvent[] = [];
  #torrent: Torrent | undefined;
  #report: TransferReport | undefined;
  #timer: NodeJS.Timeout | undefined;
  /** The last sign of progress, and when it was seen. */
  #progress = { mark: '', at: performance.now() };

  constructor(job: TransferJob, signal: AbortSignal) {
    this.#job = job;
    this.#signal = signal;
    this.outcome = new Promise((resolve) => {
      this.#settle = resolve;
    });
  }

  async read(events: AsyncIterable<SessionEvent>): Promise<void> {
    for await (const event of events) {
      if (this.#report === undefined) this.#early.push(event);
      else this.#on(event);
    }
  }

  begin(torrent: Torrent, report: TransferReport): void {
    this.#torrent = torrent;
    this.#report = report;
    for (const event of this.#early.splice(0)) this.#on(event);
    this.#timer = setInterval(() => this.#tick(), tickMs);
    this.#tick();
    if (this.#signal.aborted) this.#onSignal();
    else this.#signal.addEventListener('abort', this.#onSignal, { once: true });
  }

  /** No more reports. */
  end(): void {
    clearInterval(this.#timer);
    this.#signal.removeEventListener('abort', this.#onSignal);
  }

  readonly #onSignal = (): void => this.#settle({ kind: 'interrupted' });

  #fail(error: unknown): void {
    this.#settle({ kind: 'failed', error });
  }

  #on(event: SessionEvent): void {
    const report = this.#report as TransferReport;
    switch (event.type) {
      case 'torrent.metadata':
        report.metadata();
        this.#checkFiles();
        break;
      case 'torrent.checking':
        report.checking(event['pieces'] as number);
        break;
      case 'torrent.ready':
        report.ready();
        this.#checkSeeder();
        break;
      case 'torrent.done':
        report.done(this.#job.role === 'download');
        if (!this.#job.keepSeeding) this.#settle({ kind: 'complete' });
        break;
      case 'torrent.tracker':
        report.tracker(event['url'] as string, event['error']);
        break;
      case 'torrent.bad-piece':
        report.badPiece(event['piece'] as number);
        break;
      case 'torrent.banned':
        report.banned(event['host'] as string, event['reason'] as string);
        break;
      case 'torrent.waiting':
        // Who stays anyway waits until it is over; a download that is to end says why it cannot. A changed file mends itself.
        if (this.#job.keepSeeding || BtError.is(event['error'], 'disk/changed'))
          report.waiting(event['error'] as BtError);
        else this.#fail(event['error']);
        break;
      case 'torrent.lost':
        report.lost(event['pieces'] as number);
        break;
      case 'torrent.error':
        this.#fail(event['error']);
        break;
      default:
    }
  }

  #tick(): void {
    const why = this.#report?.tick();
    const { timeoutMs } = this.#job;
    const torrent = this.#torrent as Torrent;
    const { state } = torrent;
    if (timeoutMs === undefined || state.isComplete) return;
    const now = performance.now();
    const mark = `${state.phase} ${state.downloaded} ${state.doneBytes} ${state.progress}`;
    if (mark !== this.#progress.mark) this.#progress = { mark, at: now };
    if (now - this.#progress.at < timeoutMs) return;
    const reason = why === undefined ? '' : ` (${why.text})`;
    const waited = formatDuration(timeoutMs / 1000);
    this.#fail(
      new CliError(
        exitCodes.timeout,
        'client/timeout',
        `gave up on ${printable(torrent.name)}: nothing came for ${waited}${reason}; the same command resumes it`,
      ),
    );
  }

  /** Of a magnet link it is not known before how many files there are. */
  #checkFiles(): void {
    const { files } = this.#job;
    if (files === undefined) return;
    try {
      checkFileList(files, (this.#torrent as Torrent).files.length);
    } catch (error) {
      this.#fail(error);
    }
  }

  #checkSeeder(): void {
    const { state, name } = this.#torrent as Torrent;
    if (this.#job.role !== 'seed' || state.isComplete) return;
    const bad = (state.pieceCount ?? 0) - state.piecesHave;
    this.#fail(
      new CliError(
        exitCodes.verifyFailed,
        'cli/verify-failed',
        `${printable(name)} is not what the torrent says: ${bad} of ${state.pieceCount} pieces are bad or missing; ` +
          '`eider verify` shows where, `eider download --seed` repairs it',
      ),
    );
  }
}

function isChosen(files: readonly FileRange[], number: number): boolean {
  return files.some(({ first, last }) => number >= first && number <= last);
}

/** @throws CliError where a number is beyond the torrent's files */
export function checkFileList(files: readonly FileRange[], fileCount: number): void {
  try {
    toFileIndexes(files, fileCount);
  } catch (error) {
    throw new CliError(exitCodes.usage, 'cli/usage', `--files: ${(error as Error).message}`);
  }
}

/** @throws CliError where there is something left to do */
function checkInterrupted(torrent: Torrent): void {
  const { doneBytes, wantedBytes, name } = torrent.state;
  // `stop` keeps the figures: what was complete before is complete.
  if (wantedBytes > 0 && doneBytes >= wantedBytes) return;
  const share = wantedBytes > 0 ? ` (${formatPercent(doneBytes, wantedBytes)})` : '';
  throw new CliError(
    exitCodes.interrupted,
    'client/aborted',
    `interrupted: ${printable(name)} is not complete${share}; the same command resumes it`,
  );
}

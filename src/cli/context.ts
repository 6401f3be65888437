import type { Command } from 'commander';
import { JsonEvents } from './json-events.ts';
import { createPainter, type Status, StatusView } from './render.ts';
import { type Interrupts, watchSignals } from './signals.ts';

/** Options that commands share; commander fills them in. */
export interface OutputOptions {
  readonly json?: boolean | undefined;
  readonly quiet?: boolean | undefined;
}

/**
 * One run of the command line: who is told what. Results go to stdout; everything else (progress, notes, warnings, errors) to stderr.
 * With `--json`, stdout carries events and nothing else.
 */
export class Cli {
  readonly stdout: NodeJS.WriteStream;
  readonly stderr: NodeJS.WriteStream;
  readonly paintOut: ReturnType<typeof createPainter>;
  readonly paintErr: ReturnType<typeof createPainter>;
  #events: JsonEvents | undefined;
  #quiet = false;
  #view: StatusView | undefined;
  #interrupts: Interrupts | undefined;
  readonly #readerGone = new AbortController();
  /** What is to be saved should a bug end the process; set by a command that has something to lose, while it runs. */
  lastWords: (() => Promise<void>) | undefined;

  constructor(stdout: NodeJS.WriteStream, stderr: NodeJS.WriteStream) {
    this.stdout = stdout;
    this.stderr = stderr;
    this.paintOut = createPainter(stdout);
    this.paintErr = createPainter(stderr);
    // `eider … | head`: nobody reads on, so what is going on may end; that is no error of ours.
    stdout.on('error', (error: NodeJS.ErrnoException) => {
      if (error.code === 'EPIPE') this.#readerGone.abort('nobody reads the output');
      else process.exitCode = 1;
    });
    stderr.on('error', () => {});
  }

  configure(options: OutputOptions): void {
    this.#quiet = options.quiet === true;
    if (options.json === true) this.#events = new JsonEvents((line) => this.print(line));
  }

  /** Present with `--json`. */
  get events(): JsonEvents | undefined {
    return this.#events;
  }

  /** Results for people or scripts; the only way to stdout. */
  print(text: string): void {
    if (!this.#readerGone.signal.aborted) this.stdout.write(text);
  }

  /** A line on stderr, not with `-q`. */
  note(text: string): void {
    if (!this.#quiet) this.#writeLine(text);
  }

  /** A line of a log on stderr, with its line end; with `-q` too: the log has its own level. */
  log(line: string): void {
    this.#writeLine(line.replace(/\n$/, ''));
  }

  /** Something the user should know that is no failure. */
  warn(text: string): void {
    this.#events?.emit('warning', { message: text });
    if (!this.#quiet) this.#writeLine(`${this.paintErr('yellow', 'warning:')} ${text}`);
  }

  /** The last line of a failed run; shown with `-q` too. */
  fail(code: string, message: string): void {
    this.endStatus('keep');
    this.#events?.emit('error', { code, message });
    this.stderr.write(`${this.paintErr('red', 'eider:')} ${message}\n`);
  }

  /** Progress for people; silent with `-q` and with `--json`, whose readers have events. */
  status(status: Status): void {
    if (this.#quiet || this.#events !== undefined) return;
    this.#view ??= new StatusView({ screen: this.stderr });
    this.#view.show(status);
  }

  endStatus(how: 'keep' | 'erase'): void {
    this.#view?.close(how);
    this.#view = undefined;
  }

  /**
   * Takes over Ctrl-C and its like for the rest of the run.
   *
   * @param onFirst what the first signal leads to, for the user: `stopping …`
   * @param onHangup what SIGHUP asks for, where it does not end the run
   * @returns fires at the first signal, and when nobody reads our output any more
   */
  watchInterrupts(onFirst: string, onHangup?: () => void): AbortSignal {
    this.#interrupts ??= watchSignals(() => {
      this.note(`${onFirst} (once more to stop at once)`);
    }, onHangup);
    return AbortSignal.any([this.#interrupts.signal, this.#readerGone.signal]);
  }

  #writeLine(text: string): void {
    if (this.#view !== undefined) this.#view.note(text);
    else this.stderr.write(`${text}\n`);
  }
}

/** `--json` and `-q`, last in a command's help. */
export function addOutputOptions(command: Command, json: string): Command {
  return command
    .optionsGroup('Output:')
    .option('--json', json)
    .option('-q, --quiet', 'no progress and no notes, only errors');
}

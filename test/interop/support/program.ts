import { type ChildProcess, spawn } from 'node:child_process';
import { inside, type NetworkSide } from './network.ts';

const outputCharsMax = 20_000;
const stopGraceMs = 4_000;

/** Children that run: a test process that is told to end takes them along. */
const running = new Set<ChildProcess>();
process.on('exit', () => {
  for (const child of running) child.kill('SIGKILL');
});

/** A child process, in a namespace where one is named, ended by its own id at the latest when it is disposed. */
export class Program implements AsyncDisposable {
  readonly name: string;
  readonly #child: ChildProcess;
  readonly #lines: ((line: string) => void)[] = [];
  readonly #ended: Promise<number>;
  #stopping = false;
  #output = '';
  #partial = '';

  /** @param stopBy what asks it to end in order; default: SIGTERM */
  constructor(
    side: NetworkSide | undefined,
    command: readonly string[],
    options: { readonly env?: NodeJS.ProcessEnv } = {},
  ) {
    const [file, ...args] = [...(side === undefined ? [] : inside(side)), ...command];
    this.name = command[0] ?? '';
    this.#child = spawn(file as string, args, {
      stdio: ['pipe', 'pipe', 'pipe'],
      env: { ...process.env, LANG: 'C.UTF-8', LC_ALL: 'C.UTF-8', ...options.env },
    });
    running.add(this.#child);
    this.#child.stdin?.on('error', () => {});
    this.#child.stdout?.setEncoding('utf8').on('data', (text: string) => this.#onText(text, true));
    this.#child.stderr?.setEncoding('utf8').on('data', (text: string) => this.#onText(text, false));
    this.#ended = new Promise((resolve) => {
      this.#child.on('error', (error) => {
        this.#onText(`${error.message}\n`, false);
        running.delete(this.#child);
        resolve(127);
      });
      this.#child.on('close', (code, signal) => {
        running.delete(this.#child);
        resolve(code ?? (signal === null ? 1 : 128));
      });
    });
  }

  get pid(): number | undefined {
    return this.#child.pid;
  }
  /** The last of what it wrote. */
  get output(): string {
    return this.#output;
  }
  get hasEnded(): boolean {
    return !running.has(this.#child);
  }
  /** Its exit code, 128 for a signal; resolves when its output has come in too. */
  get ended(): Promise<number> {
    return this.#ended;
  }

  onLine(listener: (line: string) => void): void {
    this.#lines.push(listener);
  }

  writeLine(line: string): void {
    this.#child.stdin?.write(`${line}\n`);
  }

  /** Rejects when it ends before anybody asked it to. */
  async untilItDies(): Promise<never> {
    const code = await this.#ended;
    if (this.#stopping) return new Promise<never>(() => {});
    throw new Error(`${this.name} ended with code ${code}`);
  }

  /** Asks it to end, by closing its stdin and by a signal, and then does not ask. */
  async stop(how: 'SIGTERM' | 'SIGINT' | 'end of input' = 'SIGTERM'): Promise<number> {
    this.#stopping = true;
    this.#child.stdin?.end();
    if (how !== 'end of input') this.#child.kill(how);
    const timer = setTimeout(() => this.#child.kill('SIGKILL'), stopGraceMs);
    const code = await this.#ended;
    clearTimeout(timer);
    return code;
  }

  async [Symbol.asyncDispose](): Promise<void> {
    if (!this.hasEnded) await this.stop();
  }

  #onText(text: string, isStdout: boolean): void {
    this.#output = (this.#output + text).slice(-outputCharsMax);
    if (!isStdout) return;
    const lines = (this.#partial + text).split('\n');
    this.#partial = lines.pop() ?? '';
    for (const line of lines) for (const listener of this.#lines) listener(line);
  }
}

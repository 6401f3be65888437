import { type ChildProcess, spawn } from 'node:child_process';
import { resolve } from 'node:path';
import { createInterface } from 'node:readline';

/** Path of the command `eider`, which Node runs. */
export const eiderCommand: string = resolve(import.meta.dirname, '../../../dist/lib/eider.js');

/** A child process that speaks JSON lines; ended by closing its standard input, or killed by its id when that does not help. */
export class JsonChild {
  readonly child: ChildProcess;
  readonly #lines: Record<string, unknown>[] = [];
  #wake: (() => void) | undefined;
  #exited = false;

  /**
   * @param script from this folder as built, or a whole path
   * @param options.program what runs it; this Node where absent
   */
  constructor(
    script: string,
    args: readonly string[],
    options: {
      readonly program?: string;
      readonly nodeArgs?: readonly string[];
      readonly env?: Readonly<Record<string, string>>;
    } = {},
  ) {
    const path = resolve(import.meta.dirname, script);
    this.child = spawn(options.program ?? process.execPath, [...(options.nodeArgs ?? []), path, ...args], {
      stdio: ['pipe', 'pipe', 'inherit'],
      env: { ...process.env, ...options.env },
    });
    createInterface({ input: this.child.stdout as NodeJS.ReadableStream }).on('line', (line) => {
      this.#lines.push(JSON.parse(line) as Record<string, unknown>);
      this.#wake?.();
    });
    this.child.on('close', () => {
      this.#exited = true;
      this.#wake?.();
    });
  }

  /** Waits for the next line. @returns undefined when the child has ended */
  async nextLine(): Promise<Record<string, unknown> | undefined> {
    for (;;) {
      const line = this.#lines.shift();
      if (line !== undefined || this.#exited) return line;
      await new Promise<void>((resolve) => {
        this.#wake = resolve;
      });
    }
  }

  /** Waits for the next line whose `event` is this one; others before it are dropped. */
  async next(event: string): Promise<Record<string, unknown>> {
    for (;;) {
      const line = await this.nextLine();
      if (line === undefined) throw new Error(`the child ended before it said ${event}`);
      if (line['event'] === event) return line;
    }
  }

  /** @param signal for programs that do not end with their standard input */
  async end(signal?: NodeJS.Signals): Promise<void> {
    this.child.stdin?.end();
    if (signal !== undefined && !this.#exited) this.child.kill(signal);
    const timer = setTimeout(() => this.child.kill('SIGKILL'), 10_000);
    if (!this.#exited) await new Promise((resolve) => this.child.once('close', resolve));
    clearTimeout(timer);
  }
}

export function median(values: readonly number[]): number {
  const sorted = [...values].sort((a, b) => a - b);
  const mid = sorted.length >> 1;
  return sorted.length % 2 === 1
    ? (sorted[mid] as number)
    : ((sorted[mid - 1] as number) + (sorted[mid] as number)) / 2;
}

/** `median (min - max)`. */
export function spread(values: readonly number[], digits = 2): string {
  return `${median(values).toFixed(digits)} (${Math.min(...values).toFixed(digits)} - ${Math.max(...values).toFixed(digits)})`;
}

import { fileURLToPath } from 'node:url';
import type { NetworkSide } from './network.ts';
import { Program } from './program.ts';

const driver = fileURLToPath(new URL('./driver.js', import.meta.url));

export interface Said {
  readonly event: string;
  readonly [field: string]: unknown;
}

/** Eider in a namespace: a tracker, and a session with one torrent. */
export class EiderSide implements AsyncDisposable {
  readonly program: Program;
  readonly #said: Said[] = [];
  readonly #waiting = new Set<() => void>();
  /** Rejects where Eider reports an error or dies. */
  readonly fails: Promise<never>;

  constructor(side: NetworkSide) {
    this.program = new Program(side, [process.execPath, '--enable-source-maps', driver]);
    let fail: (error: Error) => void = () => {};
    const failed = new Promise<never>((_, reject) => {
      fail = reject;
    });
    this.fails = Promise.race([failed, this.program.untilItDies()]);
    this.fails.catch(() => {});
    this.program.onLine((line) => {
      const said = JSON.parse(line) as Said;
      this.#said.push(said);
      if (said.event === 'error') fail(new Error(`Eider: ${String(said['message'])}`));
      for (const wake of [...this.#waiting]) wake();
    });
  }

  tell(command: Readonly<Record<string, unknown>>): void {
    this.program.writeLine(JSON.stringify(command));
  }

  /** The first event that fits, of those that came and those to come; rejects where Eider reports an error or dies. */
  async until(event: string, fits: (said: Said) => boolean = () => true): Promise<Said> {
    const find = () => this.#said.find((said) => said.event === event && fits(said));
    const found = new Promise<Said>((resolve) => {
      const look = () => {
        const said = find();
        if (said === undefined) return;
        this.#waiting.delete(look);
        resolve(said);
      };
      this.#waiting.add(look);
      look();
    });
    return Promise.race([found, this.fails]);
  }

  hasSaid(event: string, fits: (said: Said) => boolean): boolean {
    return this.#said.some((said) => said.event === event && fits(said));
  }

  /** State, peers, trackers and the end of the trace, as text. */
  async report(): Promise<string> {
    if (this.program.hasEnded) return this.program.output;
    this.tell({ do: 'look' });
    const { trace, ...rest } = await this.until('look');
    return `${JSON.stringify(rest)}\n${(trace as string[]).join('\n')}\n${this.events()}`;
  }

  events(): string {
    return this.#said
      .filter((said) => said.event !== 'look')
      .map((said) => JSON.stringify(said))
      .join('\n');
  }

  /** Ends it in order. @returns the exit code */
  async quit(): Promise<number> {
    this.tell({ do: 'quit' });
    return this.program.stop('end of input');
  }

  [Symbol.asyncDispose](): Promise<void> {
    return this.program[Symbol.asyncDispose]();
  }
}

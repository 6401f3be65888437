import type { NetworkSide } from './network.ts';
import { Program } from './program.ts';

export interface Said {
  readonly event: string;
  readonly [field: string]: unknown;
}

/** A program that writes its events to stdout, one JSON object a line. */
export class EventProgram implements AsyncDisposable {
  readonly program: Program;
  /** Rejects where it reports an error, or dies. */
  readonly fails: Promise<never>;
  readonly #said: Said[] = [];
  readonly #waiting = new Set<() => void>();

  constructor(side: NetworkSide, command: readonly string[], options: { readonly env?: NodeJS.ProcessEnv } = {}) {
    this.program = new Program(side, command, options);
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

  /** The first event that fits, of those that came and those to come; rejects where it fails. */
  async until(event: string, fits: (said: Said) => boolean = () => true): Promise<Said> {
    const found = new Promise<Said>((resolve) => {
      const look = () => {
        const said = this.#said.find((s) => s.event === event && fits(s));
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

  /** Everything it said, as text. */
  events(): string {
    return this.#said
      .filter((said) => said.event !== 'look')
      .map((said) => JSON.stringify(said))
      .join('\n');
  }

  [Symbol.asyncDispose](): Promise<void> {
    return this.program[Symbol.asyncDispose]();
  }
}

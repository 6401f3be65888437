import assert from 'node:assert/strict';
import type { ChildProcess } from 'node:child_process';
import type { TestContext } from 'node:test';
import { type CliEvent, type CliResult, type CliRunOptions, describeRun, runCli } from './run-cli.ts';

/** An `eider … --json` that runs while a test looks on: waits for its events, sends signals. Killed when the test ends. */
export class CliProcess {
  readonly args: readonly string[];
  /** All events so far. */
  readonly events: CliEvent[] = [];
  readonly ended: Promise<CliResult>;
  #child!: ChildProcess;
  #readBytes = 0;
  #stderr = '';
  readonly #waiting = new Set<() => void>();
  #result: CliResult | undefined;

  constructor(t: Pick<TestContext, 'after'>, args: readonly string[], options: CliRunOptions = {}) {
    this.args = [...args, '--json'];
    this.ended = runCli(this.args, {
      ...options,
      onSpawn: (child) => {
        this.#child = child;
      },
      onOutput: (_child, stdout) => this.#onOutput(stdout),
      onStderr: (_child, stderr) => {
        this.#stderr = stderr;
        this.#look();
      },
    }).then((result) => {
      this.#result = result;
      this.#look();
      return result;
    });
    t.after(async () => {
      this.#child.kill('SIGKILL');
      await this.ended;
    });
  }

  /** Resolves with the first event of this kind that is accepted, also one that came before; fails where the process ends without. */
  waitFor(event: string, accept: (event: CliEvent) => boolean = () => true): Promise<CliEvent> {
    return this.#until(event, () => this.events.find((e) => e.event === event && accept(e)));
  }

  /** Resolves when it has said something on stderr. */
  async waitForStderr(pattern: RegExp): Promise<void> {
    await this.#until(String(pattern), () => (pattern.test(this.#stderr) ? true : undefined));
  }

  #until<T>(what: string, find: () => T | undefined): Promise<T> {
    return new Promise((resolve, reject) => {
      const look = () => {
        const found = find();
        if (found === undefined && this.#result === undefined) return;
        this.#waiting.delete(look);
        if (found !== undefined) resolve(found);
        else reject(new Error(`no ${what} came: ${describeRun(this.args, this.#result as CliResult)}`));
      };
      this.#waiting.add(look);
      look();
    });
  }

  /** Where it listens, once it does. */
  async address(protocol = 'tcp'): Promise<string> {
    const { host, port } = await this.waitFor('listening', (e) => e['protocol'] === protocol);
    return `${host}:${port}`;
  }

  get pid(): number {
    return this.#child.pid as number;
  }

  kill(signal: NodeJS.Signals): void {
    this.#child.kill(signal);
  }

  /** Waits for its end. @returns the result, which must have this exit code */
  async end(code: number | null): Promise<CliResult> {
    const result = await this.ended;
    assert.equal(result.code, code, describeRun(this.args, result));
    return result;
  }

  #onOutput(stdout: string): void {
    const end = stdout.lastIndexOf('\n') + 1;
    // Every line must be an event: anything else on stdout fails the test here.
    for (const line of stdout.slice(this.#readBytes, end).split('\n')) {
      if (line !== '') this.events.push(JSON.parse(line) as CliEvent);
    }
    this.#readBytes = end;
    this.#look();
  }

  #look(): void {
    for (const look of [...this.#waiting]) look();
  }
}

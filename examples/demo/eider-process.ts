import { type ChildProcess, spawn } from 'node:child_process';
import { fileURLToPath } from 'node:url';

/** The built command; built examples lie in build/examples. */
export const eiderPath: string = fileURLToPath(new URL('../../../dist/lib/eider.js', import.meta.url));

/** Bytes of a process's stderr that are kept for a report of its failure. */
const stderrKept = 4_096;

export interface EiderEvent {
  readonly event: string;
  readonly [field: string]: unknown;
}

/** An `eider … --json` that runs as an operating-system process of its own. */
export class EiderProcess {
  /** As people shall read it: `seeder`, `downloader 2`. */
  readonly name: string;
  /** Settles when it has ended, however that came. */
  readonly ended: Promise<{ readonly code: number | null; readonly signal: NodeJS.Signals | null }>;
  /** The newest event of each kind. */
  readonly latest = new Map<string, EiderEvent>();
  #isEnded = false;
  readonly #child: ChildProcess;
  readonly #listeners = new Set<(event: EiderEvent | undefined) => void>();
  #stderr = '';
  #line = '';

  constructor(name: string, args: readonly string[]) {
    this.name = name;
    this.#child = spawn(process.execPath, [eiderPath, ...args, '--json'], { stdio: ['ignore', 'pipe', 'pipe'] });
    this.#child.stdout?.setEncoding('utf8').on('data', (text: string) => this.#onOutput(text));
    this.#child.stderr?.setEncoding('utf8').on('data', (text: string) => {
      this.#stderr = (this.#stderr + text).slice(-stderrKept);
    });
    this.ended = new Promise((resolve) => {
      const end = (code: number | null, signal: NodeJS.Signals | null) => {
        this.#isEnded = true;
        for (const listener of [...this.#listeners]) listener(undefined);
        resolve({ code, signal });
      };
      this.#child.on('error', (error) => {
        this.#stderr += error.message;
        end(null, null);
      });
      this.#child.on('close', end);
    });
  }

  get isEnded(): boolean {
    return this.#isEnded;
  }

  /** Last words on stderr, one line. */
  get lastWords(): string {
    return this.#stderr.trim().split('\n').at(-1) ?? '';
  }

  /**
   * Waits for an event; one that has come already counts.
   *
   * @throws Error where the process ends before
   */
  waitFor(kind: string, accept: (event: EiderEvent) => boolean = () => true): Promise<EiderEvent> {
    const known = this.latest.get(kind);
    if (known !== undefined && accept(known)) return Promise.resolve(known);
    return new Promise((resolve, reject) => {
      const listener = (event: EiderEvent | undefined) => {
        if (event !== undefined && (event.event !== kind || !accept(event))) return;
        this.#listeners.delete(listener);
        if (event === undefined) reject(new Error(`the ${this.name} has ended too early: ${this.lastWords}`));
        else resolve(event);
      };
      this.#listeners.add(listener);
      if (this.#isEnded) listener(undefined);
    });
  }

  /** Lets it end in order. @throws Error where it ends in another way, or not in time */
  async stop(graceMs: number): Promise<void> {
    await this.destroy(graceMs);
    const { code, signal } = await this.ended;
    if (code !== 0) throw new Error(`the ${this.name} ended with ${signal ?? `code ${code}`}: ${this.lastWords}`);
  }

  /** Ends it one way or another. */
  async destroy(graceMs: number): Promise<void> {
    if (this.#isEnded) return;
    this.#child.kill('SIGTERM');
    const timer = setTimeout(() => this.kill(), graceMs);
    await this.ended;
    clearTimeout(timer);
  }

  kill(): void {
    if (!this.#isEnded) this.#child.kill('SIGKILL');
  }

  #onOutput(text: string): void {
    const lines = (this.#line + text).split('\n');
    this.#line = lines.pop() ?? '';
    for (const line of lines) {
      const event = JSON.parse(line) as EiderEvent;
      this.latest.set(event.event === 'listening' ? `listening ${event['protocol']}` : event.event, event);
      for (const listener of [...this.#listeners]) listener(event);
    }
  }
}

/** A number out of an event, 0 where it is not there. */
export function numberIn(event: EiderEvent | undefined, field: string): number {
  const value = event?.[field];
  return typeof value === 'number' ? value : 0;
}

import { type ChildProcess, fork } from 'node:child_process';
import { fileURLToPath } from 'node:url';
import type { VictimCalls, VictimReply } from './victim-calls.ts';

/** The process that is attacked, seen from the test. */
export class VictimProcess {
  readonly #child: ChildProcess;
  readonly #waiting = new Map<number, { resolve: (value: unknown) => void; reject: (error: Error) => void }>();
  readonly #started: Promise<unknown>;
  #nextId = 1;
  #stderr = '';
  #death: string | undefined;

  constructor() {
    this.#child = fork(fileURLToPath(new URL('./victim.js', import.meta.url)), [], {
      execArgv: ['--expose-gc', '--enable-source-maps'],
      stdio: ['ignore', 'ignore', 'pipe', 'ipc'],
    });
    this.#started = this.#reply(0);
    this.#child.stderr?.on('data', (bytes: Buffer) => {
      this.#stderr = `${this.#stderr}${bytes.toString()}`.slice(-4_000);
    });
    this.#child.on('message', (reply: VictimReply) => this.#onReply(reply));
    this.#child.on('exit', (code, signal) => {
      this.#death = `the victim has died (${signal ?? code}): ${this.#stderr}`;
      for (const { reject } of this.#waiting.values()) reject(new Error(this.#death));
      this.#waiting.clear();
    });
  }

  /** @throws Error where the victim fails the call, or is dead: no attack may do that */
  async call<K extends keyof VictimCalls>(
    call: K,
    ...args: Parameters<VictimCalls[K]>
  ): Promise<ReturnType<VictimCalls[K]>> {
    await this.#started;
    if (this.#death !== undefined) throw new Error(this.#death);
    const id = this.#nextId++;
    const result = this.#reply(id);
    this.#child.send({ id, call, args });
    return (await result) as ReturnType<VictimCalls[K]>;
  }

  async end(): Promise<void> {
    if (this.#death !== undefined) return;
    const ended = new Promise((resolve) => this.#child.once('exit', resolve));
    this.#child.disconnect();
    const timer = setTimeout(() => this.#child.kill('SIGKILL'), 5_000);
    await ended;
    clearTimeout(timer);
  }

  #reply(id: number): Promise<unknown> {
    return new Promise((resolve, reject) => this.#waiting.set(id, { resolve, reject }));
  }

  #onReply(reply: VictimReply): void {
    const waiting = this.#waiting.get(reply.id);
    this.#waiting.delete(reply.id);
    if (reply.error === undefined) waiting?.resolve(reply.result);
    else waiting?.reject(new Error(reply.error));
  }
}

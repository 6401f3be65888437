import { spawn } from 'node:child_process';

export type ServiceState = 'ready' | 'reloading' | 'stopping';

/**
 * Tells systemd how a service is doing (sd_notify), where it runs under one that asks for it (`Type=notify`, `NotifyAccess=all`). Datagrams
 * to Unix sockets are nothing that Node can send, so systemd's own tool does it; where that is absent nothing is told.
 */
export class ServiceManager {
  readonly #isAsking: boolean = (process.env['NOTIFY_SOCKET'] ?? '') !== '';
  /** The order matters, and each message is a process of its own. */
  #last: Promise<void> = Promise.resolve();

  /** @param status a line for `systemctl status` */
  tell(state: ServiceState, status: string): void {
    if (!this.#isAsking) return;
    const words = { ready: ['READY=1'], stopping: ['STOPPING=1'], reloading: ['RELOADING=1', monotonic()] }[state];
    this.#last = this.#last.then(() => notify([...words, `STATUS=${status.replaceAll('\n', ' ')}`]));
  }

  /** Resolves when everything has been told. */
  async settle(): Promise<void> {
    await this.#last;
  }
}

function monotonic(): string {
  return `MONOTONIC_USEC=${process.hrtime.bigint() / 1_000n}`;
}

function notify(words: readonly string[]): Promise<void> {
  return new Promise((resolve) => {
    const child = spawn('systemd-notify', words, { stdio: 'ignore' });
    child.once('error', () => resolve());
    child.once('close', () => resolve());
  });
}

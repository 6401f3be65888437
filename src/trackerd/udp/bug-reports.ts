import type { Millis } from '../../base/index.ts';
import type { BugReport } from './worker-protocol.ts';

/** Told one by one in any such time. */
const WINDOW_MS = 1_000;

/** Lets one bug a second through and counts the others: a client that can provoke one must not be able to flood the log. */
export class BugReports {
  readonly #now: () => Millis;
  readonly #send: (report: BugReport) => void;
  #quietUntil = Number.NEGATIVE_INFINITY;
  #more = 0;

  constructor(options: { now: () => Millis; send: (report: BugReport) => void }) {
    this.#now = options.now;
    this.#send = options.send;
  }

  report(error: unknown): void {
    const now = this.#now();
    if (now < this.#quietUntil) {
      this.#more++;
      return;
    }
    this.#quietUntil = now + WINDOW_MS;
    const isError = error instanceof Error;
    this.#send({
      message: isError ? error.message : String(error),
      stack: isError ? error.stack : undefined,
      more: this.#more,
    });
    this.#more = 0;
  }
}

/** The error as the main thread tells it. */
export function toError(report: BugReport): Error {
  const error = new Error(report.more === 0 ? report.message : `${report.message} (and ${report.more} more before)`);
  if (report.stack !== undefined) error.stack = report.stack;
  return error;
}

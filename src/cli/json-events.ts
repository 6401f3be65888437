/**
 * `--json`: one compact JSON object a line on stdout, each beginning `{"v":1,"event":"…"`. `v` grows when a field changes its meaning;
 * new events and fields may come at any time.
 */
export type JsonEventName =
  | 'listening'
  | 'checking'
  | 'ready'
  | 'progress'
  | 'file'
  | 'warning'
  | 'done'
  | 'error'
  | (string & {});

/** `progress` comes twice a second at most. */
const progressEveryMs = 500;

export class JsonEvents {
  readonly #write: (line: string) => void;
  readonly #now: () => number;
  #lastProgressAt = Number.NEGATIVE_INFINITY;

  /** @param now milliseconds that never go backwards */
  constructor(write: (line: string) => void, now: () => number = () => performance.now()) {
    this.#write = write;
    this.#now = now;
  }

  emit(event: JsonEventName, fields: Readonly<Record<string, unknown>> = {}): void {
    this.#write(`${JSON.stringify({ v: 1, event, ...fields })}\n`);
  }

  /** Drops what comes too soon after the last. @param fields computed only where the event is written */
  progress(fields: () => Readonly<Record<string, unknown>>): void {
    const now = this.#now();
    if (now - this.#lastProgressAt < progressEveryMs) return;
    this.#lastProgressAt = now;
    this.emit('progress', fields());
  }
}

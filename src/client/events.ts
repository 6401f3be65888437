import { BtError } from '../base/index.ts';

/** The last parameter of everything that waits. */
export interface Abortable {
  readonly signal?: AbortSignal | undefined;
}

/** Items kept for a reader that does not keep up; older ones are dropped and counted. */
const queueMax = 1024;

/**
 * Hands events to any number of readers (`for await`). Nobody is waited for: a reader that is too slow loses the oldest events, and is told
 * how many by `lagged`.
 */
export class EventHub<E extends object> {
  readonly #readers = new Set<Reader<E>>();
  #closed = false;

  emit(event: E): void {
    for (const reader of this.#readers) reader.push(event);
  }

  /** Ends all readers, after what they have not read yet. */
  close(): void {
    this.#closed = true;
    for (const reader of this.#readers) reader.end();
    this.#readers.clear();
  }

  /**
   * Events from this moment on: nothing is missed between the call and the first `next`.
   * @throws (into the loop) the signal's reason
   */
  read(
    accept: (event: E) => boolean,
    signal?: AbortSignal,
  ): AsyncGenerator<E & { readonly lagged?: number }, void, undefined> {
    const reader = new Reader<E>(accept);
    if (this.#closed) reader.end();
    else this.#readers.add(reader);
    return this.#readAll(reader, signal);
  }

  async *#readAll(
    reader: Reader<E>,
    signal: AbortSignal | undefined,
  ): AsyncGenerator<E & { readonly lagged?: number }, void, undefined> {
    const onAbort = () => reader.end();
    try {
      signal?.throwIfAborted();
      signal?.addEventListener('abort', onAbort, { once: true });
      for (;;) {
        const next = reader.take() ?? (await reader.wait());
        if (next === undefined) break;
        yield next;
      }
      signal?.throwIfAborted();
    } finally {
      signal?.removeEventListener('abort', onAbort);
      this.#readers.delete(reader);
    }
  }
}

class Reader<E extends object> {
  readonly #accept: (event: E) => boolean;
  readonly #queue: E[] = [];
  #lagged = 0;
  #ended = false;
  #wake: (() => void) | undefined;

  constructor(accept: (event: E) => boolean) {
    this.#accept = accept;
  }

  push(event: E): void {
    if (this.#ended || !this.#accept(event)) return;
    if (this.#queue.length >= queueMax) {
      this.#queue.shift();
      this.#lagged++;
    }
    this.#queue.push(event);
    this.#wake?.();
  }

  end(): void {
    this.#ended = true;
    this.#wake?.();
  }

  take(): (E & { readonly lagged?: number }) | undefined {
    const event = this.#queue.shift();
    if (event === undefined || this.#lagged === 0) return event;
    const lagged = this.#lagged;
    this.#lagged = 0;
    return { ...event, lagged };
  }

  async wait(): Promise<(E & { readonly lagged?: number }) | undefined> {
    while (this.#queue.length === 0 && !this.#ended) {
      await new Promise<void>((resolve) => {
        this.#wake = resolve;
      });
      this.#wake = undefined;
    }
    return this.take();
  }
}

/** Waits for `promise`, or until `signal` fires: then rejects with `client/aborted` and the signal's reason as its cause. */
export async function untilAborted<T>(promise: Promise<T>, what: string, signal: AbortSignal | undefined): Promise<T> {
  if (signal === undefined) return promise;
  if (signal.aborted) throw new BtError('client/aborted', { what }, { cause: signal.reason });
  let onAbort: (() => void) | undefined;
  const aborted = new Promise<never>((_, reject) => {
    onAbort = () => reject(new BtError('client/aborted', { what }, { cause: signal.reason }));
    signal.addEventListener('abort', onAbort, { once: true });
  });
  try {
    return await Promise.race([promise, aborted]);
  } finally {
    if (onAbort !== undefined) signal.removeEventListener('abort', onAbort);
  }
}

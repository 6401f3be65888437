import { assert } from '../../base/index.ts';
import { DiskClient, type FolderOf } from './disk-client.ts';
import { DiskHost, type DiskHostOptions } from './disk-host.ts';
import type { DiskReply, DiskRequest } from './protocol.ts';

/** Other things get their turn after so much work on end. */
const SLICE_MS = 5;

/**
 * The disk's work on the main thread: no second thread, no hop, but a slow disk stops everything else meanwhile. For tests, small
 * devices, and where it measures better.
 */
export class InlineDisk extends DiskClient {
  readonly #host: DiskHost;
  #queue: DiskRequest[] = [];
  #replies: DiskReply[] = [];
  #immediate: NodeJS.Immediate | undefined;
  readonly #steps: (() => void)[] = [];
  #isClosed = false;

  constructor(options: Omit<DiskHostOptions, 'reply' | 'later'> & { readonly folderOf: FolderOf }) {
    super(options.folderOf);
    this.#host = new DiskHost({
      ...options,
      reply: (reply) => this.#replies.push(reply),
      later: (step) => {
        this.#steps.push(step);
        this.#schedule();
      },
    });
  }

  protected override post(request: DiskRequest): void {
    assert(!this.#isClosed, 'no requests after close');
    this.#queue.push(request);
    this.#schedule();
  }

  override get bufferBytes(): number {
    return this.#host.bufferBytes;
  }

  override close(): Promise<void> {
    if (this.#isClosed) return Promise.resolve();
    this.#isClosed = true;
    this.stopDelivery();
    if (this.#immediate !== undefined) clearImmediate(this.#immediate);
    for (const request of this.#queue) this.#host.handle(request);
    this.#queue = [];
    this.#replies = [];
    this.#host.close();
    return Promise.resolve();
  }

  #schedule(): void {
    if (this.#isClosed) return;
    this.#immediate ??= setImmediate(() => this.#work());
  }

  #work(): void {
    this.#immediate = undefined;
    const until = performance.now() + SLICE_MS;
    do {
      const request = this.#queue.shift();
      if (request !== undefined) this.#host.handle(request);
      else this.#steps.shift()?.();
      this.#deliver();
    } while (performance.now() < until && !this.#isClosed && this.#queue.length + this.#steps.length > 0);
    if (this.#queue.length + this.#steps.length > 0) this.#schedule();
  }

  #deliver(): void {
    const replies = this.#replies;
    this.#replies = [];
    for (const reply of replies) this.deliver(reply);
  }
}

import { Worker } from 'node:worker_threads';
import { assert } from '../../base/index.ts';
import { DiskClient, type FolderOf } from './disk-client.ts';
import type { DiskWorkerData } from './disk-worker.ts';
import type { DiskLimits } from './limits.ts';
import { type DiskReply, type DiskRequest, transfersOf } from './protocol.ts';

export interface DiskPoolOptions {
  readonly folderOf: FolderOf;
  readonly limits?: Partial<DiskLimits> | undefined;
  /** Where resume records are kept; undefined = nowhere. */
  readonly stateDir?: string | undefined;
}

/**
 * The disk's work on a thread of its own, which starts with the first request. Payload buffers are transferred both ways: sharing
 * them instead costs more on Node 20, where copying into shared memory is slow.
 */
export class DiskPool extends DiskClient {
  readonly #options: DiskPoolOptions;
  #worker: Worker | undefined;
  #closing: Promise<void> | undefined;

  constructor(options: DiskPoolOptions) {
    super(options.folderOf);
    this.#options = options;
  }

  protected override post(request: DiskRequest): void {
    assert(this.#closing === undefined, 'no requests after close');
    this.#worker ??= this.#start();
    this.#worker.postMessage(request, transfersOf(request));
  }

  override close(): Promise<void> {
    this.#closing ??= this.#close();
    return this.#closing;
  }

  async #close(): Promise<void> {
    this.stopDelivery();
    const worker = this.#worker;
    if (worker === undefined) return;
    const exited = new Promise<void>((resolve) => {
      worker.once('exit', () => resolve());
    });
    worker.postMessage('end');
    await exited;
  }

  #start(): Worker {
    const { limits = {}, stateDir } = this.#options;
    const workerData: DiskWorkerData = { limits, stateDir };
    // On Node 20 a worker cannot be started from .ts: this runs from the build.
    const worker = new Worker(new URL('./disk-worker.js', import.meta.url), { workerData, name: 'eider-disk' });
    worker.on('message', (reply: DiskReply) => this.deliver(reply));
    // The host answers what goes wrong with the disk; what arrives here is our own bug, with buffers lost in it.
    worker.on('error', (error) => {
      throw error;
    });
    return worker;
  }
}

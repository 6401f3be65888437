import { Worker } from 'node:worker_threads';
import { assert, type TorrentId } from '../../base/index.ts';
import { DiskClient, type FolderOf } from './disk-client.ts';
import type { DiskWorkerData } from './disk-worker.ts';
import { type DiskLimits, diskLimits } from './limits.ts';
import { type DiskReply, type DiskRequest, toFilesNow, transfersOf, withoutLargeViews } from './protocol.ts';
import { QuickReader } from './quick-reader.ts';
import { systemCalls } from './system-calls.ts';

export interface DiskPoolOptions {
  readonly folderOf: FolderOf;
  readonly limits?: Partial<DiskLimits> | undefined;
  /** Where resume records are kept; undefined = nowhere. */
  readonly stateDir?: string | undefined;
  /** Reads what is in the page cache on the main thread (see QuickReader). Default true. */
  readonly quickReads?: boolean | undefined;
}

type OpenRequest = DiskRequest & { verb: 'open' };
type RunRequest = DiskRequest & { verb: 'run' };

/**
 * The disk's work on a thread of its own, which starts with the first request. Payload buffers are transferred both ways: sharing
 * them instead costs more on Node 20, where copying into shared memory is slow.
 */
export class DiskPool extends DiskClient {
  readonly #options: DiskPoolOptions;
  readonly #quick: QuickReader | undefined;
  /** Stores that the worker is opening. */
  readonly #opening = new Map<TorrentId, OpenRequest>();
  #quickRuns: RunRequest[] = [];
  #immediate: NodeJS.Immediate | undefined;
  #worker: Worker | undefined;
  /** Of the worker's buffer for segments that it reads back. */
  #segmentBytes = 0;
  /** Of the threads that hash for it. */
  #threadBytes = 0;
  #closing: Promise<void> | undefined;

  constructor(options: DiskPoolOptions) {
    super(options.folderOf);
    this.#options = options;
    const limits = { ...diskLimits, ...options.limits };
    if (options.quickReads !== false) this.#quick = new QuickReader({ limits, calls: systemCalls });
  }

  protected override post(request: DiskRequest): void {
    assert(this.#closing === undefined, 'no requests after close');
    if (this.#quick !== undefined) {
      if (request.verb === 'run' && this.#quick.isOn(request.torrent)) {
        this.#quickRuns.push(request);
        // Not here and now: answers come on a later turn, and then the bytes are fresh in the cache when they are sent.
        this.#immediate ??= setImmediate(() => this.#readQuickly());
        return;
      }
      if (request.verb === 'commit') this.#quick.onWrite(request.job.torrent, request.job.piece);
      else if (request.verb === 'segment') this.#quick.onWrite(request.torrent, request.piece);
      if (request.verb === 'open') this.#opening.set(request.torrent, request);
      else if (request.verb === 'close') this.#forget(request.torrent);
    }
    this.#send(request);
  }

  /** The worker's; known here by what it was asked to do (`DiskHost`). */
  override get bufferBytes(): number {
    if (this.#worker === undefined || this.#closing !== undefined) return 0;
    const { recheckBufferBytes } = { ...diskLimits, ...this.#options.limits };
    return recheckBufferBytes + this.#segmentBytes + this.#threadBytes;
  }

  override close(): Promise<void> {
    this.#closing ??= this.#close();
    return this.#closing;
  }

  async #close(): Promise<void> {
    this.stopDelivery();
    if (this.#immediate !== undefined) clearImmediate(this.#immediate);
    this.#quick?.close();
    const worker = this.#worker;
    if (worker === undefined) return;
    const exited = new Promise<void>((resolve) => {
      worker.once('exit', () => resolve());
    });
    worker.postMessage('end');
    await exited;
  }

  #send(request: DiskRequest): void {
    if (request.verb === 'commit' && request.job.segments.includes(undefined)) {
      this.#segmentBytes = Math.max(this.#segmentBytes, request.job.segmentBytes);
    }
    this.#worker ??= this.#start();
    this.#worker.postMessage(withoutLargeViews(request), transfersOf(request));
  }

  #start(): Worker {
    const { limits = {}, stateDir } = this.#options;
    const workerData: DiskWorkerData = { limits, stateDir };
    // It makes few objects: a small nursery saves 12 MiB of memory at full speed and costs no time.
    const resourceLimits = { maxYoungGenerationSizeMb: 3 };
    // On Node 20 a worker cannot be started from .ts: this runs from the build.
    const file = new URL('./disk-worker.js', import.meta.url);
    const worker = new Worker(file, { workerData, name: 'eider-disk', resourceLimits });
    worker.on('message', (reply: DiskReply) => this.#onReply(reply));
    // The host answers what goes wrong with the disk; what arrives here is our own bug, with buffers lost in it.
    worker.on('error', (error) => {
      throw error;
    });
    return worker;
  }

  #onReply(reply: DiskReply): void {
    if (reply.verb === 'recheck') this.#threadBytes = reply.threadBytes;
    if (this.#quick !== undefined) this.#teach(this.#quick, reply);
    this.deliver(reply);
  }

  #teach(quick: QuickReader, reply: DiskReply): void {
    switch (reply.verb) {
      case 'run':
        if (reply.error === undefined) quick.onWorkerRead(reply.torrent, reply.tookMs);
        return;
      case 'open': {
        const { torrent, result } = reply;
        const opened = this.#opening.get(torrent);
        this.#opening.delete(torrent);
        if (opened === undefined || !reply.isLocal || result.kind !== 'ok') return;
        quick.add(torrent, { ...opened, folder: result.movedTo ?? opened.folder }, toFilesNow(result.files));
        return;
      }
      case 'commit':
      case 'segment':
        quick.onWritten(reply.torrent, reply.piece);
        break;
      case 'move':
        if (reply.error !== undefined || reply.files === undefined) break;
        quick.move(reply.torrent, reply.folder, reply.files);
        return;
      case 'save':
      case 'recheck':
        break;
      default:
        return;
    }
    if (reply.files !== undefined) quick.learn(reply.torrent, reply.files);
  }

  #readQuickly(): void {
    this.#immediate = undefined;
    const runs = this.#quickRuns;
    this.#quickRuns = [];
    for (const request of runs) {
      if (this.#closing !== undefined) return;
      if (this.#quick?.read(request) !== true) this.#send(request);
      else {
        const { torrent, run, into } = request;
        this.deliver({ verb: 'run', torrent, run, into, error: undefined, tookMs: 0 });
      }
    }
  }

  /** A store closes: reads that wait go to the worker, which answers them before it closes its own. */
  #forget(torrent: TorrentId): void {
    const runs = this.#quickRuns;
    this.#quickRuns = runs.filter((request) => request.torrent !== torrent);
    for (const request of runs) if (request.torrent === torrent) this.#send(request);
    this.#opening.delete(torrent);
    this.#quick?.remove(torrent);
  }
}

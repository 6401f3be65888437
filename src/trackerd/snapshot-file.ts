import { open } from 'node:fs/promises';
import { BtError, type Millis } from '../base/index.ts';
import { toDiskError } from '../hash/index.ts';
import { writeInSteps } from '../node/index.ts';
import { type DenseStore, type SnapshotLoad, SnapshotReader, SnapshotWriter } from '../tracker/index.ts';

export interface SnapshotFileOptions {
  readonly path: string;
  readonly everyMs: number;
  readonly store: DenseStore;
  readonly now: () => Millis;
  /** Unix time, ms. */
  readonly wallNow: () => number;
  /** After every save: why it failed, where it did. The next is tried at its time. */
  readonly onDone: (error: unknown) => void;
}

export interface SnapshotSaved {
  readonly path: string;
  readonly bytes: number;
  readonly elapsedMs: number;
}

const READ_BYTES = 65_536;

/**
 * The swarms in a file: read at start, written at intervals and at the end, the generation before kept as `.bak`. Both go by steps of a
 * few milliseconds, between which the thread serves.
 */
export class SnapshotFile {
  readonly #o: SnapshotFileOptions;
  #timer: NodeJS.Timeout | undefined;
  #saving: Promise<SnapshotSaved> | undefined;

  constructor(options: SnapshotFileOptions) {
    this.#o = options;
  }

  /**
   * Merges what is in the file into the store; where it cannot be used at all, the generation before.
   *
   * @returns undefined where there is neither
   * @throws BtError `swarm/state-newer`, `swarm/state-damaged`, `disk/...`, `client/aborted`
   */
  async load(options: { signal?: AbortSignal | undefined } = {}): Promise<SnapshotLoad | undefined> {
    const { path } = this.#o;
    const { signal } = options;
    const before = () => this.#read(`${path}.bak`, signal);
    try {
      const loaded = await this.#read(path, signal);
      const isUseful = loaded !== undefined && (loaded.damage === undefined || loaded.swarmCount > 0);
      return isUseful ? loaded : ((await before()) ?? loaded);
    } catch (error) {
      if (!BtError.is(error, 'swarm/state-damaged')) throw error;
      const loaded = await before();
      if (loaded === undefined) throw error;
      return loaded;
    }
  }

  /** Begins to save at intervals. */
  start(): void {
    this.#timer = setInterval(() => void this.save().catch(() => {}), this.#o.everyMs);
    this.#timer.unref();
  }

  /** Writes it now, or waits for the writing that is under way. @throws BtError `disk/...`; the old file is whole then */
  save(): Promise<SnapshotSaved> {
    this.#saving ??= this.#save();
    return this.#saving;
  }

  /** No more saving at intervals. */
  async stop(): Promise<void> {
    clearInterval(this.#timer);
    await this.#saving?.catch(() => {});
  }

  async #read(path: string, signal: AbortSignal | undefined): Promise<SnapshotLoad | undefined> {
    const { store, now, wallNow } = this.#o;
    const file = await open(path, 'r').catch((error: NodeJS.ErrnoException) => {
      if (error.code === 'ENOENT') return undefined;
      throw toDiskError(error, path);
    });
    if (file === undefined) return undefined;
    try {
      const reader = new SnapshotReader({ store, now: now(), unixMs: wallNow() });
      const buffer = new Uint8Array(READ_BYTES);
      for (;;) {
        // A large store takes many seconds: nobody who stops the tracker waits for it.
        if (signal?.aborted === true) throw new BtError('client/aborted', { what: `reading ${path}` });
        const { bytesRead } = await file.read(buffer, 0, READ_BYTES);
        if (bytesRead === 0) return reader.finish();
        reader.push(buffer.subarray(0, bytesRead));
      }
    } catch (error) {
      throw BtError.is(error) ? error : toDiskError(error, path);
    } finally {
      await file.close();
    }
  }

  async #save(): Promise<SnapshotSaved> {
    const { path, now } = this.#o;
    const startedAt = now();
    try {
      const bytes = await writeInSteps(path, this.#parts(), 0o600);
      this.#o.onDone(undefined);
      return { path, bytes, elapsedMs: now() - startedAt };
    } catch (error) {
      this.#o.onDone(error);
      throw error;
    } finally {
      this.#saving = undefined;
    }
  }

  *#parts(): Generator<Uint8Array> {
    const { store, now, wallNow } = this.#o;
    const writer = new SnapshotWriter({ store, now: now(), unixMs: wallNow() });
    for (let part = writer.next(); part !== undefined; part = writer.next()) yield part;
  }
}

import { toDiskError } from '../../hash/index.ts';
import { systemCode } from '../net-error.ts';
import type { OpenMode, SafeFolder } from './safe-folder.ts';
import type { SystemCalls } from './system-calls.ts';

/** One file that may be open. */
export class StoreFile {
  readonly folder: SafeFolder;
  readonly parts: readonly string[];
  readonly isExecutable: boolean;
  /** -1 while closed. */
  fd = -1;
  isWritable = false;

  constructor(folder: SafeFolder, parts: readonly string[], isExecutable = false) {
    this.folder = folder;
    this.parts = parts;
    this.isExecutable = isExecutable;
  }

  get path(): string {
    return this.folder.pathOf(this.parts);
  }
}

/** Descriptors of all stores of a disk: opened when needed, the least recently used closed when there are too many. */
export class OpenFiles {
  readonly #calls: SystemCalls;
  readonly #max: number;
  readonly #reclaim: () => boolean;
  /** In order of use, the latest last. */
  readonly #files = new Set<StoreFile>();
  #latest: StoreFile | undefined;

  /** @param options `reclaim`: gives back descriptors that others hold and can do without; says whether there was one */
  constructor(options: { max: number; calls: SystemCalls; reclaim?: () => boolean }) {
    this.#reclaim = options.reclaim ?? (() => false);
    this.#max = Math.max(1, options.max);
    this.#calls = options.calls;
  }

  get count(): number {
    return this.#files.size;
  }

  /**
   * A descriptor of `file`, to be used before the next call.
   *
   * @throws BtError as SafeFolder.openFile; `disk/io` where the process has no descriptors left although none of ours is open
   */
  use(file: StoreFile, mode: OpenMode): number {
    if (file.fd >= 0 && (mode === 'read' || file.isWritable)) {
      if (this.#latest !== file) {
        this.#files.delete(file);
        this.#files.add(file);
        this.#latest = file;
      }
      return file.fd;
    }
    this.close(file);
    while (this.#files.size >= this.#max) this.#closeOldest();
    file.fd = this.#open(file, mode);
    file.isWritable = mode !== 'read';
    this.#files.add(file);
    this.#latest = file;
    return file.fd;
  }

  close(file: StoreFile): void {
    if (file.fd < 0) return;
    const fd = file.fd;
    file.fd = -1;
    this.#files.delete(file);
    if (this.#latest === file) this.#latest = undefined;
    try {
      this.#calls.closeSync(fd);
    } catch {
      // Network file systems tell late write errors here; what they concern was never synced, and stop() syncs.
    }
  }

  #open(file: StoreFile, mode: OpenMode): number {
    for (;;) {
      try {
        return file.folder.openFile(file.parts, mode, file.isExecutable);
      } catch (error) {
        const code = systemCode(error);
        if (code !== 'EMFILE' && code !== 'ENFILE') throw error;
        // Sockets have taken the descriptors: live with fewer files.
        if (this.#files.size === 0 && !this.#reclaim()) throw toDiskError(error, file.path);
        for (let n = Math.ceil(this.#files.size / 2); n > 0; n--) this.#closeOldest();
      }
    }
  }

  #closeOldest(): void {
    for (const file of this.#files) {
      this.close(file);
      return;
    }
  }
}

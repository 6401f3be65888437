import * as fs from 'node:fs';
import { uptime } from 'node:os';
import type { SystemCalls } from '#room/node/disk/system-calls';

/** Thrown by every call from the crash on: the process is dead, and nothing it does reaches the disk. */
export class Crash extends Error {
  override readonly name = 'Crash';
}

/** How a process ends in the middle of its work. */
export interface CrashPlan {
  /** Calls that still have their effect; the one after them is the last, and has none or half of it. */
  readonly after: number;
  /** The last call, where it writes, writes half of what it was given. */
  readonly isTorn?: boolean;
  /** Folders `from` and `to` are on two file systems: names cannot be moved between them. */
  readonly isAcross?: boolean;
}

interface Unsynced {
  readonly at: number;
  readonly length: number;
}

/**
 * node:fs that stops dead after so many calls, as `kill -9` does, and remembers what a power cut would take besides. Descriptors that are
 * open then are closed, as the system does.
 */
export class CrashCalls {
  readonly calls: SystemCalls;
  /** Calls made so far. */
  count = 0;
  isDead = false;
  readonly #plan: CrashPlan;
  readonly #paths = new Map<number, string>();
  /** By path: what has been written and not been forced to the medium. */
  readonly #unsynced = new Map<string, Unsynced[]>();

  constructor(plan: CrashPlan = { after: Number.POSITIVE_INFINITY }) {
    this.#plan = plan;
    const call = <A extends unknown[], R>(effect: (...args: A) => R, half?: (...args: A) => void) => {
      return (...args: A): R => {
        if (this.isDead) throw new Crash();
        if (this.count >= plan.after) {
          this.#die(() => half?.(...args));
        }
        this.count++;
        return effect(...args);
      };
    };
    this.calls = {
      ...fs,
      uptime,
      accessSync: call((path: string, mode: number) => fs.accessSync(path, mode)),
      futimesSync: call(fs.futimesSync as (...args: unknown[]) => undefined),
      rmdirSync: call((path: string) => fs.rmdirSync(path)),
      openSync: call((path: string, flags: fs.OpenMode, mode?: fs.Mode) => {
        const fd = fs.openSync(path, flags, mode);
        this.#paths.set(fd, path);
        return fd;
      }),
      closeSync: (fd: number) => {
        // The dead close nothing: it has been done for them.
        if (this.isDead) return;
        this.count++;
        this.#paths.delete(fd);
        fs.closeSync(fd);
      },
      readSync: call(fs.readSync as (...args: unknown[]) => number),
      readvSync: call(fs.readvSync as (...args: unknown[]) => number),
      writeSync: call(
        (fd: number, bytes: Uint8Array, at: number, length: number, position: number | null) => {
          const begin = position ?? fs.fstatSync(fd).size;
          const done = fs.writeSync(fd, bytes, at, length, position);
          this.#note(fd, { at: begin, length: done });
          return done;
        },
        (fd, bytes, at, length, position) => {
          fs.writeSync(fd, bytes, at, Math.floor(length / 2), position);
        },
      ),
      fstatSync: call(fs.fstatSync as (...args: unknown[]) => fs.Stats),
      lstatSync: call(fs.lstatSync as (...args: unknown[]) => fs.Stats),
      statSync: call(fs.statSync as (...args: unknown[]) => fs.Stats),
      mkdirSync: call(fs.mkdirSync as (...args: unknown[]) => undefined),
      ftruncateSync: call((fd: number, length: number) => fs.ftruncateSync(fd, length)),
      fsyncSync: call((fd: number) => {
        fs.fsyncSync(fd);
        this.#unsynced.delete(this.#paths.get(fd) ?? '');
      }),
      renameSync: call((from: string, to: string) => {
        if (plan.isAcross === true && from.includes('/from/') && to.includes('/to/')) {
          throw Object.assign(new Error('EXDEV: made up for a test'), { code: 'EXDEV', syscall: 'rename' });
        }
        fs.renameSync(from, to);
        const writes = this.#unsynced.get(from);
        this.#unsynced.delete(from);
        if (writes === undefined) this.#unsynced.delete(to);
        else this.#unsynced.set(to, writes);
      }),
      unlinkSync: call((path: string) => fs.unlinkSync(path)),
      symlinkSync: call((target: string, path: string) => fs.symlinkSync(target, path)),
    } as unknown as SystemCalls;
  }

  /** The end of a run that did not crash. */
  end(): void {
    if (!this.isDead) this.#closeAll();
  }

  /** The machine goes down after the crash: what was not forced to the medium reads as zeros, where the file was lucky to keep its length. */
  losePower(): void {
    for (const [path, writes] of this.#unsynced) {
      if (!fs.existsSync(path)) continue;
      const fd = fs.openSync(path, 'r+');
      for (const { at, length } of writes) fs.writeSync(fd, new Uint8Array(length), 0, length, at);
      fs.closeSync(fd);
    }
  }

  #note(fd: number, write: Unsynced): void {
    const path = this.#paths.get(fd) ?? '';
    const writes = this.#unsynced.get(path) ?? [];
    writes.push(write);
    this.#unsynced.set(path, writes);
  }

  #die(half: () => void): never {
    if (this.#plan.isTorn === true) half();
    this.isDead = true;
    this.#closeAll();
    throw new Crash();
  }

  #closeAll(): void {
    for (const fd of this.#paths.keys()) fs.closeSync(fd);
    this.#paths.clear();
  }
}

import * as fs from 'node:fs';
import { uptime } from 'node:os';
import type { SystemCalls } from '#room/node/disk/system-calls';

/** A disk with something wrong, as seen through the system calls. */
export interface Faults {
  /** Bytes that may still be written before there is no space. */
  spaceBytes: number;
  /** Reading and writing a file whose path contains this fails. */
  brokenPath: string | undefined;
  /** Files open at once before there are no descriptors. */
  descriptorsMax: number;
  /** Errors of opening for writing. */
  isReadOnly: boolean;
  /** Writes and reads do at most so many bytes at a time, as the system may. */
  bytesPerCall: number;
  /** Names cannot be moved from a folder `from` to a folder `to`. */
  isAcross: boolean;
  openCount: number;
}

export function noFaults(): Faults {
  const unlimited = Number.POSITIVE_INFINITY;
  return {
    spaceBytes: unlimited,
    brokenPath: undefined,
    descriptorsMax: unlimited,
    isReadOnly: false,
    bytesPerCall: unlimited,
    isAcross: false,
    openCount: 0,
  };
}

function systemError(code: string, syscall: string): Error {
  return Object.assign(new Error(`${code}: made up for a test`), { code, syscall, errno: -1 });
}

/** node:fs with the faults put in; they may change at any time. */
export function faultyCalls(faults: Faults): SystemCalls {
  const paths = new Map<number, string>();
  const failIfBroken = (fd: number, syscall: string): void => {
    if (faults.brokenPath !== undefined && paths.get(fd)?.includes(faults.brokenPath) === true) {
      throw systemError('EIO', syscall);
    }
  };
  return {
    ...fs,
    uptime,
    accessSync: (path: string, mode: number) => {
      fs.accessSync(path, mode);
      if (faults.isReadOnly && (mode & fs.constants.W_OK) !== 0) throw systemError('EROFS', 'access');
    },
    openSync: (path: string, flags: fs.OpenMode, mode?: fs.Mode) => {
      if (faults.openCount >= faults.descriptorsMax) throw systemError('EMFILE', 'open');
      const isWriting =
        typeof flags === 'number' ? (flags & (fs.constants.O_RDWR | fs.constants.O_WRONLY)) !== 0 : flags !== 'r';
      if (faults.isReadOnly && isWriting) throw systemError('EROFS', 'open');
      const fd = fs.openSync(path, flags, mode);
      faults.openCount++;
      paths.set(fd, path);
      return fd;
    },
    renameSync: (from: string, to: string) => {
      if (faults.isAcross && from.includes('/from/') && to.includes('/to/')) throw systemError('EXDEV', 'rename');
      fs.renameSync(from, to);
    },
    closeSync: (fd: number) => {
      faults.openCount--;
      fs.closeSync(fd);
    },
    mkdirSync: (path: string, options?: fs.MakeDirectoryOptions) => {
      if (faults.isReadOnly && !fs.existsSync(path)) throw systemError('EROFS', 'mkdir');
      return fs.mkdirSync(path, options);
    },
    readSync: (fd: number, into: Uint8Array, at: number, length: number, position: number) => {
      failIfBroken(fd, 'read');
      return fs.readSync(fd, into, at, Math.min(length, faults.bytesPerCall), position);
    },
    readvSync: (fd: number, views: Uint8Array[], position: number) => {
      failIfBroken(fd, 'read');
      if (faults.bytesPerCall === Number.POSITIVE_INFINITY) return fs.readvSync(fd, views, position);
      const first = views[0] as Uint8Array;
      return fs.readSync(fd, first, 0, Math.min(first.length, faults.bytesPerCall), position);
    },
    writeSync: (fd: number, bytes: Uint8Array, at: number, length: number, position: number) => {
      failIfBroken(fd, 'write');
      const count = Math.min(length, faults.bytesPerCall, faults.spaceBytes);
      if (count <= 0) throw systemError('ENOSPC', 'write');
      faults.spaceBytes -= count;
      return fs.writeSync(fd, bytes, at, count, position);
    },
  } as unknown as SystemCalls;
}

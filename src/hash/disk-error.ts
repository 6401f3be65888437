import { BtError } from '../base/index.ts';

/** What the system's refusal means, in our codes. Errors that are ours already pass; so do our own bugs. */
export function toDiskError(error: unknown, path: string): BtError {
  if (BtError.is(error)) return error;
  // Only what the system said is the disk's failure: a TypeError is a bug of ours and must not look like one.
  if (!isSystemError(error)) throw error;
  const { code = 'unknown' } = error;
  const options = { cause: error };
  switch (code) {
    case 'ENOSPC':
    case 'EDQUOT':
      return new BtError('disk/no-space', { path }, options);
    case 'ENOENT':
      return new BtError('disk/not-found', { path }, options);
    case 'EACCES':
    case 'EPERM':
      return new BtError('disk/access', { path, what: 'permission denied' }, options);
    case 'EROFS':
      return new BtError('disk/access', { path, what: 'the file system is read-only' }, options);
    case 'ELOOP':
      return new BtError('disk/unsafe-path', { path, what: 'it is a symbolic link' }, options);
    case 'ENXIO':
    case 'EISDIR':
      return new BtError('disk/unsafe-path', { path, what: 'it is not a regular file' }, options);
    case 'EEXIST':
    case 'ENOTDIR':
      return new BtError('disk/unsafe-path', { path, what: 'a file stands where a folder has to be' }, options);
    case 'EMFILE':
    case 'ENFILE':
      return new BtError('disk/io', { path, what: 'too many open files' }, options);
    case 'EFBIG':
      return new BtError('disk/io', { path, what: 'the file system does not take files of that size' }, options);
    default:
      return new BtError('disk/io', { path, what: code }, options);
  }
}

export function isSystemError(error: unknown): error is NodeJS.ErrnoException {
  return error instanceof Error && typeof (error as { syscall?: unknown }).syscall === 'string';
}

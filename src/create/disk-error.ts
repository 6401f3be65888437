import { BtError } from '../base/index.ts';

/**
 * The system's refusals while reading, as ours. What is not from the system is a bug and passes on as it is.
 *
 * The node room has another, for stores that write; it is not used here because hashing threads would load all of that room.
 */
export function toDiskError(error: unknown, path: string): BtError {
  if (BtError.is(error)) return error;
  const { code, syscall } = error as NodeJS.ErrnoException;
  if (syscall === undefined) throw error;
  const options = { cause: error };
  switch (code) {
    case 'ENOENT':
    case 'ENOTDIR':
      return new BtError('disk/not-found', { path }, options);
    case 'EACCES':
    case 'EPERM':
      return new BtError('disk/access', { path, what: 'permission denied' }, options);
    case 'ENOSPC':
    case 'EDQUOT':
      return new BtError('disk/no-space', { path }, options);
    default:
      return new BtError('disk/io', { path, what: code ?? (error as Error).message }, options);
  }
}

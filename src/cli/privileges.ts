import { execFileSync } from 'node:child_process';
import { CliError, exitCodes } from './exit.ts';

/** Somebody to become. */
export interface Identity {
  readonly user: string;
  readonly uid: number;
  readonly gid: number;
}

/** Whether this process may do what others may not. */
export function isRoot(): boolean {
  return process.getuid?.() === 0;
}

/** @throws CliError where there is no such user or group */
export function findIdentity(user: string, group?: string): Identity {
  const uid = Number(ask('id', ['-u', '--', user], `no user ${user}`));
  const gid =
    group === undefined
      ? Number(ask('id', ['-g', '--', user], `no user ${user}`))
      : Number(ask('getent', ['group', '--', group], `no group ${group}`).split(':')[2]);
  if (!Number.isSafeInteger(uid) || !Number.isSafeInteger(gid)) {
    throw new CliError(exitCodes.usage, 'config/invalid', `run: cannot find out who ${user} is`);
  }
  return { user, uid, gid };
}

/**
 * Becomes somebody else, for good and for all threads; what is open stays open. Someone who is not root can only be who he is.
 *
 * @throws CliError where it fails, or where it could be undone
 */
export function dropPrivileges({ user, uid, gid }: Identity): void {
  if (process.getuid?.() === uid && process.getgid?.() === gid) return;
  if (!isRoot()) throw new CliError(exitCodes.usage, 'config/invalid', `run.user: only root can become ${user}`);
  // Groups first: afterwards there is no right to change them.
  (process as { initgroups?: (user: string, group: number) => void }).initgroups?.(user, gid);
  process.setgid?.(gid);
  process.setuid?.(uid);
  if (uid !== 0 && canBecomeRoot()) {
    throw new CliError(exitCodes.failure, 'cli/internal', 'privileges were dropped, but could be taken back');
  }
}

function canBecomeRoot(): boolean {
  try {
    process.setuid?.(0);
    return true;
  } catch {
    return false;
  }
}

/** The system's own tools know users of every kind (files, LDAP). */
function ask(program: string, args: readonly string[], problem: string): string {
  try {
    return execFileSync(program, args, { encoding: 'utf8', stdio: ['ignore', 'pipe', 'ignore'] }).trim();
  } catch (cause) {
    throw new CliError(exitCodes.usage, 'config/invalid', `run: ${problem}`, { cause });
  }
}

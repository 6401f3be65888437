import { BtError } from '../../base/index.ts';
import { readIntact, writeAtomic } from '../../node/index.ts';
import { isPasskey } from '../../tracker/index.ts';

/** A user of a private tracker, as the file has him. Instants are Unix seconds. */
export interface TrackerUser {
  /** Never given to somebody else. */
  readonly id: number;
  readonly name: string;
  readonly passkey: string;
  readonly createdAt: number;
  /** Null: never. */
  readonly expiresAt: number | null;
  readonly isEnabled: boolean;
  /** False: may only seed. */
  readonly mayDownload: boolean;
  /** Whether the user may add torrents to the catalogue. */
  readonly mayUpload: boolean;
  /** Null: the tracker's default; 0: any number. */
  readonly torrentsMax: number | null;
  readonly placesMax: number | null;
}

export interface UsersDocument {
  readonly nextId: number;
  readonly users: readonly TrackerUser[];
}

const FORMAT = 'eider tracker users';
const VERSION = 1;
/** Numbers of users are words in tables of threads. */
export const userIdMax = 0x7fff_ffff;

/**
 * @param o.onDamaged told where the file could not be read and the generation before it was taken; may throw, where that is not wanted
 * @returns no users where there is no file
 * @throws BtError `swarm/state-newer`, `config/invalid`
 */
export function readUsersFile(path: string, o: { onDamaged: (error: unknown) => void }): UsersDocument {
  let firstError: unknown;
  const read = readIntact(path, (bytes): UsersDocument | 'newer' => {
    try {
      return parseUsers(path, Buffer.from(bytes).toString('utf8'));
    } catch (error) {
      firstError ??= error;
      throw error;
    }
  });
  // Not the generation before a newer one: it would be written over the newer.
  if (read === 'newer') throw new BtError('swarm/state-newer', { what: path });
  if (firstError !== undefined) o.onDamaged(firstError);
  return read ?? { nextId: 1, users: [] };
}

/** Readable by the tracker alone: passkeys are in it. The generation before is kept as `.bak`. */
export function writeUsersFile(path: string, document: UsersDocument): void {
  const text = `${JSON.stringify({ format: FORMAT, version: VERSION, ...document }, null, 1)}\n`;
  writeAtomic(path, Buffer.from(text), { sync: true, keepPrevious: true, mode: 0o600 });
}

/**
 * @param path for messages
 * @returns `newer` where a later version of the program wrote it
 * @throws BtError `config/invalid`
 */
export function parseUsers(path: string, text: string): UsersDocument | 'newer' {
  const fail = (what: string): never => {
    throw new BtError('config/invalid', { problems: [`${path}: ${what}`] });
  };
  let document: { format?: unknown; version?: unknown; nextId?: unknown; users?: unknown };
  try {
    document = JSON.parse(text);
  } catch (error) {
    return fail(`not JSON: ${(error as Error).message}`);
  }
  if (typeof document !== 'object' || document === null || document.format !== FORMAT)
    return fail('not a file of users');
  if (typeof document.version === 'number' && document.version > VERSION) return 'newer';
  if (document.version !== VERSION || !Array.isArray(document.users)) return fail('not a file of users');
  const users = document.users.map((row, i) => parseUser(row) ?? fail(`user ${i + 1} is not as it should be`));
  const problem = findDouble(users);
  if (problem !== undefined) return fail(problem);
  const afterLast = users.reduce((most, { id }) => Math.max(most, id), 0) + 1;
  const { nextId } = document;
  return { users, nextId: Number.isSafeInteger(nextId) ? Math.max(nextId as number, afterLast) : afterLast };
}

function findDouble(users: readonly TrackerUser[]): string | undefined {
  const seen = new Set<string>();
  for (const { id, name, passkey } of users) {
    for (const [what, value] of [
      ['id', id],
      ['name', name],
      ['passkey', passkey],
    ]) {
      if (seen.has(`${what} ${value}`)) return `two users have the same ${what}: ${what === 'passkey' ? name : value}`;
      seen.add(`${what} ${value}`);
    }
  }
  return undefined;
}

/** Fields that are missing have their defaults, so that a file can be written by hand. */
function parseUser(row: unknown): TrackerUser | undefined {
  if (typeof row !== 'object' || row === null) return undefined;
  const {
    id,
    name,
    passkey,
    createdAt = 0,
    expiresAt = null,
    isEnabled = true,
    mayDownload = true,
    mayUpload = false,
  } = row as Record<string, unknown>;
  const { torrentsMax = null, placesMax = null } = row as Record<string, unknown>;
  const isRight =
    isCount(id) &&
    id > 0 &&
    id <= userIdMax &&
    isUserName(name) &&
    typeof passkey === 'string' &&
    isPasskey(passkey) &&
    isCount(createdAt) &&
    (expiresAt === null || isCount(expiresAt)) &&
    typeof isEnabled === 'boolean' &&
    typeof mayDownload === 'boolean' &&
    typeof mayUpload === 'boolean' &&
    (torrentsMax === null || isCount(torrentsMax)) &&
    (placesMax === null || isCount(placesMax));
  return isRight
    ? { id, name, passkey, createdAt, expiresAt, isEnabled, mayDownload, mayUpload, torrentsMax, placesMax }
    : undefined;
}

/** 1 to 64 characters, none of them a control character. */
export function isUserName(value: unknown): value is string {
  return typeof value === 'string' && /^[^\0-\x1f\x7f]{1,64}$/u.test(value);
}

function isCount(value: unknown): value is number {
  return typeof value === 'number' && Number.isInteger(value) && value >= 0 && value <= 0xffff_ffff;
}

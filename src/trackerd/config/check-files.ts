import { accessSync, constants } from 'node:fs';
import { dirname } from 'node:path';
import { BtError } from '../../base/index.ts';
import { readAdminToken } from '../face.ts';
import { readCertificate } from '../http/certificate.ts';
import { readHashes } from '../policy/hash-list.ts';
import { readUsersFile } from '../policy/users-file.ts';
import type { TrackerConfig } from './types.ts';

/** Which files that the configuration names cannot be used by who asks: sentences, one a file. For a check before the start. */
export async function checkConfigFiles(config: TrackerConfig): Promise<string[]> {
  const { tls, lists, admin, hooks, snapshot, private: closed, catalogue } = config;
  const read: readonly (readonly [string, string | undefined])[] = [
    ['tls.cert', tls.cert],
    ['tls.key', tls.key],
    ['lists.allow', lists.mode === 'allow' ? lists.allow : undefined],
    ['lists.deny', lists.mode === 'open' ? undefined : lists.deny],
    ['admin.token_file', admin.tokenFile],
    ...hooks.modules.map((path) => ['hooks.modules', path] as const),
  ];
  const write: readonly (readonly [string, string | undefined])[] = [
    ['snapshot.file', toFolder(snapshot.file)],
    ['private.users', closed.enabled ? toFolder(closed.users) : undefined],
    ['private.accounts', closed.enabled ? toFolder(closed.accounts) : undefined],
    ['catalogue.folder', toFolder(catalogue.folder)],
  ];
  const problems = [
    ...read.flatMap(([full, path]) => judge(full, path, constants.R_OK)),
    ...write.flatMap(([full, folder]) => judge(full, folder, constants.W_OK)),
  ];
  // What is in them matters only where they can be read.
  return problems.length > 0 ? problems : await checkContents(config);
}

async function checkContents({ tls, admin, lists, private: closed }: TrackerConfig): Promise<string[]> {
  const problems: string[] = [];
  const attempt = async (act: () => unknown): Promise<void> => {
    try {
      await act();
    } catch (error) {
      problems.push(...(BtError.is(error, 'config/invalid') ? error.detail.problems : [(error as Error).message]));
    }
  };
  const { cert: certFile, key: keyFile } = tls;
  if (certFile !== undefined && keyFile !== undefined) await attempt(() => readCertificate({ certFile, keyFile }));
  if (admin.tokenFile !== undefined) await attempt(() => readAdminToken({ tokenFile: admin.tokenFile as string }));
  for (const list of listsInForce(lists)) await attempt(() => readHashes(list, () => {}));
  if (closed.enabled && closed.users !== undefined) {
    const users = closed.users;
    // A start takes the generation before a damaged one; a check is there to tell.
    const onDamaged = (error: unknown): never => {
      throw error;
    };
    await attempt(() => readUsersFile(users, { onDamaged }));
  }
  return problems;
}

function listsInForce({ mode, allow, deny }: TrackerConfig['lists']): string[] {
  return [mode === 'allow' ? allow : undefined, mode === 'open' ? undefined : deny].filter(
    (path) => path !== undefined,
  );
}

/** Where files are written whole and then renamed, it is the folder that has to be writable. */
function toFolder(path: string | undefined): string | undefined {
  return path === undefined ? undefined : dirname(path);
}

function judge(full: string, path: string | undefined, mode: number): string[] {
  if (path === undefined) return [];
  try {
    accessSync(path, mode);
    return [];
  } catch (error) {
    const isAbsent = (error as NodeJS.ErrnoException).code === 'ENOENT';
    const what = isAbsent ? 'does not exist' : mode === constants.R_OK ? 'cannot be read' : 'cannot be written to';
    return [`${full}: ${path} ${what}`];
  }
}

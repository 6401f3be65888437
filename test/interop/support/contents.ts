import { lstatSync, readdirSync, readFileSync } from 'node:fs';
import { join } from 'node:path';
import { makeBytes } from '../../support/temp-folder.ts';

export type Layout = 'single' | 'multi';

/** What is shared: the torrent's name, and files below it; `''` alone is a single file. */
export interface Contents {
  readonly name: string;
  readonly files: Readonly<Record<string, Uint8Array>>;
}

const MiB = 1024 * 1024;

export const contents: Readonly<Record<Layout, Contents>> = {
  single: { name: 'Größe – データ.bin', files: { '': makeBytes(5 * MiB + 4_321, 1) } },
  multi: {
    name: 'Sammlung ☂ Übung',
    files: {
      'a file with spaces.txt': makeBytes(16_383, 2),
      'empty.dat': makeBytes(0),
      'exactly one piece.bin': makeBytes(65_536, 3),
      'nested/deeper/deepest/odd.bin': makeBytes(700_001, 4),
      'nested/empty too': makeBytes(0),
      'nested/large.bin': makeBytes(2 * MiB + 1, 5),
      'one byte': makeBytes(1, 6),
      'zażółć/深い フォルダ/ファイル.dat': makeBytes(123_457, 7),
      'zażółć/last.bin': makeBytes(65_535, 8),
    },
  },
};

/** Files as a tree on disk: path below the download folder to bytes. */
export function toTree({ name, files }: Contents): Record<string, Uint8Array> {
  return Object.fromEntries(
    Object.entries(files).map(([path, bytes]) => [path === '' ? name : `${name}/${path}`, bytes]),
  );
}

/** What a program does differently on disk, and may. */
export interface TreeHabits {
  /** It keeps pad files like any other (BEP 47): they must hold zeros. */
  readonly keepsPads: boolean;
  /** It makes no files that are empty. */
  readonly skipsEmpty: boolean;
}

/** Byte for byte, and nothing beside. @returns what is wrong, empty where all is well */
export function compareTree(folder: string, expected: Contents, habits: TreeHabits): string[] {
  const wrong: string[] = [];
  const found = new Set(listFiles(folder));
  for (const [path, bytes] of Object.entries(toTree(expected))) {
    if (found.delete(path)) {
      if (!readFileSync(join(folder, path)).equals(bytes)) wrong.push(`${path} differs`);
    } else if (bytes.length > 0 || !habits.skipsEmpty) wrong.push(`${path} is missing`);
  }
  for (const path of found) {
    if (!habits.keepsPads || !path.startsWith(`${expected.name}/.pad/`)) wrong.push(`${path} should not be there`);
    else if (readFileSync(join(folder, path)).some((byte) => byte !== 0)) wrong.push(`${path} is not all zeros`);
  }
  return wrong;
}

function listFiles(folder: string): string[] {
  return readdirSync(folder, { recursive: true, encoding: 'utf8' }).filter((path) =>
    lstatSync(join(folder, path)).isFile(),
  );
}

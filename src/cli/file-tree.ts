import type { FileEntry } from '../metainfo/index.ts';
import { displayWidth, formatBytes, padWidth, printable } from './format.ts';

/** A folder of the tree while it is being put together; files keep the torrent's order. */
interface Folder {
  readonly folders: Map<string, Folder>;
  readonly entries: (FileEntry | { readonly name: string; readonly folder: Folder })[];
}

interface Row {
  readonly number: string;
  readonly label: string;
  readonly size: string;
  readonly remark: string;
}

const nameColumnsMax = 60;

/**
 * A torrent's files as a tree, one line each: number for `--files`, name, size, remarks. Lines end without blanks.
 *
 *     ` 1  ├─ readme.txt     1.20 KiB`
 */
export function formatFileTree(files: readonly FileEntry[]): string[] {
  const root = makeFolder();
  for (const file of files) insert(root, file);
  const rows: Row[] = [];
  addRows(root, '', rows, true);
  // Not Math.max(...rows): a torrent may have more files than a call may have arguments.
  const widest = (columnsOf: (row: Row) => number) => rows.reduce((max, r) => Math.max(max, columnsOf(r)), 1);
  const numberColumns = widest((r) => r.number.length);
  const nameColumns = Math.min(
    nameColumnsMax,
    widest((r) => displayWidth(r.label)),
  );
  const sizeColumns = widest((r) => r.size.length);
  return rows.map((r) =>
    `${r.number.padStart(numberColumns)}  ${padWidth(r.label, nameColumns)}  ${r.size.padStart(sizeColumns)}  ${r.remark}`.trimEnd(),
  );
}

function makeFolder(): Folder {
  return { folders: new Map(), entries: [] };
}

function insert(root: Folder, file: FileEntry): void {
  let folder = root;
  for (const name of file.path.slice(0, -1)) {
    let next = folder.folders.get(name);
    if (next === undefined) {
      next = makeFolder();
      folder.folders.set(name, next);
      folder.entries.push({ name, folder: next });
    }
    folder = next;
  }
  folder.entries.push(file);
}

function addRows(folder: Folder, indent: string, rows: Row[], isTop: boolean): void {
  folder.entries.forEach((entry, i) => {
    const isLast = i === folder.entries.length - 1;
    const branch = isTop ? '' : isLast ? '└─ ' : '├─ ';
    if ('folder' in entry) {
      rows.push({ number: '', label: `${indent}${branch}${printable(entry.name)}/`, size: '', remark: '' });
      addRows(entry.folder, isTop ? '' : `${indent}${isLast ? '   ' : '│  '}`, rows, false);
      return;
    }
    const label = `${indent}${branch}${printable(entry.path.at(-1) as string)}`;
    const size = entry.symlink === undefined ? formatBytes(entry.length) : '';
    rows.push({ number: String(entry.index + 1), label, size, remark: remarks(entry) });
  });
}

function remarks(file: FileEntry): string {
  const said: string[] = [];
  if (file.symlink !== undefined) said.push(`-> ${file.symlink.map(printable).join('/')}`);
  if (file.executable) said.push('executable');
  if (file.hidden) said.push('hidden');
  if (file.originalPath !== undefined)
    said.push(`named ${printable(JSON.stringify(file.originalPath))} in the torrent`);
  return said.join(', ');
}

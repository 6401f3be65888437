/**
 * Makes of the compiled rooms what is shipped and run, `dist/lib`: one file a room, one a command, one a thread. Node takes half a
 * millisecond to load a module, and there are two hundred (docs/adr/0022-one-file-a-room.md).
 *
 *     library and command   share their rooms: one copy of every class in a process, whichever way it was reached
 *     threads               a file each with what that thread needs and nothing else
 *
 * Dependencies stay outside. Files that did not change are not written, and others are put in place as a whole; parts that are loaded later
 * bear a hash in their names, so that what began with older ones may miss a part of its own and never gets one that is not.
 *
 *     node tools/bundle.mjs   after `tsc -b src/cli`; `tools/build.mjs` does both
 */
import { createHash } from 'node:crypto';
import { existsSync, mkdirSync, readdirSync, readFileSync, renameSync, rmSync, statSync, writeFileSync } from 'node:fs';
import { dirname, join, relative, sep } from 'node:path';
import { fileURLToPath } from 'node:url';
import { projectRoot, rooms } from './rooms.mjs';

const dist = join(projectRoot, 'dist');
const target = join(dist, 'lib');
const stampFile = join(projectRoot, 'build/.bundle-stamp');

/** Rooms that load parts of themselves when they are needed: these parts are files of their own. */
const loadedInParts = new Set(['cli', 'trackerd']);

/** What commands need that never touch a network, of a room that has all of it. */
const apart = new Map(
  ['node/files.js', 'node/disk/system-calls.js', 'node/net-error.js'].map((name) => [name, 'files']),
);

/** Entries by the name of their file. Names are `new URL('./NAME.js', import.meta.url)` in the sources, where a thread is started. */
const command = { eider: 'cli/main.js' };
const threads = [
  { 'disk-worker': 'node/disk/disk-worker.js' },
  { 'hash-worker': 'hash/hash-worker.js' },
  // The thread loads the hooks by their address and shares rooms with them.
  { 'udp-worker': 'trackerd/udp/udp-worker.js', 'thread-hooks': 'trackerd/thread-hooks.js' },
];

/** The exports of package.json that are code: name of the file to the room's face. */
function faces() {
  const { exports } = JSON.parse(readFileSync(join(projectRoot, 'package.json'), 'utf8'));
  const named = Object.values(exports).filter((entry) => typeof entry === 'object');
  return Object.fromEntries(
    named.map(({ types, import: path }) => [
      /^\.\/dist\/lib\/(.+)\.js$/.exec(path)[1],
      types.replace('./dist/', '').replace(/\.d\.ts$/, '.js'),
    ]),
  );
}

/** Changes whenever anything does that the files are made of, or one of them: all of that is in `dist`. */
function hashState() {
  const hash = createHash('sha256');
  const outside = [
    fileURLToPath(import.meta.url),
    join(projectRoot, 'package.json'),
    join(projectRoot, 'package-lock.json'),
  ];
  const scripts = readdirSync(dist, { recursive: true }).filter((path) => path.endsWith('.js'));
  for (const path of [...outside, ...scripts.sort().map((path) => join(dist, path))]) {
    const { mtimeMs, size } = statSync(path);
    hash.update(`${path}\0${mtimeMs}\0${size}\0`);
  }
  return hash.digest('hex');
}

/** `dist/lib` is what comes of the compiled rooms as they are. */
export function isCurrent() {
  return existsSync(target) && existsSync(stampFile) && readFileSync(stampFile, 'utf8') === hashState();
}

/** The file that a module goes to; undefined: wherever Rollup finds that those who load it need it. */
function fileOf(path) {
  const module = relative(dist, path).split(sep).join('/');
  if (apart.has(module)) return apart.get(module);
  const [room] = module.split('/');
  return room in rooms && !loadedInParts.has(room) ? room : undefined;
}

async function generate(entries, options = {}) {
  const { rollup } = await import('@rollup/wasm-node/dist/rollup.js');
  const input = Object.fromEntries(Object.entries(entries).map(([name, path]) => [name, join(dist, path)]));
  const bundle = await rollup({
    input,
    external: (id) => !id.startsWith('.') && !id.startsWith('/') && !/^[A-Za-z]:/.test(id),
    // No module of ours does anything but define, so what is not used is not loaded either.
    treeshake: { moduleSideEffects: false },
    onLog: (level, log) => {
      // What the compiler writes for `await using` looks for an older helper in `this`.
      if (log.code === 'THIS_IS_UNDEFINED') return;
      if (level === 'warn') throw new Error(log.message);
    },
  });
  try {
    const { output } = await bundle.generate({
      format: 'es',
      entryFileNames: '[name].js',
      chunkFileNames: '[name]-[hash].js',
      hoistTransitiveImports: false,
      ...options,
    });
    for (const { fileName, imports } of output) {
      // The command waits, at its top level, for the part that it loads: a part that waited for the command would never begin.
      if (imports.includes('eider.js')) throw new Error(`${fileName} imports the command, which waits for it`);
    }
    return output.map(({ fileName, code }) => [fileName, code]);
  } finally {
    await bundle.close();
  }
}

/** @returns name to text of every file */
async function generateAll() {
  const shared = generate({ ...command, ...faces() }, { manualChunks: fileOf });
  const alone = threads.map((entries) => generate(entries));
  const files = new Map();
  for (const [name, code] of (await Promise.all([shared, ...alone])).flat()) {
    if (files.has(name) && files.get(name) !== code) throw new Error(`two bundles have a file ${name}`);
    files.set(name, code);
  }
  for (const [name, code] of files) {
    for (const [, other] of code.matchAll(/new URL\('\.\/([^']+)', import\.meta\.url\)/g))
      if (!files.has(other)) throw new Error(`${name} names ${other}, which is no entry of tools/bundle.mjs`);
  }
  return files;
}

/** Brings `dist/lib` up to date with the compiled rooms. */
export async function bundle() {
  if (isCurrent()) return;
  const files = await generateAll();
  rmSync(stampFile, { force: true });
  mkdirSync(target, { recursive: true });
  for (const [name, code] of files) {
    const path = join(target, name);
    if (existsSync(path) && readFileSync(path, 'utf8') === code) continue;
    const unfinished = `${path}.${process.pid}.tmp`;
    writeFileSync(unfinished, code, { mode: name === 'eider.js' ? 0o755 : 0o644 });
    renameSync(unfinished, path);
  }
  for (const name of readdirSync(target)) if (!files.has(name)) rmSync(join(target, name), { force: true });
  mkdirSync(dirname(stampFile), { recursive: true });
  writeFileSync(stampFile, hashState());
}

if (process.argv[1] === fileURLToPath(import.meta.url)) await bundle();

/**
 * Checks what the compiler and the linter do not see: who imports whom between rooms, cycles of files inside a room
 * (`import type` counts), and what a pure room must never contain. The table is in tools/rooms.mjs.
 *
 *     node tools/check-layers.mjs               checks src/
 *     node tools/check-layers.mjs --self-test   plants one violation of every kind and checks that each is caught
 */
import { existsSync, mkdirSync, mkdtempSync, readdirSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { dirname, join, posix, relative, sep } from 'node:path';
import { fileURLToPath } from 'node:url';
import { formatConfigs, projectRoot, rooms } from './rooms.mjs';
import { tokenize } from './source-tokens.mjs';

/** Names a pure room must not use: time, randomness, promises, the outside world. */
const impureNames = new Set(
  (
    'Date performance setTimeout setInterval setImmediate clearTimeout clearInterval queueMicrotask console globalThis ' +
    'process Buffer require Promise PromiseLike async await WeakRef FinalizationRegistry eval Function'
  ).split(' '),
);

/** A property key, member or parameter of that name (`{ process: 1 }`, `readonly performance?: X`) is harmless. */
function isKey(tokens, i) {
  const before = tokens[i - 1];
  const isKeyPlace = before === undefined || ['{', ',', ';', '(', 'readonly'].includes(before.value);
  const next = tokens[i + 1]?.value;
  return isKeyPlace && (next === ':' || (next === '?' && tokens[i + 2]?.value === ':'));
}

/** Finds every module a source names: `{ specifier, line }`, with specifier undefined where it is computed. */
export function findImports(tokens) {
  const found = [];
  const isMember = (i) => tokens[i - 1]?.value === '.' || tokens[i - 1]?.value === '?.';
  const addFrom = (start) => {
    for (let i = start; i < tokens.length && tokens[i].value !== ';'; i++) {
      if (tokens[i].value === 'from' && tokens[i].kind === 'word' && tokens[i + 1]?.kind === 'string') {
        found.push({ specifier: tokens[i + 1].value, line: tokens[i + 1].line });
        return;
      }
    }
  };
  for (const [i, token] of tokens.entries()) {
    if (token.kind !== 'word' || isMember(i) || isKey(tokens, i)) continue;
    const next = tokens[i + 1];
    if (token.value === 'import' && next !== undefined) {
      if (next.kind === 'string') found.push({ specifier: next.value, line: next.line });
      else if (next.value === '(' && next.kind === 'punctuation') {
        const name = tokens[i + 2];
        const isLiteral = name?.kind === 'string' || (name?.kind === 'template' && !name.isOpen);
        const isWhole = isLiteral && [')', ','].includes(tokens[i + 3]?.value);
        found.push({ specifier: isWhole ? name.value : undefined, line: token.line });
      } else if (next.value !== '.') addFrom(i + 1);
    } else if (token.value === 'export') {
      let at = i + 1;
      if (tokens[at]?.value === 'type') at++;
      if (tokens[at]?.value === '*') addFrom(at);
      else if (tokens[at]?.value === '{') {
        while (at < tokens.length && tokens[at].value !== '}') at++;
        if (tokens[at + 1]?.value === 'from' && tokens[at + 2]?.kind === 'string') addFrom(at + 1);
      }
    }
  }
  return found;
}

function listSources(folder) {
  return readdirSync(folder, { recursive: true })
    .map((path) => path.split(sep).join('/'))
    .filter((path) => /\.[cm]?tsx?$/.test(path) && !path.split('/').includes('node_modules'))
    .sort();
}

/** Finds one cycle for every group of files that import each other. `edges`: file -> files it imports. */
function findCycles(edges) {
  const cycles = [];
  const state = new Map();
  const path = [];
  const visit = (file) => {
    state.set(file, 'open');
    path.push(file);
    for (const next of edges.get(file) ?? []) {
      if (state.get(next) === 'open') cycles.push([...path.slice(path.indexOf(next)), next]);
      else if (!state.has(next)) visit(next);
    }
    path.pop();
    state.set(file, 'done');
  };
  for (const file of edges.keys()) if (!state.has(file)) visit(file);
  return cycles;
}

function packageOf(specifier) {
  const parts = specifier.split('/');
  return specifier.startsWith('@') ? parts.slice(0, 2).join('/') : (parts[0] ?? '');
}

/**
 * Checks one tree.
 *
 * @param root        folder that holds `src/`
 * @param dependencies names of the npm packages that rooms above the purity line may import
 * @returns violations: `{ file, line, rule, message }`
 */
export function checkTree(root, dependencies) {
  const src = join(root, 'src');
  const violations = [];
  const edges = new Map();
  for (const file of listSources(src)) {
    const add = (line, rule, message) => violations.push({ file: `src/${file}`, line, rule, message });
    const roomName = file.split('/')[0] ?? '';
    const room = Object.hasOwn(rooms, roomName) && file.includes('/') ? rooms[roomName] : undefined;
    if (room === undefined) {
      add(1, 'unknown-room', `'${roomName}' is not in tools/rooms.mjs`);
      continue;
    }
    const text = readFileSync(join(src, file), 'utf8');
    const tokens = tokenize(text);
    if (/\.(test|spec)\.[cm]?tsx?$/.test(file))
      add(1, 'test-in-src', 'tests live in test/, their types would disarm the purity of the room');
    if (file === `${roomName}/index.ts` && !text.startsWith('/**')) {
      add(
        1,
        'no-room-header',
        'index.ts begins with a comment: purpose, what the room may know, what it must never know',
      );
    }
    for (const [i, line] of text.split('\n').entries()) {
      if (/^\s*\/\/\/\s*<reference/.test(line))
        add(i + 1, 'triple-slash', 'a reference directive goes around the table of rooms');
    }
    edges.set(file, []);
    checkImports({ file, roomName, room, tokens, src, dependencies, add, edges });
    if (room.pure && file !== 'base/platform.d.ts') checkPurity(tokens, add);
  }
  for (const cycle of findCycles(edges)) {
    violations.push({ file: `src/${cycle[0]}`, line: 1, rule: 'cycle', message: cycle.join(' -> ') });
  }
  return violations;
}

function checkImports({ file, roomName, room, tokens, src, dependencies, add, edges }) {
  for (const { specifier, line } of findImports(tokens)) {
    if (specifier === undefined) {
      if (room.pure) add(line, 'computed-import', 'import() of a computed name in a pure room');
      continue;
    }
    if (!specifier.startsWith('.')) {
      if (specifier.startsWith('#') || packageOf(specifier) === 'eider') {
        add(line, 'self-import', `'${specifier}': rooms import each other by relative path`);
      } else if (room.pure) {
        add(line, specifier.startsWith('node:') ? 'node-import' : 'npm-import', `'${specifier}' in a pure room`);
      } else if (!specifier.startsWith('node:') && !dependencies.has(packageOf(specifier))) {
        add(line, 'undeclared-package', `'${specifier}' is no dependency in package.json (built-ins need 'node:')`);
      }
      continue;
    }
    const target = posix.normalize(posix.join(posix.dirname(file), specifier));
    const targetRoom = target.split('/')[0] ?? '';
    if (target.startsWith('..') || !target.includes('/')) {
      add(line, 'outside-src', `'${specifier}' leads out of the rooms`);
    } else if (targetRoom !== roomName) {
      if (!room.mayImport.includes(targetRoom)) add(line, 'upward-import', `${roomName} must not import ${targetRoom}`);
      else if (target !== `${targetRoom}/index.ts`) {
        add(line, 'deep-import', `'${specifier}': only the index.ts of another room may be imported`);
      }
    } else if (!existsSync(join(src, target))) add(line, 'no-such-file', `'${specifier}' (specifiers end in .ts)`);
    else edges.get(file).push(target);
  }
}

function checkPurity(tokens, add) {
  for (const [i, { kind, value, line }] of tokens.entries()) {
    if (kind !== 'word') continue;
    const before = tokens[i - 1]?.value;
    if (before === '.' || before === '?.') continue;
    if (value === 'Math') {
      const isNamedUse = tokens[i + 1]?.value === '.' && tokens[i + 2]?.value !== 'random';
      if (!isNamedUse) add(line, 'randomness', 'Math.random, or Math as a value: pure rooms use the injected Rng');
    } else if (value === 'import' && tokens[i + 1]?.value === '.') {
      add(line, 'impure-name', 'import.meta in a pure room');
    } else if (impureNames.has(value) && !isKey(tokens, i)) {
      add(line, 'impure-name', `'${value}' in a pure room`);
    }
  }
}

/** A tsconfig.json that differs from the table would let the compiler allow what the table forbids. */
function checkConfigs() {
  const violations = [];
  for (const [file, text] of formatConfigs()) {
    const path = join(projectRoot, file);
    if (existsSync(path) && readFileSync(path, 'utf8') === text) continue;
    violations.push({
      file,
      line: 1,
      rule: 'stale-config',
      message: 'differs from tools/rooms.mjs: run `node tools/rooms.mjs --write`',
    });
  }
  return violations;
}

const header = '/** fixture */\n';

/** A tree that looks guilty and is not: forbidden words in comments, strings, templates, patterns, keys and members. */
const innocent = {
  'src/base/index.ts': `${header}export * from './bytes.ts';\n`,
  'src/base/bytes.ts': [
    '// import x from "node:fs"; Date.now()',
    "/* import '../cli/index.ts'; Math.random() */",
    'export const a = \'import x from "node:net"; await Promise\';',
    'export const b = `setTimeout ${((x: number) => `${x} Date } console`)(1)} performance`;',
    "export const c = /['\"`]Date\\/[/'] import('x')/g.test(a) ? 4 / 2 / 1 : Math.floor(1.5);",
    'export function d(): RegExp { if (a) /Date\'/.test(b); return /async "/; }',
    'export interface E { readonly performance?: number; process: string; date: Date2 }',
    'export type Date2 = number;',
    'export const f = (e: E): string => e.process + e.performance;',
    'export const isAsync = 1, randomDate = 2, import_ = { import: 3, from: 4 };',
  ].join('\n'),
  'src/wire/index.ts': `${header}import type { E } from '../base/index.ts';\nexport type { E };\nexport { a as from } from '../base/index.ts';\n`,
  'src/node/index.ts': `${header}import { readFile } from 'node:fs/promises';\nimport { Command } from 'commander';\nexport const now = async (): Promise<number> => Date.now() + Math.random();\nexport { readFile, Command };\n`,
};

/** Each plant: what it is, the files it adds or replaces, and the one rule that must speak, as often as said. */
const plants = [
  {
    name: 'import from a higher room',
    rule: 'upward-import',
    files: { 'src/wire/x.ts': "import { y } from '../swarm/index.ts';" },
  },
  {
    name: 'type import from a higher room',
    rule: 'upward-import',
    files: { 'src/base/x.ts': "import type { Y } from '../wire/index.ts';" },
  },
  {
    name: 'import between sibling brains',
    rule: 'upward-import',
    files: { 'src/swarm/x.ts': "import { y } from '../tracker/index.ts';" },
  },
  {
    name: 'session reaching for the tracker room',
    rule: 'upward-import',
    files: { 'src/session/x.ts': "export * from '../tracker/index.ts';" },
  },
  {
    name: 're-export over several lines',
    rule: 'upward-import',
    files: { 'src/base/x.ts': "export {\n  a,\n  b,\n} from\n  '../wire/index.ts';" },
  },
  {
    name: 'type re-export',
    rule: 'upward-import',
    files: { 'src/base/x.ts': "export type * from '../wire/index.ts';" },
  },
  {
    name: 'namespace re-export',
    rule: 'upward-import',
    files: { 'src/base/x.ts': "export * as w from '../wire/index.ts';" },
  },
  {
    name: 'dynamic import from a higher room',
    rule: 'upward-import',
    files: { 'src/node/x.ts': "export const c = await import('../client/index.ts');" },
  },
  {
    name: 'dynamic import by template',
    rule: 'upward-import',
    files: { 'src/node/x.ts': 'export const c = await import(`../client/index.ts`);' },
  },
  {
    name: 'import type query',
    rule: 'upward-import',
    files: { 'src/base/x.ts': "export type W = typeof import('../wire/index.ts');" },
  },
  {
    name: 'import for its side effect',
    rule: 'upward-import',
    files: { 'src/base/x.ts': "import '../wire/index.ts';" },
  },
  {
    name: 'import inside a template substitution',
    rule: 'upward-import',
    files: { 'src/node/x.ts': "export const c = `${await import('../client/index.ts')}`;" },
  },
  {
    name: 'import after a quote in a pattern',
    rule: 'upward-import',
    files: { 'src/base/x.ts': "export const r = /'/;\nimport '../wire/index.ts';" },
  },
  {
    name: 'deep import into a lower room',
    rule: 'deep-import',
    files: { 'src/wire/x.ts': "import { a } from '../base/bytes.ts';" },
  },
  { name: 'import from outside src', rule: 'outside-src', files: { 'src/node/x.ts': "import '../../test/x.ts';" } },
  { name: 'import by package name', rule: 'self-import', files: { 'src/node/x.ts': "import 'eider/wire';" } },
  { name: 'import by #name', rule: 'self-import', files: { 'src/node/x.ts': "import '#wire';" } },
  {
    name: 'import of a file that is not there',
    rule: 'no-such-file',
    files: { 'src/base/x.ts': "import './bytes.js';" },
  },
  { name: 'room without a place in the table', rule: 'unknown-room', files: { 'src/utils/x.ts': 'export {};' } },
  { name: 'test beside its source', rule: 'test-in-src', files: { 'src/base/bytes.test.ts': 'export {};' } },
  { name: 'room without header', rule: 'no-room-header', files: { 'src/metainfo/index.ts': 'export {};' } },
  {
    name: 'reference directive',
    rule: 'triple-slash',
    files: { 'src/base/x.ts': '/// <reference types="node" />\nexport {};' },
  },
  {
    name: 'cycle of values',
    rule: 'cycle',
    files: { 'src/base/x.ts': "import './y.ts';", 'src/base/y.ts': "import './x.ts';" },
  },
  {
    name: 'cycle of types only',
    rule: 'cycle',
    files: {
      'src/swarm/x.ts': "import type { Y } from './y.ts';\nexport type X = Y;",
      'src/swarm/y.ts': "import type { Z } from './z.ts';\nexport type Y = Z;",
      'src/swarm/z.ts': "export type { X as Z } from './x.ts';",
    },
  },
  { name: 'file that imports itself', rule: 'cycle', files: { 'src/base/x.ts': "import './x.ts';" } },
  {
    name: 'cycle through the index of the own room',
    rule: 'cycle',
    files: { 'src/base/bytes.ts': "import { a } from './index.ts';\nexport { a };" },
  },
  {
    name: 'built-in module in a pure room',
    rule: 'node-import',
    files: { 'src/wire/x.ts': "import net from 'node:net';" },
  },
  {
    name: 'built-in type in a pure room',
    rule: 'node-import',
    files: { 'src/sim/x.ts': "import type { Socket } from 'node:net';" },
  },
  { name: 'npm package in a pure room', rule: 'npm-import', files: { 'src/wire/x.ts': "import 'commander';" } },
  {
    name: 'undeclared npm package',
    rule: 'undeclared-package',
    files: { 'src/node/x.ts': "import '@scope/name/sub';" },
  },
  {
    name: 'built-in module without its prefix',
    rule: 'undeclared-package',
    files: { 'src/node/x.ts': "import 'fs';" },
  },
  {
    name: 'computed import in a pure room',
    rule: 'computed-import',
    files: { 'src/base/x.ts': "export const m = import('./by' + 'tes.ts');" },
  },
  { name: 'Math.random', rule: 'randomness', files: { 'src/swarm/x.ts': 'export const r = Math.random();' } },
  {
    name: 'Math.random by index',
    rule: 'randomness',
    files: { 'src/swarm/x.ts': "export const r = Math['random']();" },
  },
  {
    name: 'Math.random by destructuring',
    rule: 'randomness',
    files: { 'src/swarm/x.ts': 'export const { random } = Math;' },
  },
  {
    name: 'globalThis.Date',
    rule: 'impure-name',
    files: { 'src/swarm/x.ts': 'export const t = globalThis.Date.now();' },
  },
  { name: 'async function', rule: 'impure-name', files: { 'src/swarm/x.ts': 'export async function f() {}' } },
  {
    name: 'await in a loop',
    rule: 'impure-name',
    files: { 'src/swarm/x.ts': 'export function f(x) { for await (const y of x) y(); }' },
  },
  { name: 'Promise as a type', rule: 'impure-name', files: { 'src/session/x.ts': 'export type P = Promise<void>;' } },
  {
    name: 'clock inside a template',
    rule: 'impure-name',
    files: { 'src/trace/x.ts': 'export const t = `at ${Date.now()}`;' },
  },
  { name: 'clock as a shorthand', rule: 'impure-name', files: { 'src/trace/x.ts': 'export const t = { Date };' } },
  { name: 'clock in a condition', rule: 'impure-name', files: { 'src/trace/x.ts': 'export const t = 1 ? Date : 2;' } },
  {
    name: 'import.meta in a pure room',
    rule: 'impure-name',
    files: { 'src/wire/x.ts': 'export const u = import.meta.url;' },
  },
  ...[
    'Date',
    'performance',
    'setTimeout',
    'setInterval',
    'queueMicrotask',
    'console',
    'process',
    'Buffer',
    'require',
  ].map((word) => ({
    name: `${word} in a pure room`,
    rule: 'impure-name',
    files: { 'src/tracker/x.ts': `export const x = ${word};` },
  })),
];

function checkPlanted(files) {
  const root = mkdtempSync(join(tmpdir(), 'eider-layers-'));
  try {
    for (const [path, text] of Object.entries(files)) {
      mkdirSync(dirname(join(root, path)), { recursive: true });
      writeFileSync(join(root, path), text);
    }
    return checkTree(root, new Set(['commander']));
  } finally {
    rmSync(root, { recursive: true, force: true });
  }
}

const formatViolation = ({ file, line, rule, message }) => `${file}:${line} ${rule}: ${message}`;

/** @returns what went wrong, empty when every plant was caught and nothing innocent was accused */
function selfTest() {
  const failures = checkPlanted(innocent).map((violation) => `innocent code accused: ${formatViolation(violation)}`);
  for (const { name, rule, files } of plants) {
    const found = checkPlanted({ ...innocent, ...files });
    if (!found.some((violation) => violation.rule === rule)) failures.push(`not caught: ${name} (${rule})`);
    for (const violation of found) {
      if (violation.rule !== rule) failures.push(`${name}: accused of another thing: ${formatViolation(violation)}`);
    }
  }
  return failures;
}

function main() {
  if (process.argv.includes('--self-test')) {
    const failures = selfTest();
    for (const failure of failures) process.stderr.write(`${failure}\n`);
    process.stdout.write(`layers self-test: ${plants.length} planted violations, ${failures.length} failures\n`);
    return failures.length === 0 ? 0 : 1;
  }
  const manifest = JSON.parse(readFileSync(join(projectRoot, 'package.json'), 'utf8'));
  const dependencies = new Set(
    ['dependencies', 'optionalDependencies', 'peerDependencies'].flatMap((kind) => Object.keys(manifest[kind] ?? {})),
  );
  const violations = [...checkConfigs(), ...checkTree(projectRoot, dependencies)];
  for (const violation of violations) process.stderr.write(`${formatViolation(violation)}\n`);
  const count = listSources(join(projectRoot, 'src')).length;
  process.stdout.write(
    `layers: ${count} files in ${relative(process.cwd(), join(projectRoot, 'src')) || 'src'}, ${violations.length} violations\n`,
  );
  return violations.length === 0 ? 0 : 1;
}

if (process.argv[1] === fileURLToPath(import.meta.url)) process.exitCode = main();

/**
 * The one table of rooms (docs/architecture.md): who may import whom, and which rooms are pure.
 *
 *     node tools/rooms.mjs --write   writes every room's tsconfig.json and the root tsconfig.json from the table
 *
 * `tools/check-layers.mjs` enforces the table on the sources and refuses a tsconfig.json that differs from it.
 */
import { existsSync, mkdirSync, readFileSync, writeFileSync } from 'node:fs';
import { dirname, join } from 'node:path';
import { fileURLToPath } from 'node:url';

export const projectRoot = dirname(dirname(fileURLToPath(import.meta.url)));

const formats = ['base', 'bencode', 'trace', 'wire', 'metainfo'];
const pure = [...formats, 'swarm', 'tracker', 'session'];
const library = [...pure, 'hash', 'node'];

/** Lower rooms first: a room may only name rooms above it in this object. */
export const rooms = {
  base: { pure: true, mayImport: [] },
  bencode: { pure: true, mayImport: ['base'] },
  trace: { pure: true, mayImport: ['base'] },
  wire: { pure: true, mayImport: ['base', 'bencode'] },
  metainfo: { pure: true, mayImport: ['base', 'bencode'] },
  swarm: { pure: true, mayImport: formats },
  tracker: { pure: true, mayImport: formats },
  session: { pure: true, mayImport: [...formats, 'swarm'] },
  hash: { pure: false, mayImport: formats },
  node: { pure: false, mayImport: [...pure, 'hash'] },
  sim: { pure: true, mayImport: pure },
  client: { pure: false, mayImport: library },
  create: { pure: false, mayImport: library },
  trackerd: { pure: false, mayImport: [...formats, 'tracker', 'hash', 'node'] },
  cli: { pure: false, mayImport: [...library, 'sim', 'client', 'create', 'trackerd'] },
};

/**
 * Projects outside src/: they may import every room, through the `#room` names of package.json. `fuzz` also imports `test/support/`, by
 * relative path.
 */
export const outerProjects = ['test', 'bench', 'fuzz', 'examples'];
/** Projects outside src/ whose files another of them imports: the compiler wants their declarations. */
const importedOuter = { fuzz: ['test'] };

function toText(config) {
  return `${JSON.stringify(config, null, 2)}\n`
    .replace(/\{\s+("path": "[^"]+")\s+\}/g, '{ $1 }')
    .replace(/\[\s+("[^"{}\n]*"(?:,\s+"[^"{}\n]*")*)\s+\]/g, (_, items) => `[${items.replace(/,\s+/g, ', ')}]`);
}

/** Text of every generated tsconfig.json, by path from the project root. */
export function formatConfigs() {
  const configs = new Map();
  const names = Object.keys(rooms);
  const toReference = (path) => ({ path });
  configs.set(
    'tsconfig.json',
    toText({ files: [], references: [...names.map((name) => `src/${name}`), ...outerProjects].map(toReference) }),
  );
  for (const [name, room] of Object.entries(rooms)) {
    configs.set(
      `src/${name}/tsconfig.json`,
      toText({
        extends: '../../tsconfig.base.json',
        compilerOptions: { rootDir: '.', outDir: `../../dist/${name}`, types: room.pure ? [] : ['node'] },
        include: room.pure && name !== 'base' ? ['**/*.ts', '../base/platform.d.ts'] : ['**/*.ts'],
        references: room.mayImport.map((lower) => toReference(`../${lower}`)),
      }),
    );
  }
  for (const name of outerProjects) {
    const imported = importedOuter[name] ?? [];
    const isImported = Object.values(importedOuter).some((names) => names.includes(name));
    configs.set(
      `${name}/tsconfig.json`,
      toText({
        extends: '../tsconfig.base.json',
        compilerOptions: {
          rootDir: '.',
          outDir: `../build/${name}`,
          types: ['node'],
          declaration: isImported,
          isolatedDeclarations: false,
          composite: isImported,
          incremental: true,
        },
        include: ['**/*.ts'],
        references: [...names.map((room) => `../src/${room}`), ...imported.map((outer) => `../${outer}`)].map(
          toReference,
        ),
      }),
    );
  }
  return configs;
}

if (process.argv[1] === fileURLToPath(import.meta.url)) {
  if (process.argv[2] !== '--write') {
    process.stderr.write('usage: node tools/rooms.mjs --write\n');
    process.exit(2);
  }
  for (const [path, text] of formatConfigs()) {
    const file = join(projectRoot, path);
    mkdirSync(dirname(file), { recursive: true });
    if (!existsSync(file) || readFileSync(file, 'utf8') !== text) writeFileSync(file, text);
  }
}

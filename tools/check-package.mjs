/**
 * Checks the package as its users get it: `npm pack`, publint, installation in an empty folder, import of every export
 * (and of its types), and `eider --help` from there. Expects a finished build.
 */
import { spawnSync } from 'node:child_process';
import { mkdirSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { projectRoot } from './rooms.mjs';

const manifest = JSON.parse(readFileSync(join(projectRoot, 'package.json'), 'utf8'));
const entries = Object.keys(manifest.exports).filter((path) => !path.endsWith('.json'));
const specifiers = entries.map((path) => manifest.name + path.slice(1));

function run(title, command, args, options = {}) {
  const { status, error, stdout, stderr } = spawnSync(command, args, { encoding: 'utf8', ...options });
  if (status === 0) return stdout;
  throw new Error(`${title} failed (${error?.message ?? `code ${status}`})\n${stdout ?? ''}${stderr ?? ''}`);
}

function checkContents(files) {
  const wrong = files.filter((path) =>
    /tsbuildinfo$|^(test|bench|fuzz|build|tools|examples|node_modules)\/|\.test\./.test(path),
  );
  if (wrong.length > 0) throw new Error(`files that do not belong into the package: ${wrong.join(', ')}`);
  const targets = entries.flatMap((path) => Object.values(manifest.exports[path]));
  const missing = ['LICENSE', ...targets]
    .map((path) => path.replace(/^\.\//, ''))
    .filter((path) => !files.includes(path));
  if (missing.length > 0) throw new Error(`files missing from the package: ${missing.join(', ')}`);
}

function checkTypes(folder) {
  const lines = specifiers.map((specifier, i) => `import * as entry${i} from '${specifier}';`);
  lines.push(`export const entries: readonly unknown[] = [${specifiers.map((_, i) => `entry${i}`).join(', ')}];`);
  writeFileSync(join(folder, 'use.ts'), `${lines.join('\n')}\n`);
  const config = {
    compilerOptions: {
      strict: true,
      noEmit: true,
      module: 'nodenext',
      target: 'ES2023',
      lib: ['ES2023'],
      types: ['node'],
      typeRoots: [join(projectRoot, 'node_modules/@types')],
      skipLibCheck: true,
    },
    files: ['use.ts'],
  };
  writeFileSync(join(folder, 'tsconfig.json'), JSON.stringify(config));
  run('type check', process.execPath, [join(projectRoot, 'node_modules/typescript/bin/tsc'), '-p', folder]);
}

function main(folder) {
  const packed = JSON.parse(
    run('npm pack', 'npm', ['pack', '--json', '--ignore-scripts', '--pack-destination', folder], { cwd: projectRoot }),
  )[0];
  checkContents(packed.files.map(({ path }) => path));
  const tarball = join(folder, packed.filename);
  process.stdout.write(`package: ${packed.files.length} files, ${Math.round(packed.size / 1024)} KiB packed\n`);

  const publint = join(projectRoot, 'node_modules/.bin/publint');
  process.stdout.write(run('publint', publint, ['run', tarball, '--strict'], { cwd: projectRoot }));

  const user = join(folder, 'user');
  mkdirSync(user);
  writeFileSync(
    join(user, 'package.json'),
    JSON.stringify({ name: 'user', version: '1.0.0', private: true, type: 'module' }),
  );
  run('npm install', 'npm', ['install', '--no-audit', '--no-fund', tarball], { cwd: user });

  const script = `for (const s of ${JSON.stringify(specifiers)}) console.log(s, Object.keys(await import(s)).length, 'names');`;
  process.stdout.write(run('import', process.execPath, ['--input-type=module', '-e', script], { cwd: user }));
  checkTypes(user);
  process.stdout.write(`types: ${specifiers.length} entries compile for a user\n`);

  const eider = join(user, 'node_modules/.bin/eider');
  const help = run('eider --help', eider, ['--help'], { cwd: user });
  if (!help.includes('eider')) throw new Error(`eider --help does not name itself:\n${help}`);
  process.stdout.write('eider --help: good\n');
}

const folder = mkdtempSync(join(tmpdir(), 'eider-package-'));
try {
  main(folder);
  process.stdout.write('package: all good\n');
} catch (error) {
  process.stderr.write(`package: ${error.message}\n`);
  process.exitCode = 1;
} finally {
  rmSync(folder, { recursive: true, force: true });
}

/**
 * Builds src/, test/, bench/, fuzz/ and examples/ with `tsc -b`, and `dist/lib` from what comes of src/ (incremental: nothing to do takes
 * a fraction of a second).
 *
 * What `tsc -b` does not do by itself: outputs of deleted sources are removed, and everything is built anew when a
 * tsconfig or the compiler changed (it can repeat a stale error otherwise).
 *
 *     node tools/build.mjs [--clean]
 */
import { spawnSync } from 'node:child_process';
import { createHash } from 'node:crypto';
import { existsSync, mkdirSync, readdirSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { dirname, join, relative } from 'node:path';
import { fileURLToPath } from 'node:url';
import { bundle } from './bundle.mjs';
import { outerProjects, projectRoot, rooms } from './rooms.mjs';

const stampFile = join(projectRoot, 'build/.config-stamp');

function* walk(folder) {
  if (!existsSync(folder)) return;
  for (const entry of readdirSync(folder, { withFileTypes: true })) {
    const path = join(folder, entry.name);
    if (entry.isDirectory()) yield* walk(path);
    else yield path;
  }
}

/** Every project as { source, output } folders. */
function projects() {
  return [
    ...Object.keys(rooms).map((name) => ({ source: `src/${name}`, output: `dist/${name}` })),
    ...outerProjects.map((name) => ({ source: name, output: `build/${name}` })),
  ].map(({ source, output }) => ({ source: join(projectRoot, source), output: join(projectRoot, output) }));
}

/** Removes outputs whose source is gone, in rooms that still exist and in rooms that do not. */
function removeStaleOutputs() {
  for (const { source, output } of projects()) {
    for (const file of walk(output)) {
      const match = /^(.*?)(?:\.d\.ts|\.js\.map|\.js)$/.exec(relative(output, file));
      if (match !== null && !existsSync(join(source, `${match[1]}.ts`))) rmSync(file, { force: true });
    }
  }
  const known = new Set([...Object.keys(rooms), 'lib']);
  const dist = join(projectRoot, 'dist');
  if (!existsSync(dist)) return;
  for (const name of readdirSync(dist))
    if (!known.has(name)) rmSync(join(dist, name), { recursive: true, force: true });
}

function hashConfigs() {
  const hash = createHash('sha256');
  const files = ['tsconfig.json', 'tsconfig.base.json', 'node_modules/typescript/package.json'];
  for (const { source } of projects()) files.push(relative(projectRoot, join(source, 'tsconfig.json')));
  for (const file of files) {
    const path = join(projectRoot, file);
    hash.update(`${file}\0`).update(existsSync(path) ? readFileSync(path) : 'absent');
  }
  return hash.digest('hex');
}

/** Removes every output. */
export function clean() {
  for (const { output } of projects()) rmSync(output, { recursive: true, force: true });
  rmSync(join(projectRoot, 'dist'), { recursive: true, force: true });
  rmSync(stampFile, { force: true });
}

/** @returns the exit code: 0 built, anything else: the compiler has printed its errors */
export async function build() {
  const stamp = hashConfigs();
  if (!existsSync(stampFile) || readFileSync(stampFile, 'utf8') !== stamp) clean();
  else removeStaleOutputs();
  mkdirSync(dirname(stampFile), { recursive: true });
  writeFileSync(stampFile, stamp);

  const compiler = join(projectRoot, 'node_modules/typescript/bin/tsc');
  const result = spawnSync(process.execPath, [compiler, '-b'], { cwd: projectRoot, stdio: 'inherit' });
  if (result.error) process.stderr.write(`build: the compiler did not start: ${result.error.message}\n`);
  if (result.status !== 0) return result.status ?? 1;
  try {
    await bundle();
    return 0;
  } catch (error) {
    process.stderr.write(`build: dist/lib: ${error.message}\n`);
    return 1;
  }
}

if (process.argv[1] === fileURLToPath(import.meta.url)) {
  if (process.argv.includes('--clean')) clean();
  else process.exit(await build());
}

/**
 * Installs the foreign programs from npm that the interop tests and the benches use (npm's bittorrent-tracker, WebRTC for its client, and
 * create-torrent) into `build/interop-npm`, exactly as `test/interop/npm/package-lock.json` names them. They are no dependency of
 * Eider: who does not run this has those tests skipped. Does nothing where it has been done.
 *
 *     node tools/install-interop-npm.mjs                  the programs
 *     node tools/install-interop-npm.mjs --newest-node    the newest Node release, for benches with --newest-node: 60 MB to fetch, 210 MB
 *                                                         in build/newest-node; as bench/node/package-lock.json names it
 */
import { spawnSync } from 'node:child_process';
import { copyFileSync, existsSync, mkdirSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { readArguments } from './arguments.mjs';

const projectRoot = fileURLToPath(new URL('..', import.meta.url));
const values = readArguments(import.meta.filename, { 'newest-node': { type: 'boolean' } });
if (values['newest-node']) install('bench/node', 'build/newest-node', 'newest Node');
else install('test/interop/npm', 'build/interop-npm', 'interop packages of npm');

/** Where the lockfile of `from` has not been installed into `to` yet. */
function install(from, to, what) {
  const source = join(projectRoot, from);
  const target = join(projectRoot, to);
  const stampFile = join(target, '.installed');
  const wanted = readFileSync(join(source, 'package-lock.json'), 'utf8');
  if (existsSync(stampFile) && readFileSync(stampFile, 'utf8') === wanted) {
    process.stdout.write(`${what}: all installed\n`);
    return;
  }
  mkdirSync(target, { recursive: true });
  rmSync(stampFile, { force: true });
  for (const name of ['package.json', 'package-lock.json']) copyFileSync(join(source, name), join(target, name));
  // No install scripts: what is foreign runs in tests and benches only. Optional packages carry the native parts, prebuilt.
  const result = spawnSync('npm', ['ci', '--ignore-scripts', '--no-audit', '--no-fund'], {
    cwd: target,
    stdio: 'inherit',
    shell: process.platform === 'win32',
  });
  if (result.error) process.stderr.write(`${what}: npm did not start: ${result.error.message}\n`);
  if (result.status !== 0) process.exit(result.status ?? 1);
  writeFileSync(stampFile, wanted);
  process.stdout.write(`${what}: installed\n`);
}

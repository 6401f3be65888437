/**
 * Installs the foreign programs from npm that the interop tests and the load comparison use (npm's bittorrent-tracker, and WebRTC
 * for its client) into `build/interop-npm`, exactly as `test/interop/npm/package-lock.json` names them. They are no dependency of
 * Eider: who does not run this has those tests skipped. Does nothing where it has been done.
 *
 *     node tools/install-interop-npm.mjs
 */
import { spawnSync } from 'node:child_process';
import { copyFileSync, existsSync, mkdirSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';

const projectRoot = fileURLToPath(new URL('..', import.meta.url));
const source = join(projectRoot, 'test/interop/npm');
const target = join(projectRoot, 'build/interop-npm');
const stampFile = join(target, '.installed');

const wanted = readFileSync(join(source, 'package-lock.json'), 'utf8');
if (existsSync(stampFile) && readFileSync(stampFile, 'utf8') === wanted) {
  process.stdout.write('interop packages of npm: all installed\n');
} else {
  mkdirSync(target, { recursive: true });
  rmSync(stampFile, { force: true });
  for (const name of ['package.json', 'package-lock.json']) copyFileSync(join(source, name), join(target, name));
  // No install scripts: what is foreign runs in the tests only. Optional packages carry the native parts, prebuilt.
  const result = spawnSync('npm', ['ci', '--ignore-scripts', '--no-audit', '--no-fund'], {
    cwd: target,
    stdio: 'inherit',
    shell: process.platform === 'win32',
  });
  if (result.error) process.stderr.write(`interop packages of npm: npm did not start: ${result.error.message}\n`);
  if (result.status !== 0) process.exit(result.status ?? 1);
  writeFileSync(stampFile, wanted);
  process.stdout.write('interop packages of npm: installed\n');
}

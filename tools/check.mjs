/** `npm run check`: types (the build that came before), format and lint, layers with their self-test, documents. */
import { spawnSync } from 'node:child_process';
import { projectRoot } from './rooms.mjs';

const steps = [
  ['node_modules/@biomejs/biome/bin/biome', 'check', '--error-on-warnings', '--max-diagnostics=50', '.'],
  ['tools/check-layers.mjs', '--self-test'],
  ['tools/check-layers.mjs'],
  ['tools/check-docs.mjs'],
  ['tools/limits-doc.mjs'],
  ['tools/tracker-config-doc.mjs'],
];

let failures = 0;
for (const step of steps) {
  const { status } = spawnSync(process.execPath, step, { cwd: projectRoot, stdio: 'inherit' });
  if (status !== 0) {
    failures++;
    process.stderr.write(`check: failed: ${step.join(' ')}\n`);
  }
}
process.stdout.write(failures === 0 ? 'check: all good\n' : `check: ${failures} of ${steps.length} steps failed\n`);
process.exitCode = failures === 0 ? 0 : 1;

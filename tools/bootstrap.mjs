/**
 * Entry of every npm script: works right after `git clone`, with no node_modules.
 *
 *     node tools/bootstrap.mjs <target> [arguments]
 *
 * 1. `npm ci`, only if node_modules is missing, unfinished, or older than package-lock.json says
 * 2. the build (incremental)
 * 3. the target, with inherited stdio; its exit code and the signals sent to us are passed on
 *
 * Plain JavaScript, no dependencies: it runs before anything is installed.
 */
import { spawn } from 'node:child_process';
import { createHash } from 'node:crypto';
import { existsSync, readFileSync, writeFileSync } from 'node:fs';
import { constants } from 'node:os';
import { join } from 'node:path';
import { projectRoot } from './rooms.mjs';

/** A target: the commands to run in order after install and build; `build: false` skips the build. */
const targets = {
  build: { commands: [] },
  test: { commands: [['tools/run-tests.mjs']] },
  'test-interop': { commands: [['tools/run-tests.mjs', '--interop']] },
  check: { commands: [['tools/check.mjs']] },
  'check-package': { commands: [['tools/check-package.mjs']] },
  format: { build: false, commands: [['node_modules/@biomejs/biome/bin/biome', 'check', '--write', '.']] },
  demo: { commands: [['build/examples/demo.js']] },
  sim: { commands: [['tools/sim.mjs']] },
  'sim-soak': { commands: [['tools/sim-soak.mjs']] },
  'sim-policies': { commands: [['tools/sim-policies.mjs']] },
  'sim-mutants': { commands: [['tools/sim-mutants.mjs']] },
  bench: { commands: [['build/bench/main.js']] },
  fuzz: { commands: [['build/fuzz/main.js']] },
};

const minimumNode = [20, 19];

function isNodeTooOld() {
  const [major = 0, minor = 0] = process.versions.node.split('.').map(Number);
  return major < minimumNode[0] || (major === minimumNode[0] && minor < minimumNode[1]);
}

/**
 * Runs a child to its end. Ctrl-C reaches the whole process group by itself; a signal sent to this process alone is
 * passed on, and in both cases we stay until the child has cleaned up.
 */
function run(command, args, options = {}) {
  return new Promise((resolve) => {
    const child = spawn(command, args, { cwd: projectRoot, stdio: 'inherit', ...options });
    const forward = (signal) => {
      // From a terminal the child has had its SIGINT already, a second one could mean "now, without cleaning up".
      if (signal === 'SIGINT' && process.stdin.isTTY) return;
      child.kill(signal);
    };
    const signals = ['SIGINT', 'SIGTERM', 'SIGHUP'];
    for (const signal of signals) process.on(signal, forward);
    const finish = (code) => {
      for (const signal of signals) process.off(signal, forward);
      resolve(code);
    };
    child.on('error', (error) => {
      process.stderr.write(`${command} did not start: ${error.message}\n`);
      finish(127);
    });
    child.on('exit', (code, signal) => finish(code ?? 128 + (constants.signals[signal] ?? 0)));
  });
}

function lockHash() {
  return createHash('sha256')
    .update(readFileSync(join(projectRoot, 'package-lock.json')))
    .update(`${process.platform}-${process.arch}`)
    .digest('hex');
}

/** @returns 0, or the exit code of a failed `npm ci` */
async function install() {
  const stampFile = join(projectRoot, 'node_modules/.eider-lock-stamp');
  const wanted = lockHash();
  if (existsSync(stampFile) && readFileSync(stampFile, 'utf8') === wanted) return 0;
  process.stderr.write('installing dependencies (npm ci)\n');
  const isWindows = process.platform === 'win32';
  // npm passes its own settings of `npm run` on by environment; they are right for this child too.
  const code = await run(isWindows ? 'npm.cmd' : 'npm', ['ci', '--no-audit', '--no-fund', '--loglevel=error'], {
    shell: isWindows,
    // stdout belongs to the target.
    stdio: ['ignore', 2, 2],
  });
  if (code === 0) writeFileSync(stampFile, wanted);
  else process.stderr.write(`npm ci failed with code ${code}: is the npm registry reachable?\n`);
  return code;
}

async function main() {
  const [name = '', ...args] = process.argv.slice(2);
  const target = Object.hasOwn(targets, name) ? targets[name] : undefined;
  if (target === undefined) {
    process.stderr.write(`unknown target '${name}', known: ${Object.keys(targets).join(' ')}\n`);
    return 2;
  }
  if (isNodeTooOld()) {
    process.stderr.write(`Eider needs Node ${minimumNode.join('.')} or later, this is ${process.version}\n`);
    return 1;
  }
  const installed = await install();
  if (installed !== 0) return installed;
  if (target.build !== false) {
    const { build } = await import('./build.mjs');
    const built = await build();
    if (built !== 0) return built;
  }
  for (const [script, ...fixed] of target.commands) {
    const path = join(projectRoot, script);
    if (!existsSync(path)) {
      process.stderr.write(`npm run ${name}: ${script} does not exist yet\n`);
      return 1;
    }
    const code = await run(process.execPath, [path, ...fixed, ...args]);
    if (code !== 0) return code;
  }
  return 0;
}

process.exitCode = await main();

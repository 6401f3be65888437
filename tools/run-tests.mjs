/**
 * Runs the built tests: one process a suite folder (one a file for sim, e2e and interop), one after the other.
 *
 *     node tools/run-tests.mjs [--interop] [--name PATTERN] [--timeout SECONDS] [PATH-PART]...
 *
 * A PATH-PART keeps the test files whose path contains it. The run fails on a failed test, on zero tests, and on a
 * process that does not end in time. The last line of stdout is `N passed, N failed, N skipped`.
 * Properties have the same values in every run; EIDER_SEED=N gives others.
 * This does not build: `npm test` does, then calls this.
 */
import { spawn } from 'node:child_process';
import { existsSync, mkdirSync, readdirSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { join, relative, sep } from 'node:path';
import { pathToFileURL } from 'node:url';
import { isCurrent } from './bundle.mjs';
import { projectRoot } from './rooms.mjs';

const suites = [
  { name: 'unit', timeoutMs: 120_000 },
  { name: 'property', timeoutMs: 120_000 },
  { name: 'contract', timeoutMs: 120_000 },
  { name: 'sim', timeoutMs: 240_000, processPerFile: true },
  { name: 'conformance', timeoutMs: 120_000 },
  { name: 'fuzz', timeoutMs: 120_000 },
  { name: 'e2e', timeoutMs: 120_000, processPerFile: true },
];
const interopSuites = [{ name: 'interop', timeoutMs: 600_000, processPerFile: true }];

const builtTests = join(projectRoot, 'build/test');
const builtFuzz = join(projectRoot, 'build/fuzz');
// One a run, so that two runs in one work tree do not meet.
const workFolder = join(projectRoot, `build/test-run-${process.pid}`);
const conformanceCountFile = join(projectRoot, 'build/conformance-count.json');
const conformanceFolder = join(projectRoot, '../shared/conformance');
const killAfterMs = 5_000;
/** Values of the properties: the same in every run unless others are asked for. */
const propertySeed = readSeed(process.env.EIDER_SEED ?? '1');

function readSeed(text) {
  const seed = Number(text);
  // Other bits are not looked at by fast-check.
  if (Number.isInteger(seed) && seed >= 0 && seed < 2 ** 31) return seed;
  process.stderr.write(
    `EIDER_SEED is ${JSON.stringify(text)}, and has to be a whole number from 0 to ${2 ** 31 - 1}\n`,
  );
  process.exit(2);
}

function parseArguments(args) {
  const options = { interop: false, name: undefined, timeoutMs: undefined, parts: [] };
  for (let i = 0; i < args.length; i++) {
    const arg = args[i];
    if (arg === '--interop') options.interop = true;
    else if (arg === '--name' && i + 1 < args.length) options.name = args[++i];
    else if (arg === '--timeout' && Number(args[i + 1]) > 0) options.timeoutMs = Number(args[++i]) * 1000;
    else if (arg.startsWith('-')) {
      process.stderr.write(
        `unknown option ${arg}; usage: npm test -- [--name PATTERN] [--timeout SECONDS] [PATH-PART]...\n`,
      );
      process.exit(2);
    } else options.parts.push(arg);
  }
  return options;
}

function findTests(suite, parts) {
  // The replay of the fuzz targets lies beside them.
  const folder = suite === 'fuzz' ? builtFuzz : join(builtTests, suite);
  if (!existsSync(folder)) return [];
  return readdirSync(folder, { recursive: true })
    .map((path) => join(folder, path))
    .filter((path) => path.endsWith('.test.js'))
    .filter((path) => {
      const source = relative(join(projectRoot, 'build'), path).split(sep).join('/').replace(/\.js$/, '.ts');
      return parts.length === 0 || parts.some((part) => source.includes(part));
    })
    .sort();
}

/** One module that imports every test file; a file that does not load is a failed test, and the others still run. */
function writeIndex(name, files) {
  const lines = [
    "import { test } from 'node:test';",
    "import fc from 'fast-check';",
    `fc.configureGlobal({ seed: ${propertySeed} });`,
    // The parent sends SIGTERM to a process that is out of time.
    "process.once('SIGTERM', () => {",
    "  process.stderr.write(`still open: ${process.getActiveResourcesInfo().join(', ') || 'nothing'}\\n`);",
    '  process.exit(1);',
    '});',
    'const load = async (url, name) => {',
    '  try {',
    '    await import(url);',
    '  } catch (error) {',
    '    test(`${name} loads`, () => {',
    '      throw error;',
    '    });',
    '  }',
    '};',
    ...files.map((file) => {
      const url = JSON.stringify(pathToFileURL(file).href);
      return `await load(${url}, ${JSON.stringify(relative(builtTests, file))});`;
    }),
  ];
  const path = join(workFolder, `${name}.mjs`);
  writeFileSync(path, `${lines.join('\n')}\n`);
  return path;
}

function readEvents(path) {
  if (!existsSync(path)) return [];
  const events = [];
  for (const line of readFileSync(path, 'utf8').split('\n')) {
    try {
      if (line !== '') events.push(JSON.parse(line));
    } catch {
      // The last line of a killed process may be cut.
    }
  }
  return events;
}

/** Names of tests that began and gave no result. */
function unfinished(events) {
  const open = new Map();
  for (const { event, name, nesting } of events) {
    const key = `${nesting} ${name}`;
    open.set(key, (open.get(key) ?? 0) + (event === 'started' ? 1 : -1));
  }
  return [...open].filter(([, count]) => count > 0).map(([key]) => key.slice(key.indexOf(' ') + 1));
}

let running;

function stop(signal) {
  if (running?.pid === undefined) return;
  try {
    // The whole group: a test may have started programs of its own.
    process.kill(process.platform === 'win32' ? running.pid : -running.pid, signal);
  } catch {
    // It has just ended.
  }
}

for (const [signal, code] of [
  ['SIGINT', 130],
  ['SIGTERM', 143],
]) {
  process.on(signal, () => {
    stop('SIGTERM');
    setTimeout(() => stop('SIGKILL'), killAfterMs).unref();
    process.exitCode = code;
    interrupted = code;
  });
}
let interrupted = 0;

async function runProcess({ title, key, files, timeoutMs, name }) {
  const index = writeIndex(key, files);
  const eventFile = join(workFolder, `${key}.jsonl`);
  rmSync(eventFile, { force: true });
  const args = [
    '--enable-source-maps',
    '--test-reporter=spec',
    '--test-reporter-destination=stdout',
    `--test-reporter=${pathToFileURL(join(projectRoot, 'tools/test-reporter.mjs')).href}`,
    `--test-reporter-destination=${eventFile}`,
  ];
  if (name !== undefined) args.push(`--test-name-pattern=${name}`);
  const startedAt = performance.now();
  let isOutOfTime = false;
  const { code, signal } = await new Promise((resolve) => {
    running = spawn(process.execPath, [...args, index], {
      cwd: projectRoot,
      stdio: ['ignore', 'inherit', 'inherit'],
      detached: process.platform !== 'win32',
    });
    const timer = setTimeout(() => {
      isOutOfTime = true;
      stop('SIGTERM');
      setTimeout(() => stop('SIGKILL'), killAfterMs).unref();
    }, timeoutMs);
    running.on('error', (error) => resolve({ code: 127, signal: error.message }));
    running.on('exit', (exitCode, exitSignal) => {
      clearTimeout(timer);
      resolve({ code: exitCode, signal: exitSignal });
    });
  });
  // Programs a test left behind would disturb the next suite.
  stop('SIGKILL');
  running = undefined;

  const events = readEvents(eventFile);
  const count = (outcome) => events.filter(({ event }) => event === outcome).length;
  const result = { passed: count('passed'), failed: count('failed'), skipped: count('skipped') };
  const total = result.passed + result.failed + result.skipped;
  const seconds = ((performance.now() - startedAt) / 1000).toFixed(1);
  const problem = (text) => {
    process.stderr.write(`\n${title}: ${text}\n`);
    if (result.failed === 0) result.failed = 1;
  };
  if (isOutOfTime) {
    const open = unfinished(events);
    const reason =
      open.length > 0
        ? `unfinished: ${open.join(' | ')}`
        : `${total} tests ended, so a test never yields, or something left open keeps the process alive`;
    problem(`killed, it did not end within ${timeoutMs / 1000} s; ${reason}`);
  } else if (interrupted === 0 && code !== 0) {
    if (result.failed === 0) problem(`the process ended with ${signal ?? `code ${code}`} outside of any test`);
  } else if (total === 0 && name === undefined && interrupted === 0) problem('has test files, but ran no test');
  process.stdout.write(
    `${title}: ${result.passed} passed, ${result.failed} failed, ${result.skipped} skipped in ${seconds} s\n\n`,
  );
  return result;
}

/** @returns whether the conformance cases ran where they are there */
function reportConformance() {
  const isPresent = existsSync(conformanceFolder);
  if (!existsSync(conformanceCountFile)) {
    if (isPresent) process.stdout.write('conformance: the cases are there, but no suite ran them\n');
    else process.stdout.write('conformance: skipped, ../shared/conformance is not there\n');
    return !isPresent;
  }
  const { run, skipped } = JSON.parse(readFileSync(conformanceCountFile, 'utf8'));
  process.stdout.write(`conformance: ${run} cases run\n`);
  if (skipped > 0) process.stdout.write(`conformance cases skipped: ${skipped}\n`);
  return !isPresent || run > 0;
}

async function main() {
  const { interop, name, timeoutMs, parts } = parseArguments(process.argv.slice(2));
  mkdirSync(workFolder, { recursive: true });
  const isWhole = !interop && parts.length === 0 && name === undefined;
  if (isWhole) rmSync(conformanceCountFile, { force: true });
  const sum = { passed: 0, failed: 0, skipped: 0 };
  for (const suite of interop ? interopSuites : suites) {
    const files = findTests(suite.name, parts);
    const groups = suite.processPerFile ? files.map((file) => [file]) : files.length > 0 ? [files] : [];
    for (const [i, group] of groups.entries()) {
      if (interrupted !== 0) break;
      const title = suite.processPerFile
        ? relative(builtTests, group[0]).replace(/\.js$/, '.ts')
        : `${suite.name} (${group.length} files)`;
      const result = await runProcess({
        title,
        key: suite.processPerFile ? `${suite.name}-${i}` : suite.name,
        files: group,
        timeoutMs: timeoutMs ?? suite.timeoutMs,
        name,
      });
      for (const outcome of Object.keys(sum)) sum[outcome] += result[outcome];
    }
  }
  const isConformanceDone = isWhole && interrupted === 0 ? reportConformance() : true;
  const total = sum.passed + sum.failed + sum.skipped;
  if (total === 0) process.stdout.write('no test ran\n');
  // Tests of library and command run what is shipped; the others what the compiler wrote.
  if (!isCurrent())
    process.stderr.write('dist/lib is not what comes of the compiled rooms: `npm run build` makes it\n');
  process.stdout.write(`${sum.passed} passed, ${sum.failed} failed, ${sum.skipped} skipped\n`);
  if (interrupted !== 0) return interrupted;
  return total > 0 && sum.passed > 0 && sum.failed === 0 && isConformanceDone ? 0 : 1;
}

try {
  process.exitCode = await main();
} finally {
  rmSync(workFolder, { recursive: true, force: true });
}

/**
 * Shows that the simulator can see: plants one bug after the other in a copy of the built engine (tools/mutants.mjs) and runs random
 * swarms until something is noticed.
 *
 *     node tools/sim-mutants.mjs [--seeds COUNT] [--only NAME] [--workers W]
 *
 * Each mutant gets the seeds 1 to COUNT (1,000 by default) until one fails; then the engine as it is runs the same seeds of the same
 * swarms, which must all be good. Prints a table. Exit code 1 where a mutant is not found, its text does not occur exactly once, or the engine itself fails.
 */
import { fork } from 'node:child_process';
import { cpSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { availableParallelism, tmpdir } from 'node:os';
import { join } from 'node:path';
import { fileURLToPath, pathToFileURL } from 'node:url';
import { readArguments } from './arguments.mjs';
import { mutants } from './mutants.mjs';
import { projectRoot } from './rooms.mjs';

/** What the simulator consists of. */
const rooms = ['base', 'bencode', 'trace', 'wire', 'metainfo', 'swarm', 'session', 'tracker', 'sim'];
/** ms that one seed may take: a mutant that does not come to an end is one that is noticed. */
const SEED_MS_MAX = 120_000;

const self = fileURLToPath(import.meta.url);
const values = readArguments(
  import.meta.filename,
  {
    seeds: { type: 'string', default: '1000' },
    only: { type: 'string' },
    workers: { type: 'string', default: String(availableParallelism()) },
    worker: { type: 'string' },
    scenario: { type: 'string' },
  },
  { seeds: true, workers: true },
);

// --- the process that runs one engine ----------------------------------------------------------------------------------------------

async function work(folder) {
  const { crypto, transfer } = await import('./sim-ports.mjs');
  const { findScenario, runRandomSwarm, runScenario } = await import(pathToFileURL(join(folder, 'sim/index.js')).href);
  const scenario = values.scenario === undefined ? undefined : findScenario(values.scenario);
  const count = Number(values.seeds);
  for (let seed = 1; seed <= count; seed++) {
    process.send({ seed });
    try {
      if (scenario === undefined) runRandomSwarm({ seed, crypto, transfer });
      else runScenario(scenario, { seed, crypto, transfer });
    } catch (error) {
      process.send({ seed, failure: error.message.split('\n')[0] });
      process.disconnect();
      return;
    }
  }
  process.send({ seed: count, isOver: true });
  process.disconnect();
}

// --- the process that plants --------------------------------------------------------------------------------------------------------

/** @returns a folder with the built engine, changed where a mutant is given */
function plant(place, mutant) {
  const folder = mkdtempSync(join(place, 'engine-'));
  for (const room of rooms) cpSync(join(projectRoot, 'dist', room), join(folder, room), { recursive: true });
  if (mutant === undefined) return folder;
  const path = join(folder, mutant.file);
  const parts = readFileSync(path, 'utf8').split(mutant.find);
  if (parts.length !== 2) {
    throw new Error(`${mutant.name}: its text occurs ${parts.length - 1} times in dist/${mutant.file}, not once`);
  }
  writeFileSync(path, parts.join(mutant.replace));
  return folder;
}

/** Runs an engine on seeds. @returns the first that failed and how, or that none did */
function run(folder, seeds, scenario) {
  return new Promise((resolve) => {
    const startedAt = performance.now();
    const child = fork(self, [
      '--worker',
      folder,
      '--seeds',
      String(seeds),
      ...(scenario === undefined ? [] : ['--scenario', scenario]),
    ]);
    let last = { seed: 0 };
    let timer;
    child.on('message', (message) => {
      last = message;
      clearTimeout(timer);
      timer = setTimeout(() => child.kill('SIGKILL'), SEED_MS_MAX);
    });
    child.on('exit', (code, signal) => {
      clearTimeout(timer);
      const seconds = (performance.now() - startedAt) / 1000;
      const isWell = code === 0 && (last.failure !== undefined || last.isOver === true);
      const failure = isWell ? last.failure : `did not come to an end (${signal ?? code})`;
      resolve({ seed: last.seed, seconds, failure });
    });
  });
}

async function judge(place, mutant) {
  const folder = plant(place, mutant);
  const result = await run(folder, Number(values.seeds), mutant.scenario);
  rmSync(folder, { recursive: true });
  const { seed, seconds, failure } = result;
  const seen = failure === undefined ? '**not found**' : failure.replaceAll('|', '/');
  process.stdout.write(
    `| ${mutant.name} | ${mutant.breaks} | ${mutant.scenario ?? 'random'} | ${seed} | ${seconds.toFixed(1)} | ${seen} |\n`,
  );
  return { ...result, scenario: mutant.scenario };
}

/** The engine as it is, on everything that the mutants ran. @returns whether it is clean */
async function runEngine(folder, results) {
  const seedsOf = new Map();
  for (const { seed, scenario } of results) seedsOf.set(scenario, Math.max(seed, seedsOf.get(scenario) ?? 0));
  let isClean = true;
  for (const [scenario, seeds] of seedsOf) {
    const { seed, failure, seconds } = await run(folder, seeds, scenario);
    if (failure !== undefined) isClean = false;
    const verdict = failure === undefined ? 'is clean' : `FAILS at seed ${seed} (${failure})`;
    const what = scenario === undefined ? 'random swarms' : scenario;
    process.stdout.write(`the engine itself ${verdict} on ${what} 1 to ${seeds} (${seconds.toFixed(1)} s)\n`);
  }
  return isClean;
}

async function main() {
  const chosen = mutants.filter(({ name }) => values.only === undefined || name === values.only);
  if (chosen.length === 0) {
    process.stderr.write(`no mutant '${values.only}', known: ${mutants.map(({ name }) => name).join(' ')}\n`);
    return 2;
  }
  const place = mkdtempSync(join(tmpdir(), 'eider-mutants-'));
  try {
    for (const mutant of chosen) rmSync(plant(place, mutant), { recursive: true });
    process.stdout.write(
      '| mutant | what it breaks | swarms | seeds | s | what was seen |\n|---|---|---|---:|---:|---|\n',
    );
    const waiting = [...chosen];
    const results = [];
    const take = async () => {
      for (let next = waiting.shift(); next !== undefined; next = waiting.shift())
        results.push(await judge(place, next));
    };
    await Promise.all(Array.from({ length: Number(values.workers) }, take));
    const missed = results.filter(({ failure }) => failure === undefined).length;
    process.stdout.write(`\n${chosen.length - missed} of ${chosen.length} found\n`);
    const isClean = await runEngine(plant(place), results);
    return missed === 0 && isClean ? 0 : 1;
  } finally {
    rmSync(place, { recursive: true });
  }
}

if (values.worker === undefined) process.exitCode = await main();
else await work(values.worker);

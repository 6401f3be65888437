/**
 * Replays simulated swarms (src/sim/scenarios/, src/sim/random/).
 *
 *     node tools/sim.mjs                                      lists the scenarios
 *     node tools/sim.mjs --scenario NAME|all [--seed N] [--seeds COUNT] [--check-every N] [--log]
 *     node tools/sim.mjs --random [--seed N] [--seeds COUNT] [--check-every N] [--log]     swarms drawn from their seeds
 *     node tools/sim.mjs --sessions [--seed N] [--seeds COUNT] …                           machines with several torrents each, the same way
 *     node tools/sim.mjs --plan FILE [--check-every N] [--log]                             one that was drawn, or made smaller, before
 *
 * `--seeds COUNT` runs COUNT seeds from N on; `--check-every 0` walks no invariants, which is faster; `--log` prints what happens.
 * Exit code 1 where a run fails; its report names the seed. See also tools/sim-soak.mjs.
 */
import { readFileSync } from 'node:fs';
import { readArguments } from './arguments.mjs';
import { crypto, transfer } from './sim-ports.mjs';

const values = readArguments(
  import.meta.filename,
  {
    scenario: { type: 'string' },
    random: { type: 'boolean', default: false },
    sessions: { type: 'boolean', default: false },
    plan: { type: 'string' },
    seed: { type: 'string', default: '1' },
    seeds: { type: 'string', default: '1' },
    'check-every': { type: 'string' },
    log: { type: 'boolean', default: false },
  },
  { seed: true, seeds: true, 'check-every': true },
);
const { drawPlan, drawSessionsPlan, findScenario, runPlan, runScenario, runSessions, scenarios } = await import(
  '../dist/sim/index.js'
);

/** @param again the command that runs it once more */
function runOne(name, seed, again, run) {
  const startedAt = performance.now();
  try {
    const log = values.log ? (line) => process.stdout.write(`${line}\n`) : undefined;
    const every = values['check-every'];
    const report = run({ crypto, transfer, ...(every && { checkEvery: Number(every) }), ...(log && { log }) });
    const seconds = (performance.now() - startedAt) / 1000;
    const last = Math.max(0, ...report.clients.map(({ doneSec }) => doneSec ?? 0));
    const wasted = report.clients.reduce((sum, client) => sum + client.wasted, 0);
    process.stdout.write(
      `${name} seed ${seed}: ok, last done after ${last.toFixed(1)} s, ${(wasted / 1024).toFixed(0)} KiB wasted; ` +
        `${report.virtualSec.toFixed(0)} virtual s in ${seconds.toFixed(2)} s, ${report.eventCount} events ` +
        `(${Math.round(report.eventCount / seconds)}/s), digest ${report.digest.toString(16)}\n`,
    );
    return true;
  } catch (error) {
    process.stdout.write(`${name} seed ${seed}: FAILED\n${error.message}\n`);
    if (error.cause !== undefined) process.stdout.write(`${error.cause.stack}\n`);
    process.stdout.write(`again: npm run sim -- ${again}\n`);
    return false;
  }
}

function runPlans(plans, again) {
  let failures = 0;
  for (const plan of plans) {
    if (values.log) process.stdout.write(`${JSON.stringify(plan)}\n`);
    if (
      !runOne('random', plan.seed, again(plan), (options) =>
        ('machines' in plan ? runSessions : runPlan)(plan, options),
      )
    )
      failures++;
  }
  return failures === 0 ? 0 : 1;
}

function main() {
  const first = Number(values.seed);
  const seeds = Array.from({ length: Number(values.seeds) }, (_, i) => first + i);
  if (values.plan !== undefined) {
    let plan;
    try {
      plan = JSON.parse(readFileSync(values.plan, 'utf8'));
    } catch (error) {
      process.stderr.write(`no plan can be read from ${values.plan}: ${error.message}\n`);
      return 2;
    }
    return runPlans([plan], () => `--plan ${values.plan}`);
  }
  if (values.sessions) return runPlans(seeds.map(drawSessionsPlan), ({ seed }) => `--sessions --seed ${seed}`);
  if (values.random) return runPlans(seeds.map(drawPlan), ({ seed }) => `--random --seed ${seed}`);
  if (values.scenario === undefined) {
    for (const { name, about } of scenarios) process.stdout.write(`${name.padEnd(24)} ${about}\n`);
    return 0;
  }
  const chosen = values.scenario === 'all' ? scenarios : [findScenario(values.scenario)];
  if (chosen[0] === undefined) {
    process.stderr.write(`no scenario '${values.scenario}', known: ${scenarios.map(({ name }) => name).join(' ')}\n`);
    return 2;
  }
  let failures = 0;
  for (const scenario of chosen) {
    const { name } = scenario;
    for (const seed of seeds) {
      const again = `--scenario ${name} --seed ${seed}`;
      if (!runOne(name, seed, again, (options) => runScenario(scenario, { seed, ...options }))) failures++;
    }
  }
  return failures === 0 ? 0 : 1;
}

// Output that is piped into `head` ends early, and nothing is wrong with that.
process.stdout.on('error', (error) => process.exit(error.code === 'EPIPE' ? 0 : 1));
process.exitCode = main();

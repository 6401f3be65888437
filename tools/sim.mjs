/**
 * Replays simulated swarms (src/sim/scenarios/).
 *
 *     node tools/sim.mjs                                      lists the scenarios
 *     node tools/sim.mjs --scenario NAME|all [--seed N] [--seeds COUNT] [--check-every N] [--log]
 *
 * `--seeds COUNT` runs COUNT seeds from N on; `--check-every 0` walks no invariants, which is faster; `--log` prints what happens.
 * Exit code 1 where a run fails; its report names the seed.
 */
import { createHash } from 'node:crypto';
import { parseArgs } from 'node:util';

const { values } = parseArgs({
  options: {
    scenario: { type: 'string' },
    seed: { type: 'string', default: '1' },
    seeds: { type: 'string', default: '1' },
    'check-every': { type: 'string' },
    log: { type: 'boolean', default: false },
  },
});
const { findScenario, runScenario, scenarios } = await import('../dist/sim/index.js');

const crypto = {
  sha1: (data) => new Uint8Array(createHash('sha1').update(data).digest()),
  sha256: (data) => new Uint8Array(createHash('sha256').update(data).digest()),
  random: () => {
    throw new Error('chance comes from the seed');
  },
};
// Buffers that are given away are detached, as by a worker.
const transfer = (buffer) => structuredClone(buffer, { transfer: [buffer] });

function runOne(scenario, seed) {
  const startedAt = performance.now();
  try {
    const log = values.log ? (line) => process.stdout.write(`${line}\n`) : undefined;
    const every = values['check-every'];
    const checkEvery = every === undefined ? undefined : Number(every);
    const report = runScenario(scenario, { seed, crypto, transfer, checkEvery, ...(log && { log }) });
    const seconds = (performance.now() - startedAt) / 1000;
    const last = Math.max(...report.clients.map(({ doneSec }) => doneSec ?? 0));
    const wasted = report.clients.reduce((sum, client) => sum + client.wasted, 0);
    process.stdout.write(
      `${scenario.name} seed ${seed}: ok, last done after ${last.toFixed(1)} s, ${(wasted / 1024).toFixed(0)} KiB wasted; ` +
        `${report.virtualSec.toFixed(0)} virtual s in ${seconds.toFixed(2)} s, ${report.eventCount} events ` +
        `(${Math.round(report.eventCount / seconds)}/s), digest ${report.digest.toString(16)}\n`,
    );
    return true;
  } catch (error) {
    process.stdout.write(`${scenario.name} seed ${seed}: FAILED\n${error.message}\n`);
    if (error.cause !== undefined) process.stdout.write(`${error.cause.stack}\n`);
    process.stdout.write(`again: npm run sim -- --scenario ${scenario.name} --seed ${seed}\n`);
    return false;
  }
}

function main() {
  if (values.scenario === undefined) {
    for (const { name, about } of scenarios) process.stdout.write(`${name.padEnd(20)} ${about}\n`);
    return 0;
  }
  const chosen = values.scenario === 'all' ? scenarios : [findScenario(values.scenario)];
  if (chosen[0] === undefined) {
    process.stderr.write(`no scenario '${values.scenario}', known: ${scenarios.map(({ name }) => name).join(' ')}\n`);
    return 2;
  }
  const first = Number(values.seed);
  let failures = 0;
  for (const scenario of chosen) {
    for (let seed = first; seed < first + Number(values.seeds); seed++) if (!runOne(scenario, seed)) failures++;
  }
  return failures === 0 ? 0 : 1;
}

// Output that is piped into `head` ends early, and nothing is wrong with that.
process.stdout.on('error', (error) => process.exit(error.code === 'EPIPE' ? 0 : 1));
process.exitCode = main();

/**
 * Runs random swarms (src/sim/random/) until the time is over, in several processes. Every fifth seed is one of sessions with several
 * torrents each.
 *
 *     node tools/sim-soak.mjs [--minutes M] [--seed FIRST] [--seeds COUNT] [--workers W] [--shrink-seconds S]
 *
 * Seeds are FIRST, FIRST + 1, …; FIRST is the time of day where it is left out, so that every soak sees new ones. It ends after M minutes
 * (one by default, or when COUNT seeds have run where that is given). W: one a core. A plan that fails is made smaller for S seconds (60),
 * and printed with the command that runs it again. A process that dies or does not come back takes nothing with it but its seed, which
 * counts as failed. Exit code 1 where something failed.
 */
import { fork } from 'node:child_process';
import { availableParallelism } from 'node:os';
import { fileURLToPath } from 'node:url';
import { readArguments } from './arguments.mjs';

/** ms that one seed may take: the largest take some ten seconds. */
const SEED_MS_MAX = 180_000;

/** Every so manieth seed is one of sessions with several torrents. */
const SESSIONS_EVERY = 5;

const self = fileURLToPath(import.meta.url);

const values = readArguments(
  import.meta.filename,
  {
    minutes: { type: 'string' },
    seed: { type: 'string', default: String(Math.floor(Date.now() / 1000)) },
    seeds: { type: 'string' },
    workers: { type: 'string', default: String(availableParallelism()) },
    'shrink-seconds': { type: 'string', default: '60' },
    worker: { type: 'boolean', default: false },
  },
  { minutes: false, seed: true, seeds: true, workers: true, 'shrink-seconds': false },
);

// --- the process that runs seeds -------------------------------------------------------------------------------------------------

async function work() {
  const { crypto, transfer } = await import('./sim-ports.mjs');
  const { drawPlan, drawSessionsPlan, runPlan, runSessions, shrinkPlan, shrinkSessions } = await import(
    '../dist/sim/index.js'
  );
  const run = (plan) => ('machines' in plan ? runSessions : runPlan)(plan, { crypto, transfer });
  const failureOf = (plan) => {
    try {
      run(plan);
      return undefined;
    } catch (error) {
      return error;
    }
  };
  process.on('message', (seed) => {
    const isSessions = seed % SESSIONS_EVERY === 0;
    const plan = isSessions ? drawSessionsPlan(seed) : drawPlan(seed);
    const cpu = process.cpuUsage();
    const cpuMs = () => {
      const { user, system } = process.cpuUsage(cpu);
      return (user + system) / 1000;
    };
    try {
      const { eventCount, virtualSec, memberCount, claimCount } = run(plan);
      process.send({ seed, eventCount, virtualSec, memberCount, claimCount, cpuMs: cpuMs() });
    } catch (error) {
      process.send({
        seed,
        isSessions,
        cpuMs: cpuMs(),
        failure: error.message,
        stack: error.cause?.stack ?? error.stack,
      });
      const kind = kindOf(error);
      const end = Date.now() + 1000 * Number(values['shrink-seconds']);
      const isSame = (smaller) => {
        const failure = failureOf(smaller);
        return failure !== undefined && kindOf(failure) === kind;
      };
      const smallest = (isSessions ? shrinkSessions : shrinkPlan)(plan, isSame, () => Date.now() < end);
      process.send({ seed, smallest, smallestFailure: failureOf(smallest)?.message });
    }
  });
  process.send({ isReady: true });
}

/** What a failure is about, without the names and numbers that differ between plans. */
function kindOf(error) {
  return error.message.split('\n')[0].replaceAll(/[cp]?\d+/g, '#');
}

// --- the process that gives out seeds ----------------------------------------------------------------------------------------------

const total = { seeds: 0, eventCount: 0, virtualSec: 0, memberCount: 0, claimCount: 0, cpuMs: 0 };
const failures = new Map();

async function soak() {
  const startedAt = performance.now();
  const first = Number(values.seed);
  const end = values.seeds === undefined ? Number.POSITIVE_INFINITY : first + Number(values.seeds);
  const minutes = values.minutes ?? (values.seeds === undefined ? '1' : undefined);
  const endsAt = minutes === undefined ? Number.POSITIVE_INFINITY : startedAt + 60_000 * Number(minutes);
  process.stdout.write(`random swarms from seed ${first} on, ${values.workers} processes\n`);
  let next = first;
  const take = () => (next < end && performance.now() < endsAt ? next++ : undefined);
  await Promise.all(Array.from({ length: Number(values.workers) }, () => keepWorking(take)));
  const seconds = (performance.now() - startedAt) / 1000;
  process.stdout.write(
    `${total.seeds} seeds (${first} to ${next - 1}), ${total.memberCount} peers, ${total.claimCount} clients held to completing, ` +
      `${total.eventCount} events, ${(total.virtualSec / 3600).toFixed(1)} virtual hours in ${seconds.toFixed(1)} s ` +
      `(${(total.cpuMs / 1000).toFixed(1)} s of CPU), ${failures.size} failed\n`,
  );
  return failures.size === 0 ? 0 : 1;
}

/** One process after the other until there are no more seeds. */
async function keepWorking(take) {
  for (let seed = take(); seed !== undefined; ) seed = await runWorker(seed, take);
}

/** @returns the seed to go on with in a new process, if any */
function runWorker(firstSeed, take) {
  return new Promise((resolve) => {
    const child = fork(self, ['--worker', '--shrink-seconds', values['shrink-seconds']]);
    let seed = firstSeed;
    let timer;
    const give = () => {
      clearTimeout(timer);
      if (seed === undefined) {
        child.disconnect();
        return;
      }
      timer = setTimeout(() => child.kill('SIGKILL'), SEED_MS_MAX + 1000 * Number(values['shrink-seconds']));
      child.send(seed);
    };
    child.on('message', (message) => {
      if (message.isReady) return give();
      if (message.smallest !== undefined) reportSmallest(message);
      else if (message.failure !== undefined) {
        total.cpuMs += message.cpuMs;
        reportFailure(seed, message);
        return;
      } else {
        total.seeds++;
        for (const key of ['eventCount', 'virtualSec', 'memberCount', 'claimCount', 'cpuMs'])
          total[key] += message[key];
      }
      seed = take();
      give();
    });
    child.on('exit', (code, signal) => {
      clearTimeout(timer);
      if (seed === undefined) return resolve(undefined);
      // It fell over this seed.
      if (!failures.has(seed)) reportFailure(seed, { failure: `the process ended with ${signal ?? code}` });
      resolve(take());
    });
  });
}

function reportFailure(seed, { failure, stack, isSessions }) {
  total.seeds++;
  failures.set(seed, failure);
  process.stdout.write(`\nseed ${seed} FAILED: ${failure}\n`);
  if (stack !== undefined) process.stdout.write(`${stack}\n`);
  process.stdout.write(`again: npm run sim -- ${isSessions ? '--sessions' : '--random'} --seed ${seed}\n`);
}

function reportSmallest({ seed, smallest, smallestFailure }) {
  const members = smallest.members ?? smallest.machines;
  const count = `${members.length} members, ${smallest.troubles.length} troubles`;
  process.stdout.write(
    `smallest plan of seed ${seed} (${count}): ${smallestFailure?.split('\n')[0]}\n${JSON.stringify(smallest)}\n` +
      'again, with this in a file: npm run sim -- --plan FILE\n\n',
  );
}

if (values.worker) await work();
else process.exitCode = await soak();

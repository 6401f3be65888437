/**
 * The load, as a process of its own: `load-process.js '{...}'` with `LoadOrder` as JSON. Speaks JSON lines on stdout: `phase` after each
 * phase, then `result`, or `failed` with what was wrong; ends by itself.
 */
import { type PeerAddress, seededRng } from '#base';
import { HttpLoad, type HttpPhase } from './http-load.ts';
import { Judge, type TrackerRules, WrongAnswer } from './judge.ts';
import { type Distribution, Population } from './population.ts';
import { cpuSeconds, cpuTicks, reservedBytes, residentBytes } from './process-figures.ts';
import { type LoadCounts, UdpLoad, type UdpPhase } from './udp-load.ts';
import { Workload } from './workload.ts';

export interface LoadOrder {
  /** The tracker's process, whose CPU time and memory are read. */
  readonly pid: number;
  readonly udp: PeerAddress;
  readonly http: PeerAddress;
  readonly rules: TrackerRules;
  readonly peerCount: number;
  readonly torrentCount: number;
  readonly distribution: Distribution;
  readonly sourceCount: number;
  readonly seed: number;
  readonly numWant: number;
  /** The tracker has all peers of this seed already, as after `fill`. */
  readonly isFilled?: boolean;
  /** The tracker collects its garbage at SIGUSR2 (`collect-garbage.ts`): done before memory is read, empty and filled. */
  readonly collectsGarbage?: boolean;
  readonly phases: readonly LoadPhase[];
}

/** `warmup`: answers before the measuring begins, so that no compiler is measured. */
export type LoadPhase = { readonly name: string; readonly warmup?: number } & (UdpPhase | HttpPhase);

export interface PhaseResult {
  readonly name: string;
  readonly answers: number;
  readonly seconds: number;
  /** Of the tracker. */
  readonly cpuSeconds: number;
  /** Of that, what is spent outside the system's kernel, 0 to 1. */
  readonly userShare: number;
  /** Of the load itself: above 0.9 of the wall time it is what limits. */
  readonly loadCpuSeconds: number;
  readonly repeats: number;
  readonly slowestMs: number;
  /** Of the tracker, after the phase. */
  readonly residentBytes: number;
  /** Of that, what is in use of large reserved areas: a store in shared memory. */
  readonly reservedBytes: number;
}

/** V8 lets go of code that is not used any more only after it has seen that several times. */
const COLLECTIONS = 4;
const COLLECTION_MS = 250;

const order = JSON.parse(process.argv[2] as string) as LoadOrder;
const say = (fields: object) => process.stdout.write(`${JSON.stringify(fields)}\n`);
try {
  await run();
} catch (error) {
  if (!(error instanceof WrongAnswer)) throw error;
  say({ event: 'failed', reason: error.message });
  process.exitCode = 1;
}

async function run(): Promise<void> {
  const rng = seededRng(order.seed);
  const population = new Population(order);
  const workload = new Workload(population, rng.fork('workload'));
  if (order.isFilled === true) workload.recallFill();
  const slots = Math.max(order.sourceCount, ...order.phases.map(({ window }) => window));
  const judge = new Judge({ population, rules: order.rules, numWant: order.numWant, slots });
  const { numWant } = order;
  const udp = await UdpLoad.open({ tracker: order.udp, population, workload, judge, rng, slots, numWant });
  const http = new HttpLoad({ tracker: order.http, population, workload, judge, rng, numWant });
  const play = async (phase: LoadPhase): Promise<LoadCounts> => (isHttp(phase) ? http.run(phase) : udp.run(phase));
  const emptyBytes = await settledBytes();
  const phases: PhaseResult[] = [];
  for (const phase of order.phases) {
    if (phase.warmup !== undefined) await play({ ...phase, answers: phase.warmup });
    const cpuBefore = cpuSeconds(order.pid);
    const ticksBefore = cpuTicks(order.pid);
    const ownBefore = process.cpuUsage();
    const startedAt = performance.now();
    const counts = await play(phase);
    const own = process.cpuUsage(ownBefore);
    const ticks = cpuTicks(order.pid);
    const user = ticks.user - ticksBefore.user;
    const system = ticks.system - ticksBefore.system;
    const measured = {
      name: phase.name,
      ...counts,
      seconds: (performance.now() - startedAt) / 1000,
      cpuSeconds: cpuSeconds(order.pid) - cpuBefore,
      userShare: user / Math.max(1, user + system),
      loadCpuSeconds: (own.user + own.system) / 1e6,
    };
    const bytes = phase.work === 'fill' ? await settledBytes() : residentBytes(order.pid);
    const result: PhaseResult = { ...measured, residentBytes: bytes, reservedBytes: reservedBytes(order.pid) };
    phases.push(result);
    say({ event: 'phase', ...result });
  }
  udp.close();
  say({ event: 'result', emptyBytes, phases });
}

/** What the tracker's process holds when its garbage has been collected. */
async function settledBytes(): Promise<number> {
  if (order.collectsGarbage === true) {
    for (let i = 0; i < COLLECTIONS; i++) {
      process.kill(order.pid, 'SIGUSR2');
      await new Promise((resolve) => setTimeout(resolve, COLLECTION_MS));
    }
  }
  return residentBytes(order.pid);
}

function isHttp(phase: LoadPhase): phase is LoadPhase & HttpPhase {
  return phase.work === 'http-announce' || phase.work === 'http-scrape';
}

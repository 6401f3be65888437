import { JsonChild } from '../support/processes.ts';
import type { LoadOrder, PhaseResult } from './load-process.ts';
import { type LoadPlan, makePhases } from './plans.ts';
import { makeInfoHashes } from './population.ts';
import type { TrackerProgram } from './programs.ts';

/** One program under one load, once. */
export interface LoadResult {
  readonly program: string;
  readonly plan: string;
  readonly peerCount: number;
  readonly torrentCount: number;
  /** Of the tracker before the first request. */
  readonly emptyBytes: number;
  readonly phases: readonly PhaseResult[];
}

const SOURCES_MIN = 16;
const PEERS_A_SOURCE_MAX = 62_500;
const NUM_WANT = 50;

/**
 * Starts the program, lets the load process run all phases against it, and ends both.
 *
 * @throws Error with what was wrong where an answer was
 */
export async function runLoad(
  program: TrackerProgram,
  plan: LoadPlan,
  options: {
    seed: number;
    scale: number;
    window?: number;
    /** Of phases after the fill: those whose name holds this. */
    only?: string;
    nodeArgs?: readonly string[];
    onPhase?: (result: PhaseResult) => void;
  },
): Promise<LoadResult> {
  const share = program.isSlow ? 0.1 : 1;
  const peerCount = plan.peerCount * share;
  const torrentCount = plan.torrentCount * share;
  const { seed } = options;
  const { collectsGarbage } = program;
  const scale = options.scale * (program.isSlow ? 0.03 : 1);
  const phases = makePhases({ ...plan, peerCount }, scale, options.window).filter(
    ({ name, work }) =>
      work === 'fill' ||
      ((options.only === undefined || name.includes(options.only)) && !program.cannot?.includes(name)),
  );
  const tracker = await program.start({ hashes: makeInfoHashes(torrentCount, seed), nodeArgs: options.nodeArgs ?? [] });
  try {
    const { pid, udp, http } = tracker;
    const { distribution } = plan;
    const { rules } = program;
    return {
      program: program.name,
      plan: plan.name,
      peerCount,
      torrentCount,
      ...(await playLoad(
        {
          pid,
          udp,
          http,
          rules,
          peerCount,
          torrentCount,
          distribution,
          sourceCount: Math.max(SOURCES_MIN, Math.ceil(peerCount / PEERS_A_SOURCE_MAX)),
          seed,
          numWant: NUM_WANT,
          collectsGarbage,
          phases,
        },
        options.onPhase,
      )),
    };
  } finally {
    await tracker.stop();
  }
}

/** Runs the load process against a tracker that is there. @throws Error with what was wrong where an answer was */
export async function playLoad(
  order: LoadOrder,
  onPhase: (result: PhaseResult) => void = () => {},
): Promise<{ emptyBytes: number; phases: readonly PhaseResult[] }> {
  const load = new JsonChild('../tracker-load/load-process.js', [JSON.stringify(order)]);
  try {
    const phases: PhaseResult[] = [];
    for (;;) {
      const line = await load.nextLine();
      if (line === undefined) throw new Error('the load process has ended');
      if (line['event'] === 'failed') throw new Error(`wrong answer: ${line['reason']}`);
      if (line['event'] === 'result') return { emptyBytes: Number(line['emptyBytes']), phases };
      const phase = line as unknown as PhaseResult;
      phases.push(phase);
      onPhase(phase);
    }
  } finally {
    await load.end();
  }
}

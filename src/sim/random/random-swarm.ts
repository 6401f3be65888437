import { drawPlan } from './draw-plan.ts';
import { type RandomReport, type RunPlanOptions, runPlan } from './run-plan.ts';

export interface RandomSwarmOptions extends RunPlanOptions {
  /** Everything follows from it. */
  readonly seed: number;
}

/** Draws a swarm and what happens to it, and runs it. @throws SimFailure that names the seed */
export function runRandomSwarm(options: RandomSwarmOptions): RandomReport {
  return runPlan(drawPlan(options.seed), options);
}

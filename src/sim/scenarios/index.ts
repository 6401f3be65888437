import { diskScenarios } from './disk.ts';
import { formatsScenarios } from './formats.ts';
import { honestScenarios } from './honest.ts';
import { hostileScenarios } from './hostile.ts';
import { linesScenarios } from './lines.ts';
import { networkScenarios } from './network.ts';
import type { Scenario } from './scenario.ts';
import { sleepScenarios } from './sleep.ts';

/** All of them, by theme: one file of this folder each. A new one is an entry in its theme's list. */
export const scenarios: readonly Scenario[] = [
  ...honestScenarios,
  ...linesScenarios,
  ...hostileScenarios,
  ...networkScenarios,
  ...diskScenarios,
  ...formatsScenarios,
  ...sleepScenarios,
];

export function findScenario(name: string): Scenario | undefined {
  return scenarios.find((scenario) => scenario.name === name);
}

import type { Budgets } from '../client/index.ts';

/** The fields of a `progress` event about memory and what waits. */
export function budgetsToJson(budgets: Budgets): Record<string, unknown> {
  return {
    memoryBytes: budgets.bytes,
    memory: Object.fromEntries(budgets.held.map(({ holder, bytes }) => [holder, bytes])),
    heldBack: budgets.heldBack,
  };
}

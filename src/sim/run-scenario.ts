import type { CryptoPort } from '../base/index.ts';
import type { MakeSession } from './client.ts';
import type { TransferBuffer } from './disk/buffers.ts';
import type { Scenario } from './scenarios/scenario.ts';
import { type ClientReport, SimSwarm } from './swarm.ts';

export interface RunScenarioOptions {
  readonly seed: number;
  readonly crypto: CryptoPort;
  readonly makeSession?: MakeSession | undefined;
  readonly transfer?: TransferBuffer | undefined;
  /** In place of the scenario's own: invariants are walked after every so many inputs of a client; 0 = never. */
  readonly checkEvery?: number | undefined;
  readonly log?: (line: string) => void;
}

export interface ScenarioReport {
  readonly scenario: string;
  readonly seed: number;
  readonly virtualSec: number;
  readonly eventCount: number;
  readonly digest: number;
  readonly clients: readonly ClientReport[];
}

/** Runs one scenario to its end. @throws SimFailure that names the seed */
export function runScenario(scenario: Scenario, options: RunScenarioOptions): ScenarioReport {
  const { torrent } = scenario;
  const checkEvery = options.checkEvery ?? scenario.checkEvery ?? 1;
  const w = new SimSwarm({ ...options, checkEvery, ...(torrent === undefined ? {} : { torrent }) });
  scenario.run(w);
  const clients = w.finish();
  return {
    scenario: scenario.name,
    seed: options.seed,
    virtualSec: w.world.now / 1000,
    eventCount: w.world.eventCount,
    digest: w.world.digest,
    clients,
  };
}

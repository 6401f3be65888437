import { assert, type Millis } from '../base/index.ts';
import type { SwarmInputs } from '../swarm/index.ts';

/**
 * The door through which the world enters the brain: one input at a time, each stamped with a clock that never goes back.
 *
 *     const now = turn.begin();
 *     try {
 *       turn.inputs.onBytes(now, conn, bytes);
 *     } finally {
 *       turn.end();
 *     }
 *
 * A port that answers inside the input that asked would enter twice: that is caught here (ports.ts, rule 1).
 */
export class Turn {
  readonly #originMs: number;
  #inputs: SwarmInputs | undefined;
  #isInside = false;

  constructor() {
    this.#originMs = performance.now();
  }

  attach(inputs: SwarmInputs): void {
    assert(this.#inputs === undefined, 'inputs are attached once');
    this.#inputs = inputs;
  }

  get inputs(): SwarmInputs {
    assert(this.#inputs !== undefined, 'inputs are attached before anything can happen');
    return this.#inputs;
  }

  /** Milliseconds since the loop was made, with a fraction. */
  now(): Millis {
    return (performance.now() - this.#originMs) as Millis;
  }

  begin(): Millis {
    assert(!this.#isInside, 'no input inside an input');
    this.#isInside = true;
    return this.now();
  }

  end(): void {
    this.#isInside = false;
  }
}

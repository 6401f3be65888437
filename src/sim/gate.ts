import { assert, type Millis } from '../base/index.ts';
import type { SwarmInputs } from '../swarm/index.ts';
import type { SimWorld } from './world.ts';

/** What the simulator drives: inputs, and, where it has them, invariants that hold between two inputs. */
export interface Driven extends SwarmInputs {
  /** Throws where state contradicts itself. */
  assertInvariants?(): void;
}

/**
 * The only way into a session: one input at a time, never from inside another (rule 1 of the ports), invariants checked after each.
 * A dead process hears nothing.
 */
export class InputGate {
  readonly #world: SimWorld;
  #session: Driven | undefined;
  #isInside = false;
  #isDead = false;
  #inputCount = 0;
  /** Inputs that a suspended process has not heard yet, oldest first; undefined while it runs. */
  #waiting: ((session: Driven, now: Millis) => void)[] | undefined;
  /** Invariants are walked after every so many inputs; 0 = never. */
  checkEvery = 1;
  /** Done together with them. */
  alsoCheck: (() => void) | undefined;

  constructor(world: SimWorld) {
    this.#world = world;
  }

  get isDead(): boolean {
    return this.#isDead;
  }
  get isSuspended(): boolean {
    return this.#waiting !== undefined;
  }
  get inputCount(): number {
    return this.#inputCount;
  }

  connect(session: Driven): void {
    assert(this.#session === undefined, 'a gate leads to one session');
    this.#session = session;
  }

  /** Nothing reaches the session from now on. */
  kill(): void {
    this.#isDead = true;
    this.#waiting = undefined;
  }

  /** The process stands still (a laptop that sleeps, a stopped process): inputs wait until `wake`. */
  suspend(): void {
    this.#waiting ??= [];
  }

  /** The process runs again, and hears everything that came meanwhile, in its order, at once. */
  wake(): void {
    const waiting = this.#waiting ?? [];
    this.#waiting = undefined;
    for (const input of waiting) this.ask(input, undefined);
  }

  /** Gives the session an input now; must be called from an event of the world, not from a port call. */
  enter(input: (session: Driven, now: Millis) => void): void {
    if (this.#waiting !== undefined) this.#waiting.push(input);
    else this.ask(input, undefined);
  }

  /** As `enter`, for inputs with an answer. @param otherwise the answer of a process that is dead or suspended */
  ask<T>(input: (session: Driven, now: Millis) => T, otherwise: T): T {
    if (this.#isDead || this.#session === undefined || this.#waiting !== undefined) return otherwise;
    assert(!this.#isInside, 'an input comes only after the one before it has returned');
    this.#isInside = true;
    const answer = input(this.#session, this.#world.now);
    this.#isInside = false;
    this.#inputCount++;
    if (this.checkEvery > 0 && this.#inputCount % this.checkEvery === 0) {
      this.#session.assertInvariants?.();
      this.alsoCheck?.();
    }
    return answer;
  }
}

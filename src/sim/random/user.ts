import { assert } from '../../base/index.ts';
import type { TorrentEvent } from '../../swarm/index.ts';
import type { SimClient } from '../client.ts';
import type { SimWorld } from '../world.ts';
import type { ClientPlan } from './plan.ts';

/** Virtual ms until somebody sees that a torrent has ended with an error, and starts its client again. */
const REPAIR_MS = 15_000;

/** What must not happen, seen as it happens; thrown after the event. */
export type Report = (problem: string) => void;

/**
 * The person at one client: starts and stops it, and starts it again after an error, since disks get well. The client runs whenever
 * nothing holds it.
 */
export class User {
  readonly client: SimClient;
  readonly plan: ClientPlan;
  /** Error codes that the plan explains; any other is a fault of the engine. */
  readonly excused: Set<string> = new Set();
  /** Its disk lies: what it says and sends proves nothing. */
  isTainted = false;
  readonly #world: SimWorld;
  readonly #report: Report;
  readonly #holds = new Set<string>(['not yet']);
  #isStopping = false;
  #isDismissed = false;
  #holdCount = 0;

  constructor(client: SimClient, plan: ClientPlan, world: SimWorld, report: Report) {
    this.client = client;
    this.plan = plan;
    this.#world = world;
    this.#report = report;
    client.onEvent = (event) => this.#onEvent(event);
    world.after(plan.startMs, 'user.start', () => this.release('not yet'));
  }

  /** Something holds it, or it is being stopped. */
  get isHeld(): boolean {
    return this.#isStopping || this.#holds.size > 0;
  }

  /** The client must not run. @returns the hold's name, for `release` */
  hold(why: string): string {
    const name = `${why} ${this.#holdCount++}`;
    this.#holds.add(name);
    this.#settle();
    return name;
  }

  release(name: string): void {
    this.#holds.delete(name);
    this.#settle();
  }

  /** For the time given, and then again. */
  holdFor(why: string, ms: number): void {
    const name = this.hold(why);
    this.#world.after(ms, 'user.release', () => this.release(name));
  }

  kill(how: 'process' | 'power', forMs: number): void {
    if (!this.client.isRunning) return;
    this.client.kill(how);
    this.#isStopping = false;
    this.holdFor('killed', forMs);
  }

  /** The run is over: what is stopped from now on stays so. */
  dismiss(): void {
    this.#holds.add('over');
    this.#isDismissed = true;
  }

  /** Stops the client where it runs, and starts it again. @param between what is done while it does not run */
  restart(between: () => void = () => {}): void {
    const name = this.hold('restart');
    const look = () => {
      if (this.client.isRunning) {
        this.#world.after(500, 'user.look', look);
        return;
      }
      between();
      this.release(name);
    };
    look();
  }

  #settle(): void {
    const { client } = this;
    if (this.#isStopping || this.#isDismissed) return;
    if (this.#holds.size === 0 && !client.isRunning) client.start();
    else if (this.#holds.size > 0 && client.isRunning) {
      this.#isStopping = true;
      client.stop();
    }
  }

  #onEvent(event: TorrentEvent): void {
    switch (event.type) {
      case 'piece':
        this.#checkPiece(event.piece);
        return;
      case 'ready':
        this.#checkBelief();
        return;
      case 'error':
        this.#onError(event.error.code, event.error.message);
        return;
      case 'stopped':
        this.#world.after(0, 'user.stopped', () => this.#onStopped());
    }
  }

  #onStopped(): void {
    // Killed in the same instant, it may have been started again.
    if (!this.#isStopping || this.client.isRunning) return;
    this.#isStopping = false;
    this.#settle();
  }

  #onError(code: string, message: string): void {
    if (!this.excused.has(code))
      this.#report(`${this.plan.name} ended with an error that nothing explains: ${message}`);
    this.#world.after(REPAIR_MS, 'user.repair', () => {
      if (this.client.isRunning && this.client.brain?.phase === 'error') this.restart();
    });
  }

  /** Peers are told of a piece only when it is on disk. */
  #checkPiece(piece: number): void {
    const { client } = this;
    if (this.isTainted || client.disk.image(client.torrent.torrent.info).isWhole(piece)) return;
    this.#report(`${this.plan.name} says that it has piece ${piece}, and its disk has not`);
  }

  /** What is believed of an old record is true. */
  #checkBelief(): void {
    const { client } = this;
    const content = client.brain?.content;
    assert(content !== undefined, 'who is ready knows its content');
    if (this.isTainted) return;
    const image = client.disk.image(client.torrent.torrent.info);
    for (const piece of content.ledger.have) {
      if (!image.isWhole(piece))
        this.#report(`${this.plan.name} believes that it has piece ${piece}, and its disk has not`);
    }
  }
}

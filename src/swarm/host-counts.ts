import { assert } from '../base/index.ts';
import { isLoopback } from './ban-list.ts';

/** How many of something each host has, at most so many; loopback is no host like others. */
export class HostCounts {
  readonly max: number;
  readonly #counts = new Map<string, number>();

  constructor(max: number) {
    this.max = max;
  }

  of(host: string): number {
    return this.#counts.get(host) ?? 0;
  }

  isFull(host: string): boolean {
    return this.of(host) >= this.max && !isLoopback(host);
  }

  add(host: string): void {
    this.#counts.set(host, this.of(host) + 1);
  }

  remove(host: string): void {
    const left = this.of(host) - 1;
    if (left <= 0) this.#counts.delete(host);
    else this.#counts.set(host, left);
  }

  clear(): void {
    this.#counts.clear();
  }

  /** @param hosts one for each that is to be counted */
  assertEqual(hosts: readonly string[]): void {
    const real = new HostCounts(this.max);
    for (const host of hosts) real.add(host);
    assert(this.#counts.size === real.#counts.size, 'hosts counted');
    for (const [host, count] of real.#counts) assert(this.of(host) === count, 'count of a host');
  }
}

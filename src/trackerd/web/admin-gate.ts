import { createHash, timingSafeEqual } from 'node:crypto';
import type { Millis } from '../../base/index.ts';
import { toAddressKey } from '../address-key.ts';
import { webLimits } from '../limits.ts';

export interface AdminGateOptions {
  /** The token in force; it may change at a reload. */
  readonly token: () => string | undefined;
  readonly now: () => Millis;
}

const { wrongTokensMax, wrongTokensWindowMs, wrongTokensAddressesMax } = webLimits;

export type GateVerdict =
  | { readonly kind: 'open' }
  | { readonly kind: 'wrong' }
  | { readonly kind: 'wait'; readonly retryInSec: number };

/** Decides who may use the API: bearer token, compared in constant time, with a bound on guesses by address. */
export class AdminGate {
  readonly #o: AdminGateOptions;
  readonly #failures = new Map<string, { count: number; since: Millis }>();

  constructor(options: AdminGateOptions) {
    this.#o = options;
  }

  /**
   * @param authorization the header as it stands
   * @param address where the request comes from
   */
  judge(authorization: string | undefined, address: string): GateVerdict {
    return this.judgeToken(/^Bearer ([\x21-\x7e]{1,256})$/i.exec(authorization ?? '')?.[1], address);
  }

  /** @param given the token alone, where a form or another header carried it; undefined = none */
  judgeToken(given: string | undefined, address: string): GateVerdict {
    const now = this.#o.now();
    const who = toAddressKey(address);
    const before = this.#failures.get(who);
    const isFresh = before !== undefined && now - before.since < wrongTokensWindowMs;
    if (isFresh && before.count >= wrongTokensMax) {
      return { kind: 'wait', retryInSec: Math.ceil((before.since + wrongTokensWindowMs - now) / 1_000) };
    }
    const token = this.#o.token();
    if (token !== undefined && given !== undefined && isSame(given, token)) return { kind: 'open' };
    // A request without any token is no guess.
    if (given !== undefined)
      this.#remember(who, isFresh ? { ...before, count: before.count + 1 } : { count: 1, since: now });
    return { kind: 'wrong' };
  }

  #remember(who: string, entry: { count: number; since: Millis }): void {
    this.#failures.delete(who);
    this.#failures.set(who, entry);
    if (this.#failures.size <= wrongTokensAddressesMax) return;
    const [oldest] = this.#failures.keys();
    if (oldest !== undefined) this.#failures.delete(oldest);
  }
}

/** Digests have the same length whatever was sent, so the comparison tells nothing of the token's. */
function isSame(a: string, b: string): boolean {
  return timingSafeEqual(createHash('sha256').update(a).digest(), createHash('sha256').update(b).digest());
}

import { FRACTION_ZERO, type Millis } from './time.ts';

/**
 * Bytes per second over a sliding window of 20 half-second buckets (10 s), or over the time since the first byte where that is shorter.
 * Time is a parameter; nothing ticks.
 */
export class RateMeter {
  static readonly bucketMs = 500;
  static readonly buckets = 20;
  /** Made with the first byte: most connections never carry payload. */
  #counts: Float64Array | undefined;
  #bucket = -1;
  #sum: number = FRACTION_ZERO;
  #firstBucket = -1;
  #total = 0;

  /** All bytes ever added. */
  get total(): number {
    return this.#total;
  }

  add(now: Millis, bytes: number): void {
    this.#counts ??= new Float64Array(RateMeter.buckets);
    this.#advance(now, this.#counts);
    if (this.#firstBucket < 0) this.#firstBucket = this.#bucket;
    const at = this.#bucket % RateMeter.buckets;
    this.#counts[at] = (this.#counts[at] as number) + bytes;
    this.#sum += bytes;
    this.#total += bytes;
  }

  bytesPerSec(now: Millis): number {
    if (this.#counts === undefined) return 0;
    this.#advance(now, this.#counts);
    if (this.#sum === 0) return 0;
    const begun = Math.max(this.#firstBucket, this.#bucket - RateMeter.buckets + 1);
    const windowMs = Math.max(RateMeter.bucketMs, now - begun * RateMeter.bucketMs);
    return (this.#sum * 1000) / windowMs;
  }

  #advance(now: Millis, counts: Float64Array): void {
    const bucket = Math.floor(now / RateMeter.bucketMs);
    if (bucket <= this.#bucket) return;
    const steps = this.#bucket < 0 ? 0 : Math.min(bucket - this.#bucket, RateMeter.buckets);
    for (let i = 1; i <= steps; i++) {
      const at = (bucket - steps + i) % RateMeter.buckets;
      this.#sum -= counts[at] as number;
      counts[at] = 0;
    }
    this.#bucket = bucket;
  }
}

export interface TokenRate {
  /** Bytes per second; Infinity = no limit. */
  readonly rate: number;
  /** Bytes saved up at most. */
  readonly burst: number;
  /** Bytes saved up before it opens again once it was used up; 0 = at once. */
  readonly reserve?: number;
}

/**
 * Token bucket: `rate` bytes per second, at most `burst` bytes saved up. May go into debt by one take, which keeps the average exact
 * for messages larger than what is saved.
 */
export class TokenBucket {
  #rate: number;
  #burst: number;
  #reserve: number;
  #tokens: number;
  #at: Millis;
  #isShut = false;

  constructor(options: TokenRate & { readonly now: Millis }) {
    this.#rate = options.rate;
    this.#burst = options.burst;
    this.#reserve = options.reserve ?? 0;
    this.#tokens = options.burst;
    this.#at = options.now;
  }

  get rate(): number {
    return this.#rate;
  }

  setRate(now: Millis, options: TokenRate): void {
    this.#refill(now);
    // A debt of a fast limit would take a slow one many seconds to pay: it lasts as long as it would have.
    if (this.#tokens < 0 && options.rate < this.#rate) this.#tokens *= options.rate / this.#rate;
    this.#rate = options.rate;
    this.#burst = options.burst;
    this.#reserve = options.reserve ?? 0;
    this.#tokens = Math.min(this.#tokens, options.burst);
  }

  /** True while a take is allowed. */
  isOpen(now: Millis): boolean {
    if (this.#rate === Number.POSITIVE_INFINITY) return true;
    this.#refill(now);
    if (this.#isShut && this.#tokens >= this.#reserve) this.#isShut = false;
    return this.#tokens > 0 && !this.#isShut;
  }

  take(now: Millis, bytes: number): void {
    if (this.#rate === Number.POSITIVE_INFINITY) return;
    this.#refill(now);
    this.#tokens -= bytes;
    if (this.#tokens <= 0) this.#isShut = true;
  }

  /** When `isOpen` turns true again; `now` where it is true already. */
  opensAt(now: Millis): Millis {
    if (this.isOpen(now)) return now;
    if (this.#rate <= 0) return Number.POSITIVE_INFINITY as Millis;
    // One byte more than the debt, rounded up, so that the wake never comes a hair too early.
    return (now + Math.ceil(((1 + this.#reserve - this.#tokens) * 1000) / this.#rate)) as Millis;
  }

  #refill(now: Millis): void {
    if (now <= this.#at) return;
    this.#tokens = Math.min(this.#burst, this.#tokens + ((now - this.#at) * this.#rate) / 1000);
    this.#at = now;
  }
}

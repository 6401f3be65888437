import { addMs, type Millis } from '../../base/index.ts';
import type { RelayLimits } from './limits.ts';

/** Who made an offer that was handed out. */
export interface HandedOffer {
  /** Number of the connection. */
  readonly from: number;
  readonly expiresAt: Millis;
}

/** What names an offer at the one it was handed to; strings are one character a byte. */
export interface OfferName {
  readonly infoHash: string;
  readonly offerId: string;
  readonly fromPeerId: string;
  /** Whom it was handed to: number of the connection, peer id there. */
  readonly to: number;
  readonly toPeerId: string;
}

/**
 * Offers that were handed out a short time ago: only to these an answer is let through, so that nobody can send messages to strangers,
 * or answer in another's place. Bounded in all and a connection; forgets by age.
 */
export class HandedOffers {
  readonly #limits: RelayLimits;
  /** In the order of expiry, since all live equally long. */
  readonly #offers = new Map<string, HandedOffer>();
  readonly #countByConnection = new Map<number, number>();

  constructor(limits: RelayLimits) {
    this.#limits = limits;
  }

  get count(): number {
    return this.#offers.size;
  }

  /** @returns false where it must not be handed out: too many of this connection wait, or one of that name waits already */
  add(now: Millis, name: OfferName, from: number): boolean {
    const waiting = this.#countByConnection.get(from) ?? 0;
    if (waiting >= this.#limits.offersPerConnectionMax) return false;
    const key = toKey(name);
    // The first one counts: a later one of the same name would take its answer.
    if (this.#offers.has(key)) return false;
    if (this.#offers.size >= this.#limits.offersWaitingMax) this.#removeOldest();
    this.#offers.set(key, { from, expiresAt: addMs(now, this.#limits.offerMs) });
    this.#countByConnection.set(from, waiting + 1);
    return true;
  }

  /** An answer has come: the offer is used up. @returns the number of the connection that made it, or undefined where there was none */
  take(now: Millis, name: OfferName): number | undefined {
    const key = toKey(name);
    const offer = this.#offers.get(key);
    if (offer === undefined) return undefined;
    this.#remove(key, offer);
    return offer.expiresAt > now ? offer.from : undefined;
  }

  /** A bounded step of forgetting. */
  sweep(now: Millis): void {
    let looks = 0;
    for (const [key, offer] of this.#offers) {
      if (offer.expiresAt > now || ++looks > this.#limits.sweepOffersMax) return;
      this.#remove(key, offer);
    }
  }

  #removeOldest(): void {
    for (const [key, offer] of this.#offers) {
      this.#remove(key, offer);
      return;
    }
  }

  #remove(key: string, offer: HandedOffer): void {
    this.#offers.delete(key);
    const left = (this.#countByConnection.get(offer.from) ?? 1) - 1;
    if (left > 0) this.#countByConnection.set(offer.from, left);
    else this.#countByConnection.delete(offer.from);
  }
}

/** Hash and peer ids have 20 characters each, so no two names have one key. */
function toKey(o: OfferName): string {
  return o.infoHash + o.fromPeerId + o.toPeerId + String.fromCharCode(o.to >>> 16, o.to & 0xffff) + o.offerId;
}

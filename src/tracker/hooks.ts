import type { Millis } from '../base/index.ts';
import type { TrackerRefusal } from '../wire/index.ts';
import type { AnnounceCall, ScrapeCall } from './calls.ts';

/**
 * An operator's own policy, as small synchronous functions; the tracker's own policies are made of the same. The call is lent and used
 * again: copy what you keep. What a hook throws is a bug of the hook: the client gets a refusal, the operator an `error` event, and the
 * tracker goes on.
 *
 *     const onlyOurs: TrackerHooks = { preAnnounce: (call) => (known.has(toHex(call.infoHash)) ? undefined : { reason: 'unknown torrent' }) };
 */
export interface TrackerHooks {
  /** Before the swarm is touched; may change what is asked (`numWant`, `userId`). @returns why the client is turned away, or undefined to go on */
  preAnnounce?(call: AnnounceCall, now: Millis): TrackerRefusal | undefined;
  /** The swarm has changed and the answer is made; may change the answer (`intervalSec`, `warning`). */
  postAnnounce?(call: AnnounceCall, now: Millis): void;
  /** @returns why the client is turned away, or undefined to go on */
  preScrape?(call: ScrapeCall, now: Millis): TrackerRefusal | undefined;
}

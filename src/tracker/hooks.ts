import type { AnnounceAnswer, AnnounceRequest, TrackerRefusal } from '../wire/index.ts';

/** An announce as the brain sees it, whatever carried it. */
export interface TrackerAnnounce {
  readonly via: 'http' | 'udp';
  /** 4 or 16 bytes that the request came from; IPv4-mapped addresses as 4. */
  readonly source: Uint8Array;
  /** Path and query of the request: `/announce?...` by HTTP, what BEP 41 carried by UDP. One character a byte. */
  readonly target?: string;
  readonly request: AnnounceRequest;
  /** Which peers the answer has room for. */
  readonly families: 4 | 6 | 'both';
  /** Peers the answer has room for. */
  readonly peersMax: number;
}

export interface TrackerScrape {
  readonly via: 'http' | 'udp';
  readonly source: Uint8Array;
  readonly target?: string;
  /** 20 bytes each. */
  readonly infoHashes: readonly Uint8Array[];
}

/**
 * An operator's own policy, as small synchronous functions. All byte fields are borrowed: copy what you keep. What a hook throws is
 * a bug of the hook: the client gets a refusal, the operator an `error` event, and the tracker goes on.
 *
 *     const onlyOurs: TrackerHooks = { preAnnounce: (a) => (known.has(toHex(a.request.infoHash)) ? undefined : { reason: 'unknown torrent' }) };
 */
export interface TrackerHooks {
  /** Before the swarm is touched. @returns why the client is turned away, or undefined to go on */
  preAnnounce?(a: TrackerAnnounce): TrackerRefusal | undefined;
  /** After the answer was made. */
  postAnnounce?(a: TrackerAnnounce, answer: AnnounceAnswer): void;
  /** @returns why the client is turned away, or undefined to go on */
  preScrape?(s: TrackerScrape): TrackerRefusal | undefined;
}

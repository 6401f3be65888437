import { lookup } from 'node:dns/promises';
import { BtError, isIpv6, isLocalNetwork, type PeerAddress, parseIp, toHex } from '../base/index.ts';
import {
  type AnnounceRequest,
  type AnnounceResponse,
  decodeHttpAnnounceResponse,
  decodeHttpScrapeResponse,
  encodeAnnounceQuery,
  encodeScrapeQuery,
  type IpFamily,
  parseTrackerUrl,
  type ScrapeCounts,
  type TrackerRefusal,
  type TrackerUrl,
  toScrapeUrl,
  toTrackerTarget,
  trackerWireLimits,
  type UdpQuery,
} from '../wire/index.ts';
import { describeFailure, TrackerCallError } from './tracker-error.ts';
import { mergeAnnounces, settleFamilies } from './tracker-families.ts';
import { getFromTracker, type TrackerHttpAnswer } from './tracker-http.ts';
import { UdpTrackers } from './tracker-udp.ts';

/** `retryInSec`: how long the tracker wants to be left alone (BEP 31), Infinity = for ever. */
export type TrackerFailure = { readonly ok: false; readonly error: BtError; readonly retryInSec?: number };
export type TrackerCallResult<T> = { readonly ok: true; readonly response: T } | TrackerFailure;
export type TrackerScrapeResult = ({ readonly ok: true } & ScrapeCounts) | TrackerFailure;

export interface TrackerCallOptions {
  /** Aborting rejects the call with the signal's reason. */
  readonly signal?: AbortSignal;
  /** For everything together: name, connection, retries, redirects. */
  readonly timeoutMs?: number;
  /** Only these address families; default: those of the client. */
  readonly families?: readonly IpFamily[];
}

export interface TrackerClientOptions {
  /** The families we can be dialled by; a tracker is told of us by each of them that it has an address of. Default both. */
  readonly families?: readonly IpFamily[];
  /** Default 60 s: three tries by UDP. */
  readonly timeoutMs?: number;
  readonly userAgent?: string;
  /** @returns numeric addresses of a host name, both families; for tests. Default: the system's resolver. */
  readonly resolve?: (host: string) => Promise<readonly string[]>;
}

const TIMED_OUT = Symbol('timed out');
const FAMILIES: readonly IpFamily[] = [4, 6];

/**
 * The client side of trackers over HTTP, HTTPS and UDP. Failures are results, not exceptions:
 * `tracker/refused` it said no · `tracker/garbage` its answer makes no sense · `tracker/unreachable` · `tracker/timeout` ·
 * `tracker/unsupported` no URL of a protocol we speak.
 *
 * An announce goes out by IPv4 and by IPv6 where the tracker's name has both (BEP 7), with the same key, and gives one merged answer:
 * the swarm learns both our addresses, and we learn peers of both. It is good where one of the two is.
 */
export class TrackerClient {
  readonly #options: TrackerClientOptions;
  readonly #udp = new UdpTrackers();
  readonly #running = new Set<AbortController>();

  constructor(options: TrackerClientOptions = {}) {
    this.#options = options;
  }

  announce(
    url: string,
    request: AnnounceRequest,
    options: TrackerCallOptions = {},
  ): Promise<TrackerCallResult<AnnounceResponse>> {
    const tracker = parseTrackerUrl(url);
    if (tracker === undefined || !isSpoken(tracker)) return unsupported(url);
    return this.#call(url, options, async (signal, hold) => {
      const families = await this.#familiesOf(tracker, options);
      const one = (family: IpFamily): Promise<AnnounceResponse> =>
        tracker.scheme === 'udp'
          ? this.#announceUdp(tracker, { url, request, family, signal })
          : this.#announceHttp(tracker, { url, request, family, signal });
      const calls = families.map(one);
      hold(Promise.allSettled(calls));
      return mergeAnnounces(await settleFamilies(calls));
    });
  }

  /** Counts of one torrent. @param infoHash 20 bytes */
  async scrape(url: string, infoHash: Uint8Array, options: TrackerCallOptions = {}): Promise<TrackerScrapeResult> {
    const result = await this.scrapeMany(url, [infoHash], options);
    if (!result.ok) return result;
    const row = result.response.get(toHex(infoHash));
    // A tracker that leaves a torrent out does not know it.
    return { ok: true, ...(row ?? { complete: 0, incomplete: 0, downloaded: 0 }) };
  }

  /** Counts by info-hash in lower-case hex; at most 74 hashes by UDP, 50 by HTTP. By the first family that answers. */
  scrapeMany(
    url: string,
    infoHashes: readonly Uint8Array[],
    options: TrackerCallOptions = {},
  ): Promise<TrackerCallResult<ReadonlyMap<string, ScrapeCounts>>> {
    const tracker = parseTrackerUrl(url);
    const target = tracker === undefined ? undefined : toScrapeUrl(tracker);
    if (target === undefined || !isSpoken(target)) return unsupported(url);
    return this.#call(url, options, async (signal) => {
      let failure: unknown;
      for (const family of await this.#familiesOf(target, options)) {
        try {
          return target.scheme === 'udp'
            ? await this.#scrapeUdp(target, { url, infoHashes, family, signal })
            : await this.#scrapeHttp(target, { url, infoHashes, family, signal });
        } catch (error) {
          if (signal.aborted || BtError.is(error, 'tracker/refused')) throw error;
          failure = error;
        }
      }
      throw failure;
    });
  }

  /** Ends what is running, with `tracker/unreachable`, and frees the sockets. */
  async close(): Promise<void> {
    for (const controller of this.#running)
      controller.abort(new BtError('client/closed', { what: 'the tracker client' }));
    await this.#udp.close();
  }

  /**
   * Bounds a call in time, and turns what it throws into a result.
   *
   * @param run may `hold` a promise: the bounds stay in force until that has settled, also when the call has returned
   */
  async #call<T>(
    url: string,
    options: TrackerCallOptions,
    run: (signal: AbortSignal, hold: (until: Promise<unknown>) => void) => Promise<T>,
  ): Promise<TrackerCallResult<T>> {
    const outer = options.signal;
    outer?.throwIfAborted();
    const controller = new AbortController();
    const onAbort = (): void => controller.abort(outer?.reason);
    outer?.addEventListener('abort', onAbort, { once: true });
    const timer = setTimeout(() => controller.abort(TIMED_OUT), options.timeoutMs ?? this.#options.timeoutMs ?? 60_000);
    this.#running.add(controller);
    const aborted = new Promise<never>((_, reject) => {
      controller.signal.addEventListener('abort', () => reject(controller.signal.reason), { once: true });
    });
    let held: Promise<unknown> = Promise.resolve();
    const hold = (until: Promise<unknown>): void => {
      held = until;
    };
    try {
      // Name look-ups cannot be ended, so the call ends without them.
      return { ok: true, response: await Promise.race([run(controller.signal, hold), aborted]) };
    } catch (error) {
      if (outer?.aborted === true) throw outer.reason;
      return toFailure(toTrackerError(url, error));
    } finally {
      timer.unref();
      void held.finally(() => {
        clearTimeout(timer);
        outer?.removeEventListener('abort', onAbort);
        this.#running.delete(controller);
      });
    }
  }

  async #familiesOf(tracker: TrackerUrl, options: TrackerCallOptions): Promise<IpFamily[]> {
    const wanted = options.families ?? this.#options.families ?? FAMILIES;
    const addresses = await this.#resolve(tracker.host);
    const families = FAMILIES.filter((f) => wanted.includes(f) && addresses.some((a) => familyOf(a) === f));
    if (families.length > 0) return families;
    throw new TrackerCallError('unreachable', 'its name has no address of a kind that we use');
  }

  async #resolve(host: string): Promise<readonly string[]> {
    if (parseIp(host) !== undefined) return [host];
    if (this.#options.resolve !== undefined) return this.#options.resolve(host);
    try {
      return (await lookup(host, { all: true, verbatim: true })).map(({ address }) => address);
    } catch (error) {
      throw new TrackerCallError('unreachable', describeFailure((error as NodeJS.ErrnoException).code ?? ''), {
        cause: error,
      });
    }
  }

  async #resolveFamily(host: string, family: IpFamily): Promise<string[]> {
    const addresses = (await this.#resolve(host)).filter((address) => familyOf(address) === family);
    if (addresses.length > 0) return addresses;
    throw new TrackerCallError('unreachable', `its name has no IPv${family} address`);
  }

  async #announceUdp(
    tracker: TrackerUrl,
    o: { url: string; request: AnnounceRequest; family: IpFamily; signal: AbortSignal },
  ): Promise<AnnounceResponse> {
    const urlData = toTrackerTarget(tracker);
    const query: UdpQuery = { kind: 'announce', request: o.request, ...(urlData === '' ? {} : { urlData }) };
    const result = await this.#askUdp(tracker, query, o);
    if (result.kind !== 'announced') throw new TrackerCallError('garbage', 'an answer to another question');
    return result.response;
  }

  async #scrapeUdp(
    tracker: TrackerUrl,
    o: { url: string; infoHashes: readonly Uint8Array[]; family: IpFamily; signal: AbortSignal },
  ): Promise<ReadonlyMap<string, ScrapeCounts>> {
    const infoHashes = o.infoHashes.slice(0, trackerWireLimits.udpScrapeHashesMax);
    const result = await this.#askUdp(tracker, { kind: 'scrape', infoHashes }, o);
    if (result.kind !== 'scraped') throw new TrackerCallError('garbage', 'an answer to another question');
    const rows = new Map<string, ScrapeCounts>();
    infoHashes.forEach((hash, i) => {
      const row = result.rows[i];
      if (row !== undefined) rows.set(toHex(hash), row);
    });
    return rows;
  }

  async #askUdp(tracker: TrackerUrl, query: UdpQuery, o: { url: string; family: IpFamily; signal: AbortSignal }) {
    const [host] = await this.#resolveFamily(tracker.host, o.family);
    const to: PeerAddress = { host: host as string, port: tracker.port };
    const result = await this.#udp.ask(to, query, o.signal);
    if (result.kind === 'refused') throw refused(o.url, { reason: result.reason });
    if (result.kind === 'timeout') throw TIMED_OUT;
    if (result.kind === 'unreachable') throw new TrackerCallError('unreachable', describeFailure(result.what));
    return result;
  }

  async #announceHttp(
    tracker: TrackerUrl,
    o: { url: string; request: AnnounceRequest; family: IpFamily; signal: AbortSignal },
  ): Promise<AnnounceResponse> {
    const answer = await this.#get(tracker, encodeAnnounceQuery(o.request), o);
    const reply = readReply(o.url, answer, decodeHttpAnnounceResponse);
    if (!reply.ok) throw refused(o.url, reply.refusal);
    return reply.response;
  }

  async #scrapeHttp(
    tracker: TrackerUrl,
    o: { url: string; infoHashes: readonly Uint8Array[]; family: IpFamily; signal: AbortSignal },
  ): Promise<ReadonlyMap<string, ScrapeCounts>> {
    const query = encodeScrapeQuery(o.infoHashes.slice(0, trackerWireLimits.httpScrapeHashesMax));
    const reply = readReply(o.url, await this.#get(tracker, query, o), decodeHttpScrapeResponse);
    if (!reply.ok) throw refused(o.url, reply.refusal);
    return reply.rows;
  }

  #get(tracker: TrackerUrl, query: string, o: { family: IpFamily; signal: AbortSignal }): Promise<TrackerHttpAnswer> {
    // The URL may have a query of its own, a passkey for instance.
    const own = tracker.query === undefined || tracker.query === '' ? '' : `${tracker.query}&`;
    return getFromTracker({
      url: { ...tracker, query: own + query },
      family: o.family,
      resolve: (host, family) => this.#resolveFamily(host, family),
      isLocal: (address) => isLocalNetwork(parseIp(address) ?? new Uint8Array(4)),
      userAgent: this.#options.userAgent ?? 'Eider/0.1',
      signal: o.signal,
    });
  }
}

function isSpoken(url: TrackerUrl): boolean {
  return url.scheme === 'http' || url.scheme === 'https' || url.scheme === 'udp';
}

function unsupported<T>(url: string): Promise<TrackerCallResult<T>> {
  return Promise.resolve({ ok: false, error: new BtError('tracker/unsupported', { url }) });
}

function familyOf(address: string): IpFamily {
  return isIpv6(address) ? 6 : 4;
}

function refused(url: string, refusal: TrackerRefusal): BtError {
  const reason = refusal.reason === '' ? 'it gave no reason' : refusal.reason;
  return new BtError('tracker/refused', { url, ...refusal, reason });
}

/** A tracker's refusal may come with any status; another answer counts only with 200. */
function readReply<R extends { readonly ok: boolean }>(
  url: string,
  answer: TrackerHttpAnswer,
  decode: (body: Uint8Array) => R,
): R {
  let reply: R;
  try {
    reply = decode(answer.body);
  } catch (error) {
    if (answer.status === 200) throw error;
    throw refused(url, statusRefusal(answer));
  }
  if (answer.status !== 200 && reply.ok) throw refused(url, statusRefusal(answer));
  return reply;
}

function statusRefusal(answer: TrackerHttpAnswer): TrackerRefusal {
  const { status, statusText, retryInSec } = answer;
  return { reason: `HTTP ${status} ${statusText}`.trim(), ...(retryInSec === undefined ? {} : { retryInSec }) };
}

function toFailure(error: BtError): TrackerFailure {
  const retryInSec = BtError.is(error, 'tracker/refused') ? error.detail.retryInSec : undefined;
  return { ok: false, error, ...(retryInSec === undefined ? {} : { retryInSec }) };
}

function toTrackerError(url: string, error: unknown): BtError {
  if (error === TIMED_OUT) return new BtError('tracker/timeout', { url });
  if (BtError.is(error)) {
    if (error.code.startsWith('tracker/')) return error;
    const isGarbage = error.code.startsWith('bencode/') || error.code.startsWith('wire/');
    return new BtError(
      isGarbage ? 'tracker/garbage' : 'tracker/unreachable',
      { url, what: error.message },
      { cause: error },
    );
  }
  const kind =
    error instanceof TrackerCallError && error.kind === 'garbage' ? 'tracker/garbage' : 'tracker/unreachable';
  return new BtError(kind, { url, what: error instanceof Error ? error.message : String(error) }, { cause: error });
}

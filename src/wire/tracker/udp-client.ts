import {
  addMs,
  assert,
  BtError,
  formatAddress,
  isIpv6,
  type Millis,
  NEVER,
  type PeerAddress,
} from '../../base/index.ts';
import type { AnnounceRequest, AnnounceResponse, ScrapeCounts } from './types.ts';
import {
  decodeUdpResponse,
  encodeUdpAnnounceRequest,
  encodeUdpConnectRequest,
  encodeUdpScrapeRequest,
  type UdpResponse,
} from './udp.ts';

/** Names one request of one client; never reused. */
export type UdpRequestId = number & { readonly __brand: 'UdpRequestId' };

export type UdpQuery =
  | { readonly kind: 'announce'; readonly request: AnnounceRequest; readonly urlData?: string }
  | { readonly kind: 'scrape'; readonly infoHashes: readonly Uint8Array[] };

export type UdpOutcome =
  | { readonly kind: 'announced'; readonly response: AnnounceResponse }
  | { readonly kind: 'scraped'; readonly rows: readonly ScrapeCounts[] }
  | { readonly kind: 'refused'; readonly reason: string }
  | { readonly kind: 'timeout' };

/** Outputs. They return nothing and never call back into the client. */
export interface UdpClientPorts {
  /** Gives the datagram away. */
  send(datagram: Uint8Array, to: PeerAddress): void;
  /** Exactly once for every request that was not cancelled. */
  done(id: UdpRequestId, outcome: UdpOutcome): void;
}

export const udpClientLimits = {
  /** First wait for an answer; doubles with every try (BEP 15: 15 * 2^n seconds). */
  retryBaseMs: 15_000,
  /**
   * Sends of one request, connects included. BEP 15 goes on to n = 8, which is two hours; four give up after 225 s, and whoever
   * asked decides when to come back or to ask another tracker.
   */
  attemptsMax: 4,
  /** How long a connection id is used (BEP 15: one minute after it was received). */
  connectionIdMs: 60_000,
} as const;

interface Request {
  readonly id: UdpRequestId;
  readonly endpoint: Endpoint;
  readonly query: UdpQuery;
  readonly transactionId: number;
  attempts: number;
  /** NEVER while it waits for a connection id. */
  resendAt: Millis;
  /** Sent with a connection id that an earlier request had fetched: an error may only mean that the tracker forgot it. */
  onOldConnection: boolean;
}

/** One tracker address, shared by all requests to it. */
interface Endpoint {
  readonly key: string;
  readonly address: PeerAddress;
  connectionId: Uint8Array | undefined;
  connectionExpiresAt: Millis;
  /** The connect in flight, if any. */
  connect: { transactionId: number; attempts: number; resendAt: Millis } | undefined;
  readonly requests: Set<Request>;
}

/**
 * The client side of the UDP tracker protocol for any number of trackers: connection ids kept for their minute, transactions matched by
 * id and sender, retries with doubling waits. Pure: time comes in, datagrams and outcomes go out. Answers that make no sense are
 * dropped, since anybody may send us a datagram: the retry takes care.
 */
export class UdpTrackerClient {
  readonly #ports: UdpClientPorts;
  readonly #random32: () => number;
  readonly #endpoints = new Map<string, Endpoint>();
  readonly #requests = new Map<UdpRequestId, Request>();
  /** Who waits for which transaction: a request, or the connect of an endpoint. */
  readonly #transactions = new Map<number, Request | Endpoint>();
  #nextId = 1;
  /** Datagrams that matched nothing or made no sense. */
  droppedCount = 0;

  /** @param options.random32 unpredictable, 0 to 2^32 - 1: transaction ids are what keeps strangers from answering */
  constructor(options: { ports: UdpClientPorts; random32: () => number }) {
    this.#ports = options.ports;
    this.#random32 = options.random32;
  }

  get pendingCount(): number {
    return this.#requests.size;
  }

  /** Asks the tracker at a numeric address. The outcome comes through `ports.done`, unless the request is cancelled. */
  start(now: Millis, to: PeerAddress, query: UdpQuery): UdpRequestId {
    this.#forgetIdle(now);
    const endpoint = this.#endpointOf(to);
    const id = this.#nextId++ as UdpRequestId;
    const request: Request = {
      id,
      endpoint,
      query,
      transactionId: this.#newTransactionId(),
      attempts: 0,
      resendAt: NEVER,
      onOldConnection: hasConnection(endpoint, now),
    };
    endpoint.requests.add(request);
    this.#requests.set(id, request);
    this.#transactions.set(request.transactionId, request);
    this.#send(now, request);
    return id;
  }

  /** Forgets the request; no outcome comes any more. */
  cancel(id: UdpRequestId): void {
    const request = this.#requests.get(id);
    if (request !== undefined) this.#forget(request);
  }

  /** @param bytes whole datagram, borrowed */
  onDatagram(now: Millis, from: PeerAddress, bytes: Uint8Array): void {
    const response = decodeOrUndefined(bytes, from);
    const owner = response === undefined ? undefined : this.#transactions.get(response.transactionId);
    const endpoint = owner === undefined ? undefined : 'endpoint' in owner ? owner.endpoint : owner;
    if (response === undefined || owner === undefined || endpoint?.key !== formatAddress(from)) {
      this.droppedCount++;
      return;
    }
    if ('endpoint' in owner) this.#onAnswer(now, owner, response);
    else this.#onConnectAnswer(now, owner, response);
  }

  /** When `onWake` has something to do; NEVER where nothing is pending. */
  nextDeadline(): Millis {
    let next: number = NEVER;
    for (const request of this.#requests.values()) next = Math.min(next, request.resendAt);
    for (const { connect } of this.#endpoints.values())
      if (connect !== undefined) next = Math.min(next, connect.resendAt);
    return next as Millis;
  }

  onWake(now: Millis): void {
    for (const endpoint of [...this.#endpoints.values()]) {
      if (endpoint.connect !== undefined && endpoint.connect.resendAt <= now) this.#resendConnect(now, endpoint);
    }
    for (const request of [...this.#requests.values()]) {
      if (request.resendAt > now) continue;
      if (request.attempts >= udpClientLimits.attemptsMax) this.#finish(request, { kind: 'timeout' });
      else this.#send(now, request);
    }
    this.#forgetIdle(now);
  }

  #onAnswer(now: Millis, request: Request, response: UdpResponse): void {
    // Not sent yet, so nobody can have answered it.
    if (request.resendAt === NEVER) {
      this.droppedCount++;
      return;
    }
    if (response.kind === 'error') this.#onRefusal(now, request, response.reason);
    else if (response.kind === 'announce' && request.query.kind === 'announce') {
      this.#finish(request, { kind: 'announced', response: response.response });
    } else if (response.kind === 'scrape' && request.query.kind === 'scrape') {
      this.#finish(request, { kind: 'scraped', rows: response.rows });
    } else this.droppedCount++;
  }

  #onRefusal(now: Millis, request: Request, reason: string): void {
    if (!request.onOldConnection) {
      this.#finish(request, { kind: 'refused', reason });
      return;
    }
    // A restarted tracker does not know the id any more. One try with a fresh one tells that from a real refusal.
    request.onOldConnection = false;
    request.endpoint.connectionId = undefined;
    this.#send(now, request);
  }

  #onConnectAnswer(now: Millis, endpoint: Endpoint, response: UdpResponse): void {
    if (response.kind === 'connect') {
      this.#endConnect(endpoint);
      endpoint.connectionId = response.connectionId;
      endpoint.connectionExpiresAt = addMs(now, udpClientLimits.connectionIdMs);
      for (const request of endpoint.requests) if (request.resendAt === NEVER) this.#send(now, request);
    } else if (response.kind === 'error') {
      this.#failWaiting(endpoint, { kind: 'refused', reason: response.reason });
    } else this.droppedCount++;
  }

  #send(now: Millis, request: Request): void {
    const { endpoint, query, transactionId } = request;
    const connectionId = hasConnection(endpoint, now) ? endpoint.connectionId : undefined;
    if (connectionId === undefined) {
      request.resendAt = NEVER;
      if (endpoint.connect === undefined) this.#startConnect(now, endpoint, request.attempts);
      return;
    }
    request.resendAt = addMs(now, udpClientLimits.retryBaseMs * 2 ** request.attempts++);
    this.#ports.send(
      query.kind === 'announce'
        ? encodeUdpAnnounceRequest({ connectionId, transactionId, ...query })
        : encodeUdpScrapeRequest({ connectionId, transactionId, infoHashes: query.infoHashes }),
      endpoint.address,
    );
  }

  /** @param attempts of the request that needs it: the waits go on doubling across an expired connection id (BEP 15) */
  #startConnect(now: Millis, endpoint: Endpoint, attempts: number): void {
    endpoint.connectionId = undefined;
    endpoint.connect = { transactionId: this.#newTransactionId(), attempts, resendAt: now };
    this.#transactions.set(endpoint.connect.transactionId, endpoint);
    this.#resendConnect(now, endpoint);
  }

  #resendConnect(now: Millis, endpoint: Endpoint): void {
    const connect = endpoint.connect;
    assert(connect !== undefined, 'a connect in flight');
    if (connect.attempts >= udpClientLimits.attemptsMax) {
      this.#failWaiting(endpoint, { kind: 'timeout' });
      return;
    }
    connect.resendAt = addMs(now, udpClientLimits.retryBaseMs * 2 ** connect.attempts++);
    this.#ports.send(encodeUdpConnectRequest(connect.transactionId), endpoint.address);
  }

  #endConnect(endpoint: Endpoint): void {
    if (endpoint.connect === undefined) return;
    this.#transactions.delete(endpoint.connect.transactionId);
    endpoint.connect = undefined;
  }

  #failWaiting(endpoint: Endpoint, outcome: UdpOutcome): void {
    this.#endConnect(endpoint);
    for (const request of [...endpoint.requests]) if (request.resendAt === NEVER) this.#finish(request, outcome);
  }

  #finish(request: Request, outcome: UdpOutcome): void {
    this.#forget(request);
    this.#ports.done(request.id, outcome);
  }

  #forget(request: Request): void {
    const { endpoint } = request;
    this.#requests.delete(request.id);
    this.#transactions.delete(request.transactionId);
    endpoint.requests.delete(request);
    // A connect nobody waits for any more is not repeated.
    if (endpoint.requests.size === 0) this.#endConnect(endpoint);
  }

  #endpointOf(address: PeerAddress): Endpoint {
    const key = formatAddress(address);
    let endpoint = this.#endpoints.get(key);
    if (endpoint === undefined) {
      endpoint = {
        key,
        address,
        connectionId: undefined,
        connectionExpiresAt: NEVER,
        connect: undefined,
        requests: new Set(),
      };
      this.#endpoints.set(key, endpoint);
    }
    return endpoint;
  }

  /** Keeps the table as small as the trackers of the last minute. */
  #forgetIdle(now: Millis): void {
    for (const [key, endpoint] of this.#endpoints) {
      if (endpoint.requests.size === 0 && !hasConnection(endpoint, now)) this.#endpoints.delete(key);
    }
  }

  #newTransactionId(): number {
    let id = this.#random32();
    while (this.#transactions.has(id)) id = this.#random32();
    return id;
  }
}

function hasConnection(endpoint: Endpoint, now: Millis): boolean {
  return endpoint.connectionId !== undefined && now < endpoint.connectionExpiresAt;
}

function decodeOrUndefined(bytes: Uint8Array, from: PeerAddress): UdpResponse | undefined {
  try {
    return decodeUdpResponse(bytes, isIpv6(from.host) ? 6 : 4);
  } catch (error) {
    if (BtError.is(error)) return undefined;
    throw error;
  }
}

// Hot path: tracker-http
import type { IncomingMessage, ServerResponse } from 'node:http';
import { isLocalNetwork, type Millis } from '../../base/index.ts';
import {
  type AddressLimits,
  AnnounceCall,
  type CounterRow,
  counter,
  type Offenders,
  placeOfRefusal,
  refusalReason,
  ScrapeCall,
  type TrackerLogic,
} from '../../tracker/index.ts';
import {
  AnnounceQueryReader,
  compactPeerBytes,
  httpAnnounceBytesMax,
  httpRefusalBytesMax,
  httpScrapeBytesMax,
  ScrapeQueryReader,
  type TrackerRefusal,
  trackerWireLimits,
  writeHttpAnnounce,
  writeHttpRefusal,
  writeHttpScrape,
} from '../../wire/index.ts';
import { AnswerBuffer, type AnswerManner } from './answer-buffer.ts';
import type { FullScrape } from './full-scrape.ts';
import { RequestHead } from './request-head.ts';

export interface HttpRoutesOptions {
  readonly logic: TrackerLogic;
  readonly counts: CounterRow;
  /** Peers in an answer at most. */
  readonly peersMax: number;
  /** What one address may ask for; without it, anything. */
  readonly addressLimits?: AddressLimits;
  /** Told of those beyond the limit. */
  readonly offenders?: Offenders;
  /** Answers a scrape without info-hash with every torrent; without it such scrapes are refused. */
  readonly fullScrape?: FullScrape;
  /** A bug of ours or of a hook. */
  readonly onBug: (error: unknown) => void;
}

const FAILED: TrackerRefusal = { reason: refusalReason.failed };
const NO_HASHES: TrackerRefusal = { reason: refusalReason.noHashes };

/**
 * What a tracker answers over HTTP to announces and scrapes, whoever has read the request: our own connections or a node:http server.
 * All connections of a thread share one, with its answer buffer: an answer is made in one go. Never throws.
 */
export class HttpRoutes {
  /** Where answers are collected until their connection sends them. */
  readonly out: AnswerBuffer;
  readonly #o: HttpRoutesOptions;
  readonly #announceQuery = new AnnounceQueryReader();
  readonly #scrapeQuery = new ScrapeQueryReader();
  readonly #announceCall = new AnnounceCall();
  readonly #scrapeCall = new ScrapeCall();
  /** The form of the answer in the making. */
  readonly #form: { compact: boolean; externalBytes: Uint8Array; externalAt: number; externalLength: 0 | 4 | 16 };

  constructor(options: HttpRoutesOptions) {
    this.#o = options;
    const bodyBytesMax = Math.max(
      httpAnnounceBytesMax(options.peersMax),
      httpScrapeBytesMax(trackerWireLimits.queryParametersMax),
      httpRefusalBytesMax,
    );
    this.out = new AnswerBuffer({ bodyBytesMax, peerBytesMax: options.peersMax * compactPeerBytes[6] });
    const call = this.#announceCall;
    call.via = 'http';
    call.hashBytes = this.#announceQuery.infoHash;
    call.peerIdBytes = this.#announceQuery.peerId;
    call.families = 'both';
    call.peersMax = options.peersMax;
    this.#scrapeCall.via = 'http';
    this.#scrapeCall.hashBytes = this.#scrapeQuery.hashes;
    this.#scrapeCall.rows = new Uint32Array(trackerWireLimits.queryParametersMax * 3);
    this.#form = { compact: true, externalBytes: this.#announceQuery.infoHash, externalAt: 0, externalLength: 0 };
  }

  /**
   * Adds the answer to `out`, which has room for it.
   *
   * @param head what was read of the request in `bytes`
   * @param source 4 or 16 bytes of who asks
   */
  answer(now: Millis, head: RequestHead, bytes: Buffer, source: Uint8Array): void {
    const { out } = this;
    out.begin(head);
    out.end(this.#writeBody(now, head, bytes, source), head.isHead);
  }

  /**
   * Answers an announce or a scrape that a node:http server has read.
   *
   * @param source 4 or 16 bytes of who asks
   * @returns false where the request is none of ours; nothing was written then
   */
  answerRequest(now: Millis, request: IncomingMessage, response: ServerResponse, source: Uint8Array): boolean {
    const method = request.method === 'HEAD' ? 'HEAD' : 'GET';
    const bytes = Buffer.from(`${method} ${request.url ?? ''} HTTP/1.1\r\n\r\n`, 'latin1');
    const head = new RequestHead();
    const limits = { httpHeadBytesMax: bytes.length + 1, httpTargetBytesMax: bytes.length };
    if (head.parse(bytes, 0, bytes.length, limits, true) !== 'ours') return false;
    head.isForwarded = 'forwarded' in request.headers || 'x-forwarded-for' in request.headers;
    if (request.method !== method) {
      response.writeHead(405, { allow: 'GET, HEAD', 'content-type': 'text/plain; charset=utf-8' }).end('only GET\n');
      return true;
    }
    // What other connections are about to send is in the buffer: the body is made behind it and copied out.
    const { out } = this;
    out.begin(head);
    const end = this.wantsAll(head, bytes)
      ? this.#beginFull(now, { head, bytes, source, request, response })
      : this.#writeBody(now, head, bytes, source);
    if (end === SENT_APART) return true;
    const body = Buffer.from(out.bytes.subarray(out.bodyAt, end));
    response.writeHead(200, {
      'content-type': 'text/plain',
      'cache-control': 'no-store',
      'content-length': body.length,
    });
    response.end(head.isHead ? undefined : body);
    return true;
  }

  /** Whether this is a scrape of all torrents that we answer: it goes through `answerRequest`, which can send it piece by piece. */
  wantsAll(head: RequestHead, bytes: Buffer): boolean {
    if (head.kind !== 'scrape' || this.#o.fullScrape === undefined) return false;
    const query = this.#scrapeQuery;
    return query.read(bytes, head.queryFrom, head.targetTo) === undefined && query.count === 0;
  }

  /** Adds a plain answer of another status. */
  answerBad(status: number, manner: AnswerManner): void {
    this.out.addText(status, status === 405 ? 'only GET\n' : 'bad request\n', manner);
  }

  /** @returns where the body ends */
  #writeBody(now: Millis, head: RequestHead, bytes: Buffer, source: Uint8Array): number {
    const limits = this.#o.addressLimits;
    if (limits !== undefined && !limits.takeRequest(now, source, 0, lengthOf(source))) return this.#limit(now, source);
    try {
      return head.kind === 'announce'
        ? this.#announce(now, head, bytes, source)
        : this.#scrape(now, head, bytes, source);
    } catch (error) {
      this.#o.onBug(error);
      return this.#refuse(FAILED, counter.httpRefusedFailed);
    }
  }

  #announce(now: Millis, head: RequestHead, bytes: Buffer, source: Uint8Array): number {
    const { out } = this;
    const query = this.#announceQuery;
    const fault = query.read(bytes, head.queryFrom, head.targetTo);
    if (fault !== undefined) return this.#refuse({ reason: fault }, counter.httpRefusedInvalid);
    const call = this.#announceCall;
    call.sourceBytes = source;
    call.sourceLength = lengthOf(source);
    call.target = bytes.toString('latin1', head.targetFrom, head.targetTo);
    call.port = query.port;
    call.uploaded = query.uploaded;
    call.downloadedBytes = query.downloaded;
    call.left = query.left;
    call.event = query.event;
    call.numWant = query.numWant;
    call.key = query.key;
    // Where a proxy of ours, or one we were not told of, stands in between, anybody may come from a network of our own.
    call.namedIp = query.namesAddress && !head.isForwarded ? pickNamedIp(query, source) : '';
    call.out = out.bytes;
    call.outAt = out.peersAt;
    call.isStored = true;
    const refusal = this.#o.logic.announce(now, call);
    if (refusal !== undefined) return this.#refuse(refusal, placeOfRefusal('http', refusal, call.isStored));
    this.#o.counts[source.length === 4 ? counter.httpAnnounces4 : counter.httpAnnounces6]!++;
    const form = this.#form;
    form.compact = query.compact;
    form.externalBytes = source;
    // An address of our own network says nothing about how the client is seen from the Internet.
    form.externalLength = isLocalNetwork(source) ? 0 : call.sourceLength;
    return writeHttpAnnounce(out.bytes, out.bodyAt, call, form);
  }

  #scrape(now: Millis, head: RequestHead, bytes: Buffer, source: Uint8Array): number {
    const fault = this.#scrapeQuery.read(bytes, head.queryFrom, head.targetTo);
    if (fault !== undefined) return this.#refuse({ reason: fault }, counter.httpRefusedInvalid);
    if (this.#scrapeQuery.count === 0) return this.#refuse(NO_HASHES, counter.httpRefusedInvalid);
    const refusal = this.#askScrape(now, head, bytes, source);
    if (refusal !== undefined) return this.#refuse(refusal, placeOfRefusal('http', refusal, true));
    this.#o.counts[counter.httpScrapes]!++;
    return writeHttpScrape(this.out.bytes, this.out.bodyAt, this.#scrapeCall);
  }

  /** Fills the rows of the query that was read last. */
  #askScrape(now: Millis, head: RequestHead, bytes: Buffer, source: Uint8Array): TrackerRefusal | undefined {
    const call = this.#scrapeCall;
    call.sourceBytes = source;
    call.sourceLength = lengthOf(source);
    call.target = bytes.toString('latin1', head.targetFrom, head.targetTo);
    call.count = this.#scrapeQuery.count;
    return this.#o.logic.scrape(now, call);
  }

  /** @returns `SENT_APART`, or where the body of a refusal ends */
  #beginFull(now: Millis, o: NodeRequest): number {
    const full = this.#o.fullScrape as FullScrape;
    const limits = this.#o.addressLimits;
    if (limits !== undefined && !limits.takeRequest(now, o.source, 0, lengthOf(o.source)))
      return this.#limit(now, o.source);
    try {
      // Without any torrent: for the hooks, which may know who is allowed to ask.
      const refusal = this.#askScrape(now, o.head, o.bytes, o.source);
      if (refusal !== undefined) return this.#refuse(refusal, placeOfRefusal('http', refusal, true));
    } catch (error) {
      this.#o.onBug(error);
      return this.#refuse(FAILED, counter.httpRefusedFailed);
    }
    const retryInSec = full.waitSec(now);
    if (retryInSec > 0)
      return this.#refuse({ reason: 'too many full scrapes', retryInSec }, counter.httpRefusedLimited);
    this.#o.counts[counter.httpScrapes]!++;
    const acceptsGzip = /\bgzip\b/i.test(String(o.request.headers['accept-encoding'] ?? ''));
    void full.send(now, o.response, { acceptsGzip, isHead: o.head.isHead });
    return SENT_APART;
  }

  #limit(now: Millis, source: Uint8Array): number {
    this.#o.offenders?.note(source, 0, lengthOf(source), 'limited');
    const retryInSec = this.#o.addressLimits?.retryInSec(now) ?? 0;
    return this.#refuse({ reason: refusalReason.limited, retryInSec }, counter.httpRefusedLimited);
  }

  /** With status 200: clients read a failure reason only from a good HTTP answer. */
  #refuse(refusal: TrackerRefusal, place: number): number {
    this.#o.counts[place]!++;
    return writeHttpRefusal(this.out.bytes, this.out.bodyAt, refusal);
  }
}

/** Of a body that is sent piece by piece. */
const SENT_APART = -1;

/** A request that node:http has read. */
interface NodeRequest {
  readonly head: RequestHead;
  /** Its line. */
  readonly bytes: Buffer;
  readonly source: Uint8Array;
  readonly request: IncomingMessage;
  readonly response: ServerResponse;
}

function lengthOf(source: Uint8Array): 4 | 16 {
  return source.length === 4 ? 4 : 16;
}

/**
 * The address a client asks to be known by: `ip` (BEP 3), or what BEP 7 lets it add for the family it came by. One of the other family
 * is left alone: a client with both announces by both, and one announce is one peer. Whether it is believed, the logic decides.
 */
function pickNamedIp(query: AnnounceQueryReader, source: Uint8Array): string {
  if (query.ip !== '') return query.ip;
  return source.length === 4 ? query.ipv4 : query.ipv6;
}

import { BtError, type Millis } from '../base/index.ts';
import { AnnounceCall, isLocalNetwork, ScrapeCall, type TrackerLogic } from '../tracker/index.ts';
import {
  type AnnounceAnswer,
  compactPeerBytes,
  encodeHttpAnnounceResponse,
  encodeHttpRefusal,
  encodeHttpScrapeResponse,
  parseAnnounceQuery,
  parseScrapeQuery,
  type TrackerRefusal,
} from '../wire/index.ts';
import type { HttpRequest } from './http-parser.ts';
import type { HttpCounts } from './stats.ts';

export interface HttpAnswer {
  readonly status: number;
  readonly type: string;
  readonly body: Uint8Array;
}

export interface HttpRoutesOptions {
  readonly logic: TrackerLogic;
  readonly counts: HttpCounts;
  /** Peers in an answer at most. */
  readonly peersMax: number;
  /** Body of the page at `/`. */
  readonly statsPage: () => string;
  /** A bug of ours or of a hook. */
  readonly onBug: (error: unknown) => void;
}

const STATUS_TEXTS: Readonly<Record<number, string>> = {
  200: 'OK',
  400: 'Bad Request',
  404: 'Not Found',
  405: 'Method Not Allowed',
  413: 'Content Too Large',
  414: 'URI Too Long',
  431: 'Request Header Fields Too Large',
  505: 'HTTP Version Not Supported',
};

/** What a tracker answers over HTTP: `/announce`, `/scrape`, and for people `/` and `/health`. Never throws. */
export class HttpRoutes {
  readonly #o: HttpRoutesOptions;
  readonly #announceCall = new AnnounceCall();
  readonly #scrapeCall = new ScrapeCall();
  readonly #peers: Uint8Array;

  constructor(options: HttpRoutesOptions) {
    this.#o = options;
    this.#peers = new Uint8Array(options.peersMax * compactPeerBytes[6]);
  }

  /** @param source 4 or 16 bytes that the connection came from */
  answer(now: Millis, request: HttpRequest, source: Uint8Array): HttpAnswer {
    const { target, method } = request;
    const queryAt = target.indexOf('?');
    const path = queryAt < 0 ? target : target.slice(0, queryAt);
    const query = queryAt < 0 ? '' : target.slice(queryAt + 1);
    if (method !== 'GET') return this.#bad(405, 'only GET\n');
    switch (path) {
      case '/announce':
        return this.#orRefusal(() => this.#announce(now, { target, query, source }));
      case '/scrape':
        return this.#orRefusal(() => this.#scrape(now, { target, query, source }));
      case '/':
        return textAnswer(200, this.#o.statsPage());
      case '/health':
        return textAnswer(200, 'ok\n');
      default:
        return this.#bad(404, 'not found\n');
    }
  }

  #announce(now: Millis, o: { target: string; query: string; source: Uint8Array }): HttpAnswer {
    const { request, compact } = parseAnnounceQuery(o.query);
    const call = this.#announceCall;
    call.ask(request, {
      via: 'http',
      source: o.source,
      target: o.target,
      families: 'both',
      peersMax: this.#o.peersMax,
      out: this.#peers,
    });
    const refusal = this.#o.logic.announce(now, call);
    if (refusal !== undefined) return this.#refuse(refusal);
    this.#o.counts.announces++;
    return bencodeAnswer(encodeHttpAnnounceResponse(toAnswer(call), { compact, ...externalIp(o.source) }));
  }

  #scrape(now: Millis, o: { target: string; query: string; source: Uint8Array }): HttpAnswer {
    const infoHashes = parseScrapeQuery(o.query);
    // All torrents at once would be an answer without bound.
    if (infoHashes.length === 0) return this.#refuse({ reason: 'name the torrents to scrape: info_hash is missing' });
    const call = this.#scrapeCall;
    call.ask(infoHashes, { via: 'http', source: o.source, target: o.target });
    const refusal = this.#o.logic.scrape(now, call);
    if (refusal !== undefined) return this.#refuse(refusal);
    this.#o.counts.scrapes++;
    const rows = Array.from({ length: call.count }, (_, i) => call.rowAt(i));
    return bencodeAnswer(encodeHttpScrapeResponse(infoHashes, rows));
  }

  #orRefusal(answer: () => HttpAnswer): HttpAnswer {
    try {
      return answer();
    } catch (error) {
      if (BtError.is(error, 'wire/invalid')) return this.#refuse({ reason: error.detail.what });
      this.#o.onBug(error);
      return this.#refuse({ reason: 'the tracker has failed' });
    }
  }

  /** With status 200: clients read a failure reason only from a good HTTP answer. */
  #refuse(refusal: TrackerRefusal): HttpAnswer {
    this.#o.counts.refused++;
    return bencodeAnswer(encodeHttpRefusal(refusal));
  }

  #bad(status: number, text: string): HttpAnswer {
    this.#o.counts.bad++;
    return textAnswer(status, text);
  }
}

function toAnswer(call: AnnounceCall): AnnounceAnswer {
  const { intervalSec, minIntervalSec, complete, incomplete, downloaded, peers4, peers6, warning } = call;
  const numbers = { intervalSec, minIntervalSec, complete, incomplete, downloaded };
  return { ...numbers, peers4, peers6, ...(warning === '' ? {} : { warning }) };
}

/** An address of our own network says nothing about how the client is seen from the Internet. */
function externalIp(source: Uint8Array): { externalIp?: Uint8Array } {
  return isLocalNetwork(source) ? {} : { externalIp: source };
}

function bencodeAnswer(body: Uint8Array): HttpAnswer {
  return { status: 200, type: 'text/plain', body };
}

export function textAnswer(status: number, text: string): HttpAnswer {
  return { status, type: 'text/plain; charset=utf-8', body: Buffer.from(text) };
}

/** Head and body in one piece: one write, one packet. */
export function encodeHttpAnswer(answer: HttpAnswer, keepAlive: boolean): Uint8Array {
  const head =
    `HTTP/1.1 ${answer.status} ${STATUS_TEXTS[answer.status] ?? 'Error'}\r\n` +
    `Content-Type: ${answer.type}\r\nContent-Length: ${answer.body.length}\r\n` +
    `Cache-Control: no-store\r\nConnection: ${keepAlive ? 'keep-alive' : 'close'}\r\n\r\n`;
  const out = Buffer.allocUnsafe(head.length + answer.body.length);
  out.write(head, 0, 'latin1');
  out.set(answer.body, head.length);
  return out;
}

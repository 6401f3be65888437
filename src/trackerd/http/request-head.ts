// Hot path: tracker-http

/** What `RequestHead.parse` has found. `foreign`: a request that is not for the tracker's own routes, of which only the line was read. */
export type HeadVerdict = 'partial' | 'ours' | 'foreign' | 'bad';
export type HeadStatus = 400 | 405 | 413 | 414 | 431 | 505;

export interface HeadLimits {
  /** Bytes of one request, line and headers. */
  readonly httpHeadBytesMax: number;
  /** Bytes of the request target. */
  readonly httpTargetBytesMax: number;
}

/** Bytes of the longest method: `UPDATEREDIRECTREF` of WebDAV has 17. */
const METHOD_BYTES_MAX = 20;
const CR = 0x0d;
const LF = 0x0a;
const BLANK = 0x20;
const TAB = 0x09;
const SLASH = 0x2f;
const DOT = 0x2e;
const QUESTION = 0x3f;
const COLON = 0x3a;
const COMMA = 0x2c;
const ZERO = 0x30;
const NINE = 0x39;

const ascii = (text: string): Uint8Array => Uint8Array.from(text, (char) => char.charCodeAt(0));
const GET = ascii('GET ');
const HEAD = ascii('HEAD ');
const VERSION = ascii('HTTP/');
const ANNOUNCE = ascii('announce');
const SCRAPE = ascii('scrape');
const PHP = ascii('.php');
const CONNECTION = ascii('connection');
const CONTENT_LENGTH = ascii('content-length');
const TRANSFER_ENCODING = ascii('transfer-encoding');
const ACCEPT_ENCODING = ascii('accept-encoding');
const FORWARDED = ascii('forwarded');
const X_FORWARDED_FOR = ascii('x-forwarded-for');
const UPGRADE = ascii('upgrade');
const CLOSE = ascii('close');
const KEEP_ALIVE = ascii('keep-alive');
const GZIP = ascii('gzip');

/** Characters of a header's name (RFC 9110, 5.6.2), by byte. */
const IS_TOKEN = new Uint8Array(256);
for (const byte of ascii("!#$%&'*+-.^_`|~0123456789ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz"))
  IS_TOKEN[byte] = 1;

/**
 * One request head as far as a tracker needs it, read byte by byte where it came in; one object serves all connections.
 *
 * Which requests are ours: GET and HEAD of a path whose first or last part is `announce`, `announce.php`, `scrape` or `scrape.php`, without
 * `Upgrade`. Everything else is `foreign` as soon as its line is there. A method other than these two on our paths is `bad`, and so is any
 * body, and a head that two readers could understand differently (folded lines, blanks in a header's name, bare CR): then no one's next
 * request can hide in what we take for this one, or the other way round (RFC 9112, 11.2).
 */
export class RequestHead {
  kind: 'announce' | 'scrape' = 'announce';
  /** HEAD: the answer goes without its body. */
  isHead = false;
  /** The target as it stands in the request line, without scheme and host. */
  targetFrom = 0;
  targetTo = 0;
  /** Of the query, behind `?`; empty at `targetTo` where there is none. */
  queryFrom = 0;
  /** HTTP/1.0: an answer must say that the connection stays. */
  isOld = false;
  /** Whether the client wants to go on using the connection. */
  keepAlive = true;
  acceptsGzip = false;
  /** There is a header that names the client of a proxy. */
  isForwarded = false;
  /** Where the headers begin. */
  headersFrom = 0;
  /** Where the next request begins. */
  end = 0;
  /** Of a `bad` one. */
  status: HeadStatus = 400;
  #hasUpgrade = false;
  #saysClose = false;

  /**
   * Reads the head that begins at `start`; `bytes` are borrowed for as long as the positions are used.
   *
   * @param strict lines must end with CR LF, as behind a proxy that could see other lines than we do; otherwise a bare LF ends one too
   */
  parse(bytes: Uint8Array, start: number, to: number, limits: HeadLimits, strict: boolean): HeadVerdict {
    // An empty line before a request is allowed (RFC 9112, 2.2).
    let from = start;
    while (from < to && (bytes[from] === CR || bytes[from] === LF)) from++;
    // What begins otherwise (TLS, most noise) would only be waited for in vain.
    if (from < to && !isUpperCase(bytes[from] as number)) return this.#bad(400);
    const lineEnd = findLineEnd(bytes, from, to);
    // Empty lines count too: whoever sends nothing else would be read again from their beginning with each piece that comes.
    if (lineEnd < 0) return to - start > limits.httpHeadBytesMax ? this.#bad(431) : 'partial';
    if (lineEnd - from >= limits.httpHeadBytesMax) return this.#bad(431);
    const verdict = this.#readLine(bytes, from, lineEnd, limits, strict);
    if (verdict !== 'ours') return verdict;
    this.headersFrom = lineEnd + 1;
    return this.#readHeaders(bytes, from, to, limits, strict);
  }

  /** @param lf place of the LF that ends the line */
  #readLine(bytes: Uint8Array, from: number, lf: number, limits: HeadLimits, strict: boolean): HeadVerdict {
    const hasCr = bytes[lf - 1] === CR;
    if (strict && !hasCr) return this.#bad(400);
    const lineTo = hasCr ? lf - 1 : lf;
    // ` HTTP/1.1`
    const versionAt = lineTo - 8;
    if (versionAt <= from || !isAt(bytes, versionAt, VERSION) || bytes[versionAt + 6] !== DOT) return this.#bad(400);
    const major = bytes[versionAt + 5] as number;
    const minor = bytes[versionAt + 7] as number;
    if (!isDigit(major) || !isDigit(minor) || bytes[versionAt - 1] !== BLANK) return this.#bad(400);
    this.isHead = isAt(bytes, from, HEAD);
    const isGet = isAt(bytes, from, GET);
    const methodTo = isGet ? from + 3 : this.isHead ? from + 4 : endOfMethod(bytes, from);
    if (methodTo < 0 || methodTo + 1 >= versionAt - 1) return this.#bad(400);
    this.targetFrom = methodTo + 1;
    this.targetTo = versionAt - 1;
    for (let at = this.targetFrom; at < this.targetTo; at++)
      if ((bytes[at] as number) <= BLANK || bytes[at] === 0x7f) return this.#bad(400);
    if (major !== ZERO + 1) return this.#bad(505);
    if (this.targetTo - this.targetFrom > limits.httpTargetBytesMax) return this.#bad(414);
    this.isOld = minor === ZERO;
    this.keepAlive = !this.isOld;
    if (!this.#readTarget(bytes)) return 'foreign';
    return isGet || this.isHead ? 'ours' : this.#bad(405);
  }

  /** @returns false for a path that is not ours */
  #readTarget(bytes: Uint8Array): boolean {
    // Proxies write the whole URL into the request line.
    if (bytes[this.targetFrom] !== SLASH) this.targetFrom = skipOrigin(bytes, this.targetFrom, this.targetTo);
    if (bytes[this.targetFrom] !== SLASH) return false;
    let pathTo = this.targetFrom;
    let lastAt = pathTo;
    let firstTo = -1;
    for (; pathTo < this.targetTo && bytes[pathTo] !== QUESTION; pathTo++) {
      if (bytes[pathTo] !== SLASH) continue;
      lastAt = pathTo + 1;
      if (firstTo < 0 && pathTo > this.targetFrom) firstTo = pathTo;
    }
    this.queryFrom = pathTo < this.targetTo ? pathTo + 1 : pathTo;
    return this.#isRoute(bytes, lastAt, pathTo) || (firstTo >= 0 && this.#isRoute(bytes, this.targetFrom + 1, firstTo));
  }

  #isRoute(bytes: Uint8Array, from: number, to: number): boolean {
    const nameTo = to - from > PHP.length && isAt(bytes, to - PHP.length, PHP) ? to - PHP.length : to;
    if (nameTo - from === ANNOUNCE.length && isAt(bytes, from, ANNOUNCE)) this.kind = 'announce';
    else if (nameTo - from === SCRAPE.length && isAt(bytes, from, SCRAPE)) this.kind = 'scrape';
    else return false;
    return true;
  }

  #readHeaders(bytes: Uint8Array, from: number, to: number, limits: HeadLimits, strict: boolean): HeadVerdict {
    this.acceptsGzip = false;
    this.isForwarded = false;
    this.#hasUpgrade = false;
    this.#saysClose = false;
    const limit = Math.min(to, from + limits.httpHeadBytesMax);
    let status = 0;
    let at = this.headersFrom;
    while (at < limit) {
      const lf = findLineEnd(bytes, at, limit);
      if (lf < 0) break;
      const lineTo = lf > at && bytes[lf - 1] === CR ? lf - 1 : lf;
      if (strict && lineTo === lf) return this.#bad(400);
      if (lineTo === at) {
        this.end = lf + 1;
        if (this.#hasUpgrade) return 'foreign';
        this.keepAlive &&= !this.#saysClose;
        return status === 0 ? 'ours' : this.#bad(status as HeadStatus);
      }
      status ||= this.#readHeader(bytes, at, lineTo);
      at = lf + 1;
    }
    return to - from >= limits.httpHeadBytesMax ? this.#bad(431) : 'partial';
  }

  /** @returns what is wrong with it, 0 = nothing */
  #readHeader(bytes: Uint8Array, from: number, to: number): 0 | HeadStatus {
    let colon = from;
    while (colon < to && IS_TOKEN[bytes[colon] as number] === 1) colon++;
    if (colon === from || colon >= to || bytes[colon] !== COLON) return isBodyHeader(bytes, from, colon) ? 413 : 400;
    for (let at = colon + 1; at < to; at++) if (bytes[at] === CR || bytes[at] === 0) return 400;
    const length = colon - from;
    // Headers are many, the ones that matter few: the first letter tells most of them apart.
    switch ((bytes[from] as number) | 0x20) {
      case 0x61: // a
        if (isName(bytes, from, length, ACCEPT_ENCODING)) this.acceptsGzip ||= hasWord(bytes, colon + 1, to, GZIP);
        break;
      case 0x63: // c
        if (isName(bytes, from, length, CONNECTION)) this.#readConnection(bytes, colon + 1, to);
        else if (isName(bytes, from, length, CONTENT_LENGTH) && !isZero(bytes, colon + 1, to)) return 413;
        break;
      case 0x74: // t
        if (isName(bytes, from, length, TRANSFER_ENCODING)) return 413;
        break;
      case 0x66: // f
        this.isForwarded ||= isName(bytes, from, length, FORWARDED);
        break;
      case 0x75: // u
        this.#hasUpgrade ||= isName(bytes, from, length, UPGRADE);
        break;
      case 0x78: // x
        this.isForwarded ||= isName(bytes, from, length, X_FORWARDED_FOR);
        break;
    }
    return 0;
  }

  #readConnection(bytes: Uint8Array, from: number, to: number): void {
    if (hasWord(bytes, from, to, CLOSE)) this.#saysClose = true;
    else if (hasWord(bytes, from, to, KEEP_ALIVE)) this.keepAlive = true;
  }

  #bad(status: HeadStatus): 'bad' {
    this.status = status;
    return 'bad';
  }
}

function findLineEnd(bytes: Uint8Array, from: number, to: number): number {
  for (let at = from; at < to; at++) if (bytes[at] === LF) return at;
  return -1;
}

/** @returns place of the blank behind the method, or -1 where there is no method */
function endOfMethod(bytes: Uint8Array, from: number): number {
  let at = from;
  while (at - from <= METHOD_BYTES_MAX && isUpperCase(bytes[at] as number)) at++;
  return at > from && at - from <= METHOD_BYTES_MAX && bytes[at] === BLANK ? at : -1;
}

/** @returns where the path begins behind `http://host:port`; `from` where there is no such thing */
function skipOrigin(bytes: Uint8Array, from: number, to: number): number {
  let at = from;
  while (at < to && IS_TOKEN[bytes[at] as number] === 1) at++;
  if (bytes[at] !== COLON || bytes[at + 1] !== SLASH || bytes[at + 2] !== SLASH) return from;
  for (at += 3; at < to && bytes[at] !== SLASH && bytes[at] !== QUESTION; ) at++;
  return at;
}

function isDigit(byte: number): boolean {
  return byte >= ZERO && byte <= NINE;
}

function isUpperCase(byte: number): boolean {
  return byte >= 0x41 && byte <= 0x5a;
}

function isAt(bytes: Uint8Array, at: number, text: Uint8Array): boolean {
  for (let i = 0; i < text.length; i++) if (bytes[at + i] !== text[i]) return false;
  return true;
}

/** @param name in lower case; of letters and `-`, which stays itself with the bit of lower case set */
function isName(bytes: Uint8Array, from: number, length: number, name: Uint8Array): boolean {
  if (length !== name.length) return false;
  for (let i = 0; i < length; i++) if (((bytes[from + i] as number) | 0x20) !== name[i]) return false;
  return true;
}

function isBodyHeader(bytes: Uint8Array, from: number, to: number): boolean {
  return isName(bytes, from, to - from, CONTENT_LENGTH) || isName(bytes, from, to - from, TRANSFER_ENCODING);
}

/** Whether a list has this element, whatever parameters (`;q=`) it has. */
function hasWord(bytes: Uint8Array, from: number, to: number, word: Uint8Array): boolean {
  let at = from;
  while (at < to) {
    while (at < to && (bytes[at] === BLANK || bytes[at] === TAB || bytes[at] === COMMA)) at++;
    const wordFrom = at;
    while (at < to && IS_TOKEN[bytes[at] as number] === 1) at++;
    if (isName(bytes, wordFrom, at - wordFrom, word)) return true;
    while (at < to && bytes[at] !== COMMA) at++;
  }
  return false;
}

/** Whether a header's value is `0`: the only body that is none. */
function isZero(bytes: Uint8Array, from: number, to: number): boolean {
  let zeros = 0;
  for (let at = from; at < to; at++) {
    if (bytes[at] === ZERO) zeros++;
    else if (bytes[at] !== BLANK && bytes[at] !== TAB) return false;
  }
  return zeros === 1;
}

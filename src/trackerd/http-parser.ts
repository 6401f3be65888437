/** One request as far as a tracker needs it. */
export interface HttpRequest {
  readonly method: string;
  /** As it stands in the request line, without scheme and host; one character a byte. */
  readonly target: string;
  /** Whether the client wants to go on using the connection. */
  readonly keepAlive: boolean;
  /** Where the next request begins in the bytes that were parsed. */
  readonly end: number;
}

export type HttpParse =
  | { readonly kind: 'request'; readonly request: HttpRequest }
  /** More bytes are needed. */
  | { readonly kind: 'partial' }
  | { readonly kind: 'bad'; readonly status: 400 | 413 | 414 | 431 | 505 };

/**
 * Parses one request head at `at`. No body is taken: a request that announces one is refused, so the next head is never mistaken for a
 * body or the other way round. Line ends may be bare LF; headers other than three are skipped unread.
 */
export function parseHttpRequest(
  bytes: Buffer,
  options: { at: number; headBytesMax: number; targetBytesMax: number },
): HttpParse {
  // An empty line before a request is allowed (RFC 9112, 2.2).
  let at = options.at;
  while (at < bytes.length && (bytes[at] === CR || bytes[at] === LF)) at++;
  const head = findHead(bytes, at, options.headBytesMax);
  if (head === undefined)
    return bytes.length - at > options.headBytesMax ? { kind: 'bad', status: 431 } : { kind: 'partial' };
  const lines = bytes.toString('latin1', at, head.textEnd).split('\n');
  const match = /^([A-Z]{1,20}) (\S+) HTTP\/(\d)\.(\d)\r?$/.exec(lines[0] as string);
  if (match === null) return { kind: 'bad', status: 400 };
  const [, method = '', rawTarget = '', major, minor] = match;
  if (major !== '1') return { kind: 'bad', status: 505 };
  if (rawTarget.length > options.targetBytesMax) return { kind: 'bad', status: 414 };
  let keepAlive = minor !== '0';
  for (let i = 1; i < lines.length; i++) {
    const header = /^(connection|content-length|transfer-encoding)[ \t]*:[ \t]*(.*?)[ \t\r]*$/i.exec(
      lines[i] as string,
    );
    if (header === null) continue;
    const [, name = '', value = ''] = header;
    if (name.toLowerCase() === 'connection') keepAlive = readKeepAlive(value, keepAlive);
    else if (value !== '0') return { kind: 'bad', status: 413 };
  }
  return { kind: 'request', request: { method, target: toOriginForm(rawTarget), keepAlive, end: head.end } };
}

const CR = 0x0d;
const LF = 0x0a;

/** The empty line that ends a head. */
function findHead(bytes: Buffer, at: number, headBytesMax: number): { textEnd: number; end: number } | undefined {
  for (let lf = bytes.indexOf(LF, at); lf >= 0 && lf - at < headBytesMax; lf = bytes.indexOf(LF, lf + 1)) {
    if (bytes[lf + 1] === LF) return { textEnd: lf, end: lf + 2 };
    if (bytes[lf + 1] === CR && bytes[lf + 2] === LF) return { textEnd: lf, end: lf + 3 };
  }
  return undefined;
}

function readKeepAlive(value: string, before: boolean): boolean {
  const tokens = value.toLowerCase().split(/[ \t]*,[ \t]*/);
  if (tokens.includes('close')) return false;
  return tokens.includes('keep-alive') || before;
}

/** Proxies write the whole URL into the request line. */
function toOriginForm(target: string): string {
  const match = /^https?:\/\/[^/?]*(.*)$/i.exec(target);
  if (match === null) return target;
  const rest = match[1] as string;
  return rest.startsWith('/') ? rest : `/${rest}`;
}

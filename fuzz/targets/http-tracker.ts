import assert from 'node:assert/strict';
import { RequestHead } from '#room/trackerd/http/request-head';
import { counter } from '#tracker';
import { announceText, HttpParts } from '../../test/support/http-front.ts';
import { type FuzzTarget, magnitude } from '../support/target.ts';

const tracker = { swarmsMax: 20, peersMax: 100 };
const good = [
  announceText(),
  announceText({ query: '&event=started&numwant=50&compact=0&key=abcdef01', path: '/k3y/announce' }),
  announceText({ headers: ['X-Forwarded-For: 1.2.3.4, 10.0.0.1', 'Accept-Encoding: gzip', 'Connection: keep-alive'] }),
  announceText({ query: '&ip=1.2.3.4&ipv6=%3A%3A1&uploaded=18446744073709551615', headers: ['Content-Length: 0'] }),
  `GET /scrape?info_hash=${'a'.repeat(20)}&info_hash=${'%61'.repeat(20)} HTTP/1.1\r\nHost: x\r\n\r\n`,
  'HEAD http://x.test:80/scrape HTTP/1.0\r\nForwarded: for="[2001:db8::1]:80"\r\n\r\n',
  'POST /api/torrents HTTP/1.1\r\nHost: x\r\nContent-Length: 3\r\n\r\nabc',
  'GET /announce HTTP/1.1\r\nUpgrade: websocket\r\nConnection: Upgrade\r\n\r\n',
];

/** What a head must be for both kinds of reader to see one request in it (RFC 9112), said plainly. */
function isPlain(head: string): boolean {
  const lines = head.split('\r\n');
  const headers = lines.slice(1, -2);
  return headers.every((line) => /^[!#$%&'*+.^_`|~0-9A-Za-z-]+:[^\r\n\0]*$/.test(line));
}

function parse(parts: HttpParts, bytes: Buffer, strict: boolean): string {
  const head = new RequestHead();
  const verdict = head.parse(bytes, 0, bytes.length, parts.limits, strict);
  if (verdict !== 'ours') return verdict === 'bad' ? `bad ${head.status}` : verdict;
  const { targetFrom, queryFrom, targetTo, headersFrom, end, isHead } = head;
  assert.ok(0 < targetFrom && targetFrom < queryFrom && queryFrom <= targetTo);
  assert.ok(targetTo < headersFrom && headersFrom < end && end <= bytes.length);
  // Empty lines before a request are nothing.
  const text = Buffer.from(bytes.subarray(0, end))
    .toString('latin1')
    .replace(/^[\r\n]+/, '');
  if (strict) assert.ok(isPlain(text), JSON.stringify(text));
  assert.doesNotMatch(text, /^transfer-encoding:/im, 'no body in what is ours');
  assert.equal(/^(GET|HEAD) /.exec(text)?.[1], isHead ? 'HEAD' : 'GET');
  const source = Uint8Array.of(93, 1, 1, 1);
  parts.routes.answer(parts.now, head, bytes, source);
  const answer = Buffer.from(parts.routes.out.take()).toString('latin1');
  assert.deepEqual(parts.errors, []);
  // The end of a dictionary or, for HEAD, of a head.
  assert.ok(answer.startsWith('HTTP/1.1 200 ') && answer.endsWith(isHead ? '\n' : 'e'), answer);
  return `ours ${isHead} ${head.kind} ${head.keepAlive} ${head.acceptsGzip} ${head.isForwarded}`;
}

/** Everything over one connection, cut as the first bytes say: whole answers only, and an end where one is due. */
function converse(parts: HttpParts, bytes: Buffer, cuts: readonly number[]): string {
  let given = 0;
  const other = { give: () => given++ };
  const source = Uint8Array.of(cuts[0]! & 1 ? 10 : 93, 1, 1, 1);
  const line = parts.connect({ source, trusted: ['10.0.0.0/8'], other });
  const places = [...cuts, bytes.length].map((at) => at % (bytes.length + 1)).sort((a, b) => a - b);
  let from = 0;
  for (const to of places) {
    if (line.isEnded || given > 0) break;
    line.receive(Buffer.from(bytes.subarray(from, to)));
    from = to;
  }
  let count = 0;
  for (const text of line.sent().split(/(?=HTTP\/1\.1 \d)/)) {
    if (text === '') continue;
    count++;
    assert.match(text, /^HTTP\/1\.1 (200|4\d\d|505) [ -~]+\r\n(?:[A-Za-z-]+: [ -~]+\r\n)+\r\n/);
  }
  assert.deepEqual(parts.errors, []);
  assert.ok(given <= 1);
  line.connection.close();
  const { counts } = parts;
  const places2 = [counter.httpAnnounces4, counter.httpScrapes, counter.httpRefusedInvalid];
  return `${magnitude(count)} ${given} ${places2.map((place) => magnitude(counts[place] as number)).join()}`;
}

export const target: FuzzTarget = {
  about: 'an HTTP tracker and requests of any kind, cut anywhere: one meaning only, whole answers, nothing thrown',
  form: 'bytes',
  files: [
    'trackerd/http/request-head',
    'trackerd/http/connection',
    'trackerd/http/routes',
    'trackerd/http/answer-buffer',
  ],
  parsers: [],
  bytesMax: 2_000,
  testRuns: 1_000,
  msMax: 200,
  tokens: [
    ...['\r', '\n', '\r\n', '\r\n\r\n', '\0', '%', '%z0', '&', '=', ':', ' ', '\t', 'HTTP/1.1', 'HTTP/1.0', 'HTTP/2.0'],
    ...['Content-Length: 5\r\n', 'content-length: 0\r\n', 'Transfer-Encoding: chunked\r\n', 'Connection: close\r\n'],
    ...['Host : x\r\n', ' folded\r\n', 'X: \x01\r\n', 'Expect: 100-continue\r\n', 'GET /announce?', 'HEAD /scrape?'],
  ],
  seeds: () => good.map((text) => new Uint8Array(Buffer.from(`\x05\x20${text}${good[0]}`, 'latin1'))),
  run(input) {
    const bytes = Buffer.from(input.subarray(2));
    const cuts = [(input[0] ?? 0) * 3, (input[1] ?? 0) * 5];
    const parts = new HttpParts({ tracker });
    return `${parse(parts, bytes, true)} ${parse(parts, bytes, false)} ${converse(parts, bytes, cuts)}`;
  },
};

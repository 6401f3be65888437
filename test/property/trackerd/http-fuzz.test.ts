import assert from 'node:assert/strict';
import { test } from 'node:test';
import { type Rng, seededRng } from '#base';
import { RequestHead } from '#room/trackerd/http/request-head';
import { counter } from '#tracker';
import { announceText, HttpParts } from '../../support/http-front.ts';

const REQUESTS = 1_000_000;
/** Requests of one connection, most of which end it sooner. */
const A_CONNECTION = 16;

const good = [
  announceText(),
  announceText({ query: '&event=started&numwant=50&compact=0&key=abcdef01', path: '/k3y/announce' }),
  announceText({ headers: ['X-Forwarded-For: 1.2.3.4, 10.0.0.1', 'Accept-Encoding: gzip', 'Connection: keep-alive'] }),
  announceText({ query: '&ip=1.2.3.4&ipv6=%3A%3A1&uploaded=18446744073709551615', headers: ['Content-Length: 0'] }),
  `GET /scrape?info_hash=${'a'.repeat(20)}&info_hash=${'%61'.repeat(20)} HTTP/1.1\r\nHost: x\r\n\r\n`,
  'HEAD http://x.test:80/scrape HTTP/1.0\r\nForwarded: for="[2001:db8::1]:80"\r\n\r\n',
  'POST /api/torrents HTTP/1.1\r\nHost: x\r\nContent-Length: 3\r\n\r\nabc',
  'GET /announce HTTP/1.1\r\nUpgrade: websocket\r\nConnection: Upgrade\r\n\r\n',
].map((text) => Buffer.from(text, 'latin1'));
/** What breaks parsers, put in anywhere. */
const nasty = [
  '\r',
  '\n',
  '\r\n\r\n',
  '\0',
  '%',
  '%%',
  '%z0',
  '&',
  '=',
  '+',
  ':',
  ' ',
  '\t',
  '\u00ff',
  'HTTP/1.1',
  'content-length: 5\r\n',
].map((text) => Buffer.from(text, 'latin1'));

/** A good request with up to four changes, written to `into`. @returns its length */
function mutate(rng: Rng, into: Buffer): number {
  const base = good[rng.below(good.length)] as Buffer;
  base.copy(into);
  let { length } = base;
  for (let changes = rng.below(5); changes > 0; changes--) {
    const at = rng.below(length + 1);
    const kind = rng.below(6);
    if (kind === 0) into[at] = rng.below(256);
    else if (kind === 1) into.copyWithin(at, at + 1 + rng.below(8), length--);
    else if (kind === 2) length = Math.max(1, at);
    else if (kind === 3) {
      const piece = nasty[rng.below(nasty.length)] as Buffer;
      into.copyWithin(at + piece.length, at, length);
      piece.copy(into, at);
      length += piece.length;
    } else if (kind === 4) into[at] = (into[at] as number) ^ (1 << rng.below(8));
    else {
      const from = rng.below(length);
      const count = Math.min(rng.below(40), length - from);
      into.copyWithin(at + count, at, length);
      into.copyWithin(at, from, from + count);
      length += count;
    }
  }
  return Math.max(1, Math.min(length, into.length));
}

test(`${REQUESTS.toLocaleString('en')} mutated requests: no throw, bounded positions and answers, nothing grows`, () => {
  const rng = seededRng(17);
  const parts = new HttpParts();
  const { routes, limits } = parts;
  const head = new RequestHead();
  const bytes = Buffer.alloc(2_048);
  const source = Uint8Array.of(93, 1, 1, 1);
  const verdicts = { ours: 0, foreign: 0, partial: 0, bad: 0 };
  let heapMiB = 0;
  for (let i = 0; i < REQUESTS; i++) {
    const from = rng.below(8);
    const length = mutate(rng, bytes.subarray(from));
    const verdict = head.parse(bytes, from, from + length, limits, rng.below(2) === 0);
    verdicts[verdict]++;
    if (verdict === 'ours') {
      const { targetFrom, queryFrom, targetTo, headersFrom, end } = head;
      if (!(from < targetFrom && targetFrom < queryFrom && queryFrom <= targetTo)) assert.fail(`target ${i}`);
      if (!(targetTo < headersFrom && headersFrom < end && end <= from + length)) assert.fail(`head ${i}`);
      routes.answer(parts.now, head, bytes, source);
      const answer = routes.out.take();
      // `HTTP/1.1 200 OK`, and the end of a dictionary or, for HEAD, of a head.
      if (answer[9] !== 0x32 || answer.at(-1) !== (head.isHead ? 0x0a : 0x65)) assert.fail(answer.toString('latin1'));
    }
    if (i === REQUESTS / 4) heapMiB = process.memoryUsage().heapUsed / 1_048_576;
  }
  assert.deepEqual(parts.errors, []);
  for (const count of Object.values(verdicts)) assert(count > REQUESTS / 100, JSON.stringify(verdicts));
  const { counts } = parts;
  for (const place of [counter.httpAnnounces4, counter.httpScrapes, counter.httpRefusedInvalid]) {
    assert((counts[place] as number) > 1_000);
  }
  assert(process.memoryUsage().heapUsed / 1_048_576 < heapMiB + 64);
});

test('mutated requests over connections, cut anywhere: whole answers only, and an end where one is due', () => {
  const rng = seededRng(18);
  const parts = new HttpParts();
  let given = 0;
  const other = { give: () => given++ };
  const bytes = Buffer.alloc(2_048);
  for (let i = 0; i < 20_000; i++) {
    const source = Uint8Array.of(rng.below(2) === 0 ? 10 : 93, 1, 1, rng.below(4));
    const line = parts.connect({ source, trusted: ['10.0.0.0/8'], other });
    given = 0;
    for (let j = 0; j < A_CONNECTION && !line.isEnded && given === 0; j++) {
      const length = mutate(rng, bytes);
      const cut = rng.below(length);
      line.receive(bytes.subarray(0, cut), bytes.subarray(cut, length));
    }
    for (const text of line.sent().split(/(?=HTTP\/1\.1 \d)/)) {
      if (text !== '') assert.match(text, /^HTTP\/1\.1 (200|4\d\d|505) [ -~]+\r\n(?:[A-Za-z-]+: [ -~]+\r\n)+\r\n/);
    }
    line.connection.close();
  }
  assert.deepEqual(parts.errors, []);
});

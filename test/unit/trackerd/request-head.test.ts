import assert from 'node:assert/strict';
import { test } from 'node:test';
import { RequestHead } from '#room/trackerd/http/request-head';

const limits = { httpHeadBytesMax: 200, httpTargetBytesMax: 60 };

/** What was found, as plain data. */
function parse(text: string, options: { at?: number; strict?: boolean } = {}) {
  const bytes = Buffer.from(text, 'latin1');
  const head = new RequestHead();
  const verdict = head.parse(bytes, options.at ?? 0, bytes.length, limits, options.strict ?? false);
  if (verdict === 'bad') return { verdict, status: head.status };
  if (verdict !== 'ours') return { verdict };
  const { kind, isHead, isOld, keepAlive, acceptsGzip, isForwarded, end } = head;
  const target = bytes.toString('latin1', head.targetFrom, head.targetTo);
  const query = bytes.toString('latin1', head.queryFrom, head.targetTo);
  return { verdict, kind, target, query, isHead, isOld, keepAlive, acceptsGzip, isForwarded, end };
}

function requestOf(text: string) {
  const parsed = parse(text);
  assert(parsed.verdict === 'ours', parsed.verdict);
  return parsed;
}

test('a head is a request once its last byte is there, and not before', () => {
  const text = 'GET /announce?a=%00\u00ff HTTP/1.1\r\nHost: x\r\n\r\n';
  for (let length = 0; length < text.length; length++) assert.equal(parse(text.slice(0, length)).verdict, 'partial');
  assert.deepEqual(requestOf(text), {
    verdict: 'ours',
    kind: 'announce',
    target: '/announce?a=%00\u00ff',
    query: 'a=%00\u00ff',
    isHead: false,
    isOld: false,
    keepAlive: true,
    acceptsGzip: false,
    isForwarded: false,
    end: text.length,
  });
  assert.equal(requestOf(`${text}GET`).end, text.length);
});

test('several requests in one piece are read one after the other', () => {
  const one = 'GET /announce?1 HTTP/1.1\r\n\r\n';
  const text = `${one}\r\nGET /scrape?2 HTTP/1.1\n\n`;
  const second = parse(text, { at: one.length });
  assert.deepEqual([second.kind, second.query, second.end], ['scrape', '2', text.length]);
  // Behind a proxy a bare LF could be no line end to the proxy.
  assert.deepEqual(parse(text, { at: one.length, strict: true }), { verdict: 'bad', status: 400 });
});

test('the connection stays or goes as version and header say', () => {
  const keeps = (version: string, header = ''): boolean | undefined =>
    requestOf(`GET /announce HTTP/${version}\r\n${header}\r\n`).keepAlive;
  assert.equal(keeps('1.1'), true);
  assert.equal(keeps('1.0'), false);
  assert.equal(keeps('1.1', 'connection: Close\r\n'), false);
  assert.equal(keeps('1.1', 'Connection: te, close\r\n'), false);
  assert.equal(keeps('1.0', 'Connection:keep-alive  \r\n'), true);
  assert.equal(keeps('1.0', 'Connection: close\r\nConnection: keep-alive\r\n'), false);
  assert.equal(keeps('1.1', 'X-Connection: close\r\n'), true);
});

const routes: [target: string, kind: string][] = [
  ['/announce', 'announce'],
  ['/announce?info_hash=/scrape', 'announce'],
  ['/announce.php?x', 'announce'],
  ['/k3y/announce?x', 'announce'],
  ['/announce/k3y?x', 'announce'],
  ['/a/b/scrape.php', 'scrape'],
  ['/scrape/k3y', 'scrape'],
  ['http://x.test:80/announce?a', 'announce'],
  ['HTTP://x.test/k3y/scrape', 'scrape'],
  ['/', 'foreign'],
  ['/announcements', 'foreign'],
  ['/.php', 'foreign'],
  ['/ANNOUNCE', 'foreign'],
  ['/a/announce/b', 'foreign'],
  ['/page?x=/announce', 'foreign'],
  ['announce', 'foreign'],
  ['*', 'foreign'],
  ['http://x.test?/announce', 'foreign'],
];
for (const [target, kind] of routes) {
  test(`${target} is ${kind}`, () => {
    const parsed = parse(`GET ${target} HTTP/1.1\r\n\r\n`);
    assert.equal(parsed.verdict === 'ours' ? parsed.kind : parsed.verdict, kind);
  });
}

test('a whole URL in the request line is read from its path on', () => {
  assert.equal(requestOf('GET http://x.test:80/announce?a HTTP/1.1\r\n\r\n').target, '/announce?a');
});

test('foreign requests are known by their line; upgrades by their head', () => {
  for (const line of ['POST /api/torrents', 'GET /stats', 'DELETE /', 'OPTIONS *']) {
    assert.equal(parse(`${line} HTTP/1.1\r\n`).verdict, 'foreign');
  }
  const upgrade = 'GET /announce HTTP/1.1\r\nConnection: Upgrade\r\nUpgrade: websocket\r\n';
  assert.equal(parse(upgrade).verdict, 'partial');
  assert.equal(parse(`${upgrade}\r\n`).verdict, 'foreign');
});

test('headers that matter are found in any case and order', () => {
  const found = requestOf(
    'HEAD /scrape HTTP/1.1\r\nACCEPT-encoding: br;q=1, GZip;q=0.5\r\nX-Forwarded-For: 1.2.3.4\r\nX:\r\n\r\n',
  );
  assert.deepEqual([found.isHead, found.acceptsGzip, found.isForwarded], [true, true, true]);
  assert.equal(requestOf('GET /announce HTTP/1.1\r\nForwarded: for=_x\r\n\r\n').isForwarded, true);
});

const bad: [text: string, status: number][] = [
  ['GET /\r\n\r\n', 400],
  ['GET  / HTTP/1.1\r\n\r\n', 400],
  ['get / HTTP/1.1\r\n\r\n', 400],
  ['GET / HTTP/1.1 x\r\n\r\n', 400],
  ['GET /announce\u0000 HTTP/1.1\r\n\r\n', 400],
  ['\u0016\u0003\u0001\r\n\r\n', 400],
  ['\u0016\u0003\u0001', 400],
  ['GET / HTTP/2.0\r\n\r\n', 505],
  [`GET /${'x'.repeat(60)} HTTP/1.1\r\n\r\n`, 414],
  ['POST /announce HTTP/1.1\r\n\r\n', 405],
  ['GET /announce HTTP/1.1\r\nContent-Length: 1\r\n\r\n', 413],
  ['GET /announce HTTP/1.1\r\nContent-Length: 00\r\n\r\n', 413],
  ['GET /announce HTTP/1.1\r\ncontent-length : 0x0\r\n\r\n', 413],
  ['GET /announce HTTP/1.1\r\nTransfer-Encoding: chunked\r\n\r\n', 413],
  ['GET /announce HTTP/1.1\r\nX: a\rContent-Length: 1\r\n\r\n', 400],
  ['GET /announce HTTP/1.1\r\nX: a\r\n Content-Length: 1\r\n\r\n', 400],
  ['GET /announce HTTP/1.1\r\nnonsense\r\n\r\n', 400],
  ['GET /announce HTTP/1.1\r\n: x\r\n\r\n', 400],
  [`GET /${'x'.repeat(200)}`, 431],
  [`GET /announce HTTP/1.1\r\nX: ${'x'.repeat(200)}`, 431],
  [`GET /announce HTTP/1.1\r\nX: ${'x'.repeat(200)}\r\n\r\n`, 431],
  ['\r\n'.repeat(101), 431],
];
for (const [text, status] of bad) {
  test(`${JSON.stringify(text.slice(0, 60))} is ${status}`, () => {
    assert.deepEqual(parse(text), { verdict: 'bad', status });
  });
}

test('a body of length 0 is none', () => {
  assert.equal(requestOf('GET /announce HTTP/1.1\r\nContent-Length: 0\r\n\r\n').target, '/announce');
});

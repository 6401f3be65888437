import assert from 'node:assert/strict';
import { test } from 'node:test';
import { type HttpParse, parseHttpRequest } from '#room/trackerd/http-parser';

const limits = { at: 0, headBytesMax: 200, targetBytesMax: 60 };

function parse(text: string, at = 0): HttpParse {
  return parseHttpRequest(Buffer.from(text, 'latin1'), { ...limits, at });
}

function requestOf(text: string) {
  const parsed = parse(text);
  assert(parsed.kind === 'request', parsed.kind);
  return parsed.request;
}

test('a head is a request once its last byte is there, and not before', () => {
  const text = 'GET /announce?a=%00\u00ff HTTP/1.1\r\nHost: x\r\n\r\n';
  for (let length = 0; length < text.length; length++) assert.equal(parse(text.slice(0, length)).kind, 'partial');
  assert.deepEqual(requestOf(text), {
    method: 'GET',
    target: '/announce?a=%00\u00ff',
    keepAlive: true,
    end: text.length,
  });
  assert.equal(requestOf(`${text}GET`).end, text.length);
});

test('several requests in one piece are read one after the other', () => {
  const one = 'GET /1 HTTP/1.1\r\n\r\n';
  const text = `${one}\r\nGET /2 HTTP/1.1\n\n`;
  const second = parse(text, one.length);
  assert(second.kind === 'request');
  assert.equal(second.request.target, '/2');
  assert.equal(second.request.end, text.length);
});

test('the connection stays or goes as version and header say', () => {
  const keeps = (version: string, header = ''): boolean =>
    requestOf(`GET / HTTP/${version}\r\n${header}\r\n`).keepAlive;
  assert.equal(keeps('1.1'), true);
  assert.equal(keeps('1.0'), false);
  assert.equal(keeps('1.1', 'connection: Close\r\n'), false);
  assert.equal(keeps('1.1', 'Connection: upgrade, close\r\n'), false);
  assert.equal(keeps('1.0', 'Connection:keep-alive  \r\n'), true);
});

test('proxies write whole URLs', () => {
  assert.equal(requestOf('GET http://x.test:80/announce?a HTTP/1.1\r\n\r\n').target, '/announce?a');
  assert.equal(requestOf('GET HTTP://x.test?a HTTP/1.1\r\n\r\n').target, '/?a');
});

const bad: [text: string, status: number][] = [
  ['GET /\r\n\r\n', 400],
  ['GET  / HTTP/1.1\r\n\r\n', 400],
  ['get / HTTP/1.1\r\n\r\n', 400],
  ['GET / HTTP/1.1 x\r\n\r\n', 400],
  ['\u0016\u0003\u0001\r\n\r\n', 400],
  ['GET / HTTP/2.0\r\n\r\n', 505],
  [`GET /${'x'.repeat(60)} HTTP/1.1\r\n\r\n`, 414],
  ['GET / HTTP/1.1\r\nContent-Length: 1\r\n\r\n', 413],
  ['GET / HTTP/1.1\r\ncontent-length : 0x0\r\n\r\n', 413],
  ['GET / HTTP/1.1\r\nTransfer-Encoding: chunked\r\n\r\n', 413],
  [`GET / HTTP/1.1\r\nX: ${'x'.repeat(200)}`, 431],
  [`GET / HTTP/1.1\r\nX: ${'x'.repeat(200)}\r\n\r\n`, 431],
];
for (const [text, status] of bad) {
  test(`${JSON.stringify(text.slice(0, 40))} is ${status}`, () => {
    assert.deepEqual(parse(text), { kind: 'bad', status });
  });
}

test('a body of length 0 is none', () => {
  assert.equal(requestOf('GET / HTTP/1.1\r\nContent-Length: 0\r\n\r\n').target, '/');
});

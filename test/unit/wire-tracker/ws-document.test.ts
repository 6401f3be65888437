import assert from 'node:assert/strict';
import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import { test } from 'node:test';
import { decodeWsRequest, decodeWsResponse, encodeWsRequest, encodeWsResponse } from '#wire';

/** The examples of docs/webtorrent-tracker.md: fenced blocks that say what they are. */
interface Vector {
  readonly kind: 'request' | 'response' | 'refused';
  readonly reason: string;
  readonly text: string;
}

const document = readFileSync(join(import.meta.dirname, '../../../../docs/webtorrent-tracker.md'), 'utf8');
const vectors = [...document.matchAll(/^```json (request|response|refused)(?:: ([^\n]+))?\n(.+?)\n```$/gms)].map(
  ([, kind, reason = '', text]) => ({ kind, reason, text }) as Vector,
);

test('the document has vectors of every kind', () => {
  for (const [kind, count] of Object.entries({ request: 6, response: 7, refused: 10 })) {
    assert.equal(vectors.filter((v) => v.kind === kind).length, count, kind);
  }
});

for (const [i, { kind, reason, text }] of vectors.entries()) {
  test(`vector ${i}: ${kind} ${reason}`, () => {
    if (kind === 'refused') {
      const read = decodeWsRequest(text);
      assert(read.kind === 'unreadable');
      assert.equal(read.reason, reason);
      return;
    }
    const again = kind === 'request' ? reencodeRequest(text) : reencodeResponse(text);
    assert.deepEqual(JSON.parse(again), JSON.parse(text));
  });
}

function reencodeRequest(text: string): string {
  const read = decodeWsRequest(text);
  assert(read.kind !== 'unreadable', 'readable');
  return encodeWsRequest(read);
}

function reencodeResponse(text: string): string {
  const read = decodeWsResponse(text);
  assert(read.kind !== 'unreadable', 'readable');
  return encodeWsResponse(read);
}

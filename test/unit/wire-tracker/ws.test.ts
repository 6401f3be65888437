import assert from 'node:assert/strict';
import { test } from 'node:test';
import { decodeWsRequest, decodeWsResponse, wsWireLimits } from '#wire';

const id = 'aaaaaaaaaaaaaaaaaaaa';
const announce = { action: 'announce', info_hash: id, peer_id: id };
const offer = { offer_id: id, offer: { type: 'offer', sdp: 'v=0' } };

/** @returns why it was refused, or undefined where it was read */
function refusal(message: unknown): string | undefined {
  const read = decodeWsRequest(typeof message === 'string' ? message : JSON.stringify(message));
  return read.kind === 'unreadable' ? read.reason : undefined;
}

const max = wsWireLimits;
const cases: [name: string, message: unknown, reason: string | undefined][] = [
  [
    'deep nesting in a field that nobody reads',
    `{"action":"announce","x":${'['.repeat(30_000)}${']'.repeat(30_000)}}`,
    'info_hash is missing',
  ],
  ['deep nesting, never closed', '['.repeat(max.messageBytesMax), 'message is not JSON'],
  ['deep objects', `${'{"a":'.repeat(10_000)}1${'}'.repeat(10_000)}`, 'action is not announce or scrape'],
  ['longer than a message may be', ' '.repeat(max.messageBytesMax + 1), 'message is too long'],
  ['nothing', '', 'message is not JSON'],
  ['null', 'null', 'message is not an object'],
  ['a number', '1', 'message is not an object'],
  ['as many offers as may be', { ...announce, offers: Array(max.offersMax).fill(offer) }, undefined],
  ['an offer too many', { ...announce, offers: Array(max.offersMax + 1).fill(offer) }, 'more than 50 offers'],
  ['offers that are none', { ...announce, offers: 'offers' }, 'offers is not a list'],
  ['an offer that is none', { ...announce, offers: [null] }, 'an entry of offers is not an object'],
  [
    'an offer without a description',
    { ...announce, offers: [{ offer_id: id, offer: { type: 'offer' } }] },
    'offer has no sdp',
  ],
  ['an offer that is text', { ...announce, offers: [{ offer_id: id, offer: 'v=0' }] }, 'offer is not an object'],
  [
    'the longest description',
    { ...announce, offers: [{ offer_id: id, offer: { type: 'offer', sdp: 'x'.repeat(max.sdpCharsMax) } }] },
    undefined,
  ],
  [
    'a longer description',
    { ...announce, offers: [{ offer_id: id, offer: { type: 'offer', sdp: 'x'.repeat(max.sdpCharsMax + 1) } }] },
    'sdp is longer than 16384',
  ],
  ['an id that is no bytes', { ...announce, peer_id: '☂aaaaaaaaaaaaaaaaaaa' }, 'peer_id is not 20 bytes'],
  ['an id that is a list', { ...announce, info_hash: [id] }, 'info_hash is not 20 bytes'],
  ['an answer that is text', { ...announce, to_peer_id: id, offer_id: id, answer: 'v=0' }, 'answer is not an object'],
  [
    'an answer that is an offer',
    { ...announce, to_peer_id: id, offer_id: id, answer: { type: 'offer', sdp: 'v=0' } },
    'answer has another type',
  ],
  ['a number as text', { ...announce, left: '0' }, 'left is not a number of 0 or more'],
  ['an event as a number', { ...announce, event: 2 }, 'event is not text'],
  ['a scrape of as many as may be', { action: 'scrape', info_hash: Array(max.scrapeHashesMax).fill(id) }, undefined],
  [
    'a scrape of one more',
    { action: 'scrape', info_hash: Array(max.scrapeHashesMax + 1).fill(id) },
    'more than 200 torrents in a scrape',
  ],
  ['a scrape of a number', { action: 'scrape', info_hash: 7 }, 'info_hash is not 20 bytes'],
  ['fields of a prototype', `{"__proto__":{"action":"scrape"},"constructor":1}`, 'action is not announce or scrape'],
];

for (const [name, message, reason] of cases) {
  test(`request: ${name}`, () => assert.equal(refusal(message), reason));
}

test('missing and null are the same; unknown events are none; who has completed has nothing left', () => {
  const read = (more: object): unknown => decodeWsRequest(JSON.stringify({ ...announce, ...more }));
  const who = { kind: 'announce', infoHash: id, peerId: id };
  const none = {
    ...who,
    uploaded: 0,
    downloaded: 0,
    left: Number.MAX_SAFE_INTEGER,
    event: 'none',
    numWant: -1,
    offers: [],
  };
  assert.deepEqual(read({}), none);
  assert.deepEqual(read({ left: null, uploaded: null, numwant: null, offers: null, event: null, answer: null }), none);
  assert.deepEqual(read({ event: 'paused', left: 1.9, key: 'x' }), { ...none, left: 1 });
  assert.deepEqual(read({ event: 'completed' }), { ...none, event: 'completed', left: 0 });
  assert.deepEqual(read({ event: 'completed', left: 5 }), { ...none, event: 'completed', left: 5 });
});

test('what a tracker says is made fit for people and brought into range', () => {
  const { info_hash } = announce;
  const read = (message: object): unknown =>
    decodeWsResponse(JSON.stringify({ action: 'announce', info_hash, ...message }));
  assert.deepEqual(read({ interval: 1, 'warning message': 'a\u001b[31mb' }), {
    kind: 'announce',
    infoHash: id,
    intervalSec: 10,
    warning: 'a [31mb',
  });
  assert.deepEqual(read({ 'failure reason': 'no', 'retry in': 1e9 }), {
    kind: 'failure',
    action: 'announce',
    infoHash: id,
    reason: 'no',
    retryInSec: 604_800,
  });
});

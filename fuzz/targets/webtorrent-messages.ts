import assert from 'node:assert/strict';
import type { Rng } from '#base';
import {
  decodeWsRequest,
  decodeWsResponse,
  encodeWsRequest,
  encodeWsResponse,
  type WsUnreadable,
  wsWireLimits,
} from '#wire';
import { type FuzzTarget, textOf, utf8 } from '../support/target.ts';

const id = '-WW0001-abcdefghi\u00ff\u0000x';
const values = [
  id,
  'announce',
  'scrape',
  'offer',
  'answer',
  'started',
  'completed',
  0,
  -1,
  1.5,
  1e300,
  null,
  true,
  [],
  {},
  'x',
];
const names = [
  'action',
  'info_hash',
  'peer_id',
  'to_peer_id',
  'offer_id',
  'offers',
  'offer',
  'answer',
  'numwant',
  'left',
  'uploaded',
  'event',
  'files',
  'interval',
  'failure reason',
  'warning message',
  'retry in',
  'type',
  'sdp',
  '__proto__',
  'complete',
];

function make(rng: Rng, depth = 2): unknown {
  const fields: Record<string, unknown> = {};
  for (let n = rng.below(8); n > 0; n--) {
    const name = names[rng.below(names.length)]!;
    const kind = depth > 0 ? rng.below(6) : 0;
    fields[name] =
      kind < 4 ? values[rng.below(values.length)] : kind === 4 ? make(rng, depth - 1) : [make(rng, depth - 1)];
  }
  // Mostly what a message cannot do without.
  if (depth === 2 && rng.below(3) > 0) Object.assign(fields, { action: 'announce', info_hash: id, peer_id: id });
  return fields;
}

/** Where the message cannot be read, there is a sentence that quotes nothing. */
function wordOf(read: { kind: string }): string {
  if (read.kind !== 'unreadable') return read.kind;
  const { reason, infoHash } = read as WsUnreadable;
  assert.match(reason, /^[a-zA-Z0-9_, ]{5,60}$/);
  assert.ok(infoHash.length === 0 || infoHash.length === 20);
  return reason;
}

export const target: FuzzTarget = {
  about: 'messages of the WebTorrent tracker protocol, both ways: never thrown at, and read again as the same',
  form: 'text',
  files: ['wire/tracker/ws', 'wire/tracker/ws-json', 'wire/tracker/ws-response'],
  parsers: [
    'wire/tracker/ws decodeWsRequest',
    'wire/tracker/ws-response decodeWsResponse',
    'wire/tracker/ws-json parseFields',
  ],
  tokens: [
    ...names.map((name) => `"${name}":`),
    '{',
    '}',
    '[',
    ']',
    ',',
    'null',
    '1e400',
    '-0',
    '"\\u0100"',
    '"__proto__":{',
    JSON.stringify(id),
  ],
  make: (rng) => utf8(JSON.stringify(make(rng))),
  seeds: () =>
    [
      encodeWsRequest({
        kind: 'announce',
        infoHash: id,
        peerId: id,
        uploaded: 0,
        downloaded: 1,
        left: 2,
        event: 'started',
        numWant: 3,
        offers: [{ offerId: 'o', sdp: 'v=0' }],
      }),
      encodeWsRequest({ kind: 'answer', infoHash: id, peerId: id, toPeerId: id, offerId: 'o', sdp: 'v=0' }),
      encodeWsRequest({ kind: 'scrape', infoHashes: [id, id] }),
      encodeWsResponse({
        kind: 'announce',
        infoHash: id,
        intervalSec: 60,
        complete: 1,
        incomplete: 2,
        downloaded: 3,
        warning: 'w',
      }),
      encodeWsResponse({ kind: 'offer', infoHash: id, peerId: id, offerId: 'o', sdp: 'v=0' }),
      encodeWsResponse({
        kind: 'scrape',
        files: [{ infoHash: id, counts: { complete: 1, incomplete: 2, downloaded: 3 } }],
      }),
      encodeWsResponse({
        kind: 'failure',
        action: 'scrape',
        infoHash: '',
        reason: 'no',
        retryInSec: Number.POSITIVE_INFINITY,
      }),
    ].map(utf8),
  run(input) {
    const text = textOf(input);
    const request = decodeWsRequest(text);
    if (request.kind !== 'unreadable') assert.deepEqual(decodeWsRequest(encodeWsRequest(request)), request);
    if (request.kind === 'announce') assert.ok(request.offers.length <= wsWireLimits.offersMax);
    const response = decodeWsResponse(text);
    if (response.kind !== 'unreadable' && response.kind !== 'failure') {
      assert.deepEqual(decodeWsResponse(encodeWsResponse(response)), response);
    }
    return `${wordOf(request)} ${wordOf(response)}`;
  },
};

import assert from 'node:assert/strict';
import { test } from 'node:test';
import fc from 'fast-check';
import {
  decodeWsRequest,
  decodeWsResponse,
  encodeWsRequest,
  encodeWsResponse,
  type WsRequest,
  type WsResponse,
  wsWireLimits,
} from '#wire';

/** One character a byte. */
const byteText = (minLength: number, maxLength = minLength): fc.Arbitrary<string> =>
  fc.string({ unit: fc.nat(255).map((c) => String.fromCharCode(c)), minLength, maxLength });
const id = byteText(20);
const offerId = byteText(1, wsWireLimits.offerIdBytesMax);
const sdp = fc.string({ unit: 'binary', minLength: 1, maxLength: 300 });
const count = fc.oneof(fc.nat(), fc.nat(Number.MAX_SAFE_INTEGER), fc.constant(Number.MAX_SAFE_INTEGER));
const event = fc.constantFrom('none' as const, 'started' as const, 'completed' as const, 'stopped' as const);
/** What is fit for a terminal, and not blank at its ends. */
const text = fc.stringMatching(/^[a-z0-9äöü☂](?:[ -~äöü☂]{0,98}[a-z0-9äöü☂])?$/);
// Null prototypes would make equal values unequal.
const ordinary = { noNullPrototype: true };

const request: fc.Arbitrary<WsRequest> = fc.oneof(
  fc.record(
    {
      kind: fc.constant('announce' as const),
      infoHash: id,
      peerId: id,
      uploaded: count,
      downloaded: count,
      left: count,
      event,
      numWant: fc.integer({ min: -1, max: 1_000 }),
      offers: fc.array(fc.record({ offerId, sdp }, ordinary), { maxLength: wsWireLimits.offersMax }),
    },
    ordinary,
  ),
  fc.record({ kind: fc.constant('answer' as const), infoHash: id, peerId: id, toPeerId: id, offerId, sdp }, ordinary),
  fc.record({ kind: fc.constant('scrape' as const), infoHashes: fc.array(id, { maxLength: 80 }) }, ordinary),
);

const counts = fc.record({ complete: count, incomplete: count, downloaded: count }, ordinary);
const response: fc.Arbitrary<WsResponse> = fc.oneof(
  fc.record(
    {
      kind: fc.constant('announce' as const),
      infoHash: id,
      intervalSec: fc.integer({ min: 10, max: 604_800 }),
      complete: count,
      incomplete: count,
      downloaded: count,
      warning: text,
    },
    { ...ordinary, requiredKeys: ['kind', 'infoHash', 'intervalSec'] },
  ),
  fc.record(
    { kind: fc.constantFrom('offer' as const, 'answer' as const), infoHash: id, peerId: id, offerId, sdp },
    ordinary,
  ),
  fc.record(
    {
      kind: fc.constant('scrape' as const),
      files: fc.uniqueArray(fc.record({ infoHash: id, counts }, ordinary), {
        maxLength: 60,
        selector: (file) => file.infoHash,
      }),
    },
    ordinary,
  ),
  fc.record(
    {
      kind: fc.constant('failure' as const),
      action: fc.constantFrom('announce' as const, 'scrape' as const),
      infoHash: fc.oneof(id, fc.constant('')),
      reason: text,
      retryInSec: fc.oneof(
        fc.integer({ min: 1, max: 10_080 }).map((minutes) => minutes * 60),
        fc.constant(Number.POSITIVE_INFINITY),
      ),
    },
    { ...ordinary, requiredKeys: ['kind', 'action', 'infoHash', 'reason'] },
  ),
);

test('requests come back as they went', () => {
  fc.assert(fc.property(request, (r) => assert.deepEqual(decodeWsRequest(encodeWsRequest(r)), r)));
});

test('responses come back as they went', () => {
  fc.assert(fc.property(response, (r) => assert.deepEqual(decodeWsResponse(encodeWsResponse(r)), r)));
});

test('what is carried on is no larger than it came', () => {
  fc.assert(
    fc.property(id, id, id, offerId, sdp, (infoHash, peerId, toPeerId, name, description) => {
      const came = encodeWsRequest({ kind: 'answer', infoHash, peerId, toPeerId, offerId: name, sdp: description });
      const read = decodeWsRequest(came);
      assert(read.kind === 'answer');
      const goes = encodeWsResponse({ kind: 'answer', infoHash, peerId, offerId: read.offerId, sdp: read.sdp });
      assert(Buffer.byteLength(goes) < Buffer.byteLength(came));
    }),
  );
});

test('one field of a good message made wrong is refused, or counts as missing', () => {
  const good = request.filter((r) => r.kind !== 'scrape');
  const wrong = fc.oneof(
    fc.constantFrom<unknown>(true, false, [], {}, [[]], 'text', -1, -0.5),
    fc.jsonValue({ maxDepth: 1 }),
  );
  fc.assert(
    fc.property(good, fc.nat(), wrong, (r, choice, value) => {
      const fields = JSON.parse(encodeWsRequest(r)) as Record<string, unknown>;
      const names = Object.keys(fields);
      fields[names[choice % names.length] as string] = value;
      const read = decodeWsRequest(JSON.stringify(fields));
      if (read.kind === 'unreadable') return;
      assert.deepEqual(decodeWsRequest(encodeWsRequest(read)), read);
    }),
    { numRuns: 1_000 },
  );
});

import assert from 'node:assert/strict';
import { test } from 'node:test';
import fc from 'fast-check';
import { type PeerAddress, toHex } from '#base';
import {
  type AnnounceRequest,
  decodeHttpAnnounceResponse,
  decodeHttpScrapeResponse,
  decodeUdpAnnounceRequest,
  decodeUdpConnectRequest,
  decodeUdpResponse,
  decodeUdpScrapeRequest,
  encodeAnnounceQuery,
  encodeCompactPeers,
  encodeHttpAnnounceResponse,
  encodeHttpScrapeResponse,
  encodeScrapeQuery,
  encodeUdpAnnounceRequest,
  encodeUdpAnnounceResponse,
  encodeUdpConnectRequest,
  encodeUdpConnectResponse,
  encodeUdpErrorResponse,
  encodeUdpScrapeRequest,
  encodeUdpScrapeResponse,
  formatTrackerUrl,
  normaliseTrackerUrl,
  parseAnnounceQuery,
  parseScrapeQuery,
  parseTrackerUrl,
  toScrapeUrl,
} from '#wire';

const bytes = (length: number): fc.Arbitrary<Uint8Array> => fc.uint8Array({ minLength: length, maxLength: length });
const u32 = fc.nat(0xffff_ffff);
const count = fc.oneof(fc.nat(), fc.nat(Number.MAX_SAFE_INTEGER), fc.constant(Number.MAX_SAFE_INTEGER));
const host4 = fc
  .tuple(fc.integer({ min: 1, max: 223 }), fc.nat(255), fc.nat(255), fc.nat(255))
  .map((parts) => parts.join('.'));
const host6 = fc.nat(0xfffe).map((n) => `2001:db8::${(n + 1).toString(16)}`);
const port = fc.integer({ min: 1, max: 65_535 });
const peers = (host: fc.Arbitrary<string>): fc.Arbitrary<PeerAddress[]> =>
  fc.array(fc.record({ host, port }, ordinary), { maxLength: 60 });
const ascii = (maxLength: number): fc.Arbitrary<string> =>
  fc.string({ unit: fc.integer({ min: 33, max: 126 }).map((c) => String.fromCharCode(c)), maxLength });

const baseRequest = {
  infoHash: bytes(20),
  peerId: bytes(20),
  port,
  uploaded: count,
  downloaded: count,
  left: count,
  event: fc.constantFrom('none' as const, 'started' as const, 'completed' as const, 'stopped' as const),
  numWant: fc.integer({ min: -1, max: 100_000 }),
  key: u32,
};
// Null prototypes would make equal values unequal.
const ordinary = { noNullPrototype: true };
const row = fc.record({ complete: u32, incomplete: u32, downloaded: u32 }, ordinary);

/** Plain arrays and absent members, so that views, copies and undefined compare alike. */
function plain(request: AnnounceRequest): unknown {
  return { ...request, infoHash: toHex(request.infoHash), peerId: toHex(request.peerId) };
}

test('UDP requests: decode of encode is identity', () => {
  const request = fc.record(
    { ...baseRequest, ip: host4 },
    { requiredKeys: Object.keys(baseRequest) as (keyof typeof baseRequest)[] },
  );
  fc.assert(
    fc.property(bytes(8), u32, request, fc.option(ascii(1_000)), (connectionId, transactionId, r, urlData) => {
      const encoded = encodeUdpAnnounceRequest({
        connectionId,
        transactionId,
        request: r as AnnounceRequest,
        ...(urlData === null ? {} : { urlData }),
      });
      const decoded = decodeUdpAnnounceRequest(encoded);
      assert.equal(toHex(decoded.connectionId), toHex(connectionId));
      assert.equal(decoded.transactionId, transactionId);
      assert.equal(decoded.urlData ?? null, urlData);
      assert.deepEqual(plain(decoded.request), plain(r as AnnounceRequest));
    }),
  );
  fc.assert(
    fc.property(
      bytes(8),
      u32,
      fc.array(bytes(20), { minLength: 1, maxLength: 74 }),
      (connectionId, transactionId, infoHashes) => {
        assert.equal(decodeUdpConnectRequest(encodeUdpConnectRequest(transactionId)), transactionId);
        const decoded = decodeUdpScrapeRequest(encodeUdpScrapeRequest({ connectionId, transactionId, infoHashes }));
        assert.deepEqual(decoded.infoHashes.map(toHex), infoHashes.map(toHex));
      },
    ),
  );
});

test('UDP answers: decode of encode is identity, in both families', () => {
  fc.assert(
    fc.property(
      u32,
      bytes(8),
      fc.array(row, { maxLength: 74 }),
      ascii(200),
      (transactionId, connectionId, rows, reason) => {
        const connect = decodeUdpResponse(encodeUdpConnectResponse({ transactionId, connectionId }), 4);
        assert(connect.kind === 'connect' && toHex(connect.connectionId) === toHex(connectionId));
        assert.deepEqual(decodeUdpResponse(encodeUdpScrapeResponse({ transactionId, rows }), 6), {
          kind: 'scrape',
          transactionId,
          rows,
        });
        const error = encodeUdpErrorResponse({ transactionId, reason, bytesMax: 1_000 });
        assert.deepEqual(decodeUdpResponse(error, 4), { kind: 'error', transactionId, reason });
      },
    ),
  );
  for (const family of [4, 6] as const) {
    fc.assert(
      fc.property(
        u32,
        fc.integer({ min: 10, max: 604_800 }),
        row,
        peers(family === 4 ? host4 : host6),
        (transactionId, intervalSec, r, list) => {
          const { v4, v6 } = encodeCompactPeers(list);
          const encoded = encodeUdpAnnounceResponse({
            transactionId,
            intervalSec,
            ...r,
            peers: family === 4 ? v4 : v6,
          });
          const decoded = decodeUdpResponse(encoded, family);
          assert(decoded.kind === 'announce');
          const { complete, incomplete } = r;
          assert.deepEqual(decoded.response, { intervalSec, complete, incomplete, peers: list });
        },
      ),
    );
  }
});

test('HTTP queries: parse of encode is identity', () => {
  const binary = fc.uint8Array({ maxLength: 40 }).map((b) => [...b].map((c) => String.fromCharCode(c)).join(''));
  const request = fc.record(
    { ...baseRequest, ip: fc.oneof(host4, host6), trackerId: binary },
    { requiredKeys: Object.keys(baseRequest) as (keyof typeof baseRequest)[] },
  );
  fc.assert(
    fc.property(request, (r) => {
      const { request: parsed, compact } = parseAnnounceQuery(encodeAnnounceQuery(r as AnnounceRequest));
      assert.equal(compact, true);
      assert.deepEqual(plain(parsed), plain(r as AnnounceRequest));
    }),
  );
  fc.assert(
    fc.property(fc.array(bytes(20), { maxLength: 100 }), (hashes) => {
      assert.deepEqual(parseScrapeQuery(encodeScrapeQuery(hashes)).map(toHex), hashes.map(toHex));
    }),
  );
});

test('HTTP answers: decode of encode is identity, compact or not', () => {
  fc.assert(
    fc.property(
      fc.record({
        intervalSec: fc.integer({ min: 10, max: 604_800 }),
        minIntervalSec: fc.nat(604_800),
        row,
        four: peers(host4),
        six: peers(host6),
      }),
      fc.record({ compact: fc.boolean(), ip: fc.oneof(bytes(4), fc.constant(undefined)), warning: ascii(100) }),
      (a, o) => {
        const { v4: peers4, v6: peers6 } = encodeCompactPeers([...a.four, ...a.six]);
        const { intervalSec, minIntervalSec } = a;
        const encoded = encodeHttpAnnounceResponse(
          { intervalSec, minIntervalSec, ...a.row, peers4, peers6, warning: o.warning },
          { compact: o.compact, ...(o.ip === undefined ? {} : { externalIp: o.ip }) },
        );
        const reply = decodeHttpAnnounceResponse(encoded);
        assert(reply.ok);
        const { externalIp, ...rest } = reply.response;
        const { warning } = o;
        assert.deepEqual(rest, {
          intervalSec,
          minIntervalSec,
          ...a.row,
          // An empty one is none.
          ...(warning === '' ? {} : { warning }),
          peers: [...a.four, ...a.six],
        });
        assert.equal(externalIp, o.ip === undefined ? undefined : [...o.ip].join('.'));
      },
    ),
  );
  fc.assert(
    fc.property(
      fc.uniqueArray(fc.tuple(bytes(20), row), { maxLength: 50, selector: ([hash]) => toHex(hash) }),
      (rows) => {
        const reply = decodeHttpScrapeResponse(
          encodeHttpScrapeResponse(
            rows.map(([hash]) => hash),
            rows.map(([, counts]) => counts),
          ),
        );
        assert(reply.ok);
        assert.deepEqual(new Map(reply.rows), new Map(rows.map(([hash, counts]) => [toHex(hash), counts])));
      },
    ),
  );
});

test('URLs: normalising twice is normalising once; any text is parsed or refused', () => {
  const text = fc.oneof(
    fc.string(),
    fc
      .tuple(fc.constantFrom('http', 'HTTPS', 'udp', 'ws', 'ftp'), fc.string(), fc.option(port), fc.string())
      .map(([scheme, host, p, rest]) => `${scheme}://${host}${p === null ? '' : `:${p}`}/${rest}`),
    fc.webUrl({ withQueryParameters: true, withFragments: true }),
  );
  fc.assert(
    fc.property(text, (t) => {
      const once = normaliseTrackerUrl(t);
      if (once === undefined) return;
      assert.equal(normaliseTrackerUrl(once), once);
      // Nothing that could end a request line or start a header is left.
      assert.match(once.slice(once.indexOf('//') + 2).replace(/^[^/]*/, ''), /^[!-~]*$/);
      const url = parseTrackerUrl(once);
      const scrape = url === undefined ? undefined : toScrapeUrl(url);
      if (scrape !== undefined) assert.notEqual(parseTrackerUrl(formatTrackerUrl(scrape)), undefined);
    }),
    { numRuns: 1_000 },
  );
});

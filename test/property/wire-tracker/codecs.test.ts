import assert from 'node:assert/strict';
import { test } from 'node:test';
import fc from 'fast-check';
import { BtError, fromBinaryString, type Millis, type PeerAddress, toHex } from '#base';
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
  trackerWireLimits,
  UdpTrackerClient,
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
const seed = { seed: 11 };

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
    seed,
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
    seed,
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
    seed,
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
      seed,
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
    seed,
  );
  fc.assert(
    fc.property(fc.array(bytes(20), { maxLength: 100 }), (hashes) => {
      assert.deepEqual(parseScrapeQuery(encodeScrapeQuery(hashes)).map(toHex), hashes.map(toHex));
    }),
    seed,
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
    seed,
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
    seed,
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
    { ...seed, numRuns: 1_000 },
  );
});

/** Anything at all, and good messages with some bytes changed, cut or added. */
function mutated(good: fc.Arbitrary<Uint8Array>): fc.Arbitrary<Uint8Array> {
  const changes = fc.array(fc.tuple(fc.nat(400), fc.nat(255)), { maxLength: 4 });
  const damaged = fc
    .tuple(good, changes, fc.nat(400), fc.uint8Array({ maxLength: 8 }))
    .map(([message, edits, cut, tail]) => {
      const copy = message.slice();
      for (const [at, value] of edits) if (at < copy.length) copy[at] = value;
      const kept = cut % 3 === 0 ? copy.subarray(0, cut) : copy;
      return new Uint8Array(Buffer.concat([kept, tail]));
    });
  return fc.oneof(fc.uint8Array({ maxLength: 300 }), damaged);
}

function survives(run: () => unknown): void {
  try {
    run();
  } catch (error) {
    assert(BtError.is(error), `threw ${String(error)}`);
  }
}

test('hostile bytes: every decoder gives an answer within its bounds or a BtError', () => {
  const udp = fc
    .tuple(fc.nat(4), fc.uint8Array({ maxLength: 300 }))
    .map(([action, rest]) => new Uint8Array([0, 0, 0, action, ...rest]));
  fc.assert(
    fc.property(mutated(udp), (message) => {
      survives(() => decodeUdpAnnounceRequest(message));
      survives(() => decodeUdpScrapeRequest(message));
      survives(() => decodeUdpConnectRequest(message));
      for (const family of [4, 6] as const) survives(() => decodeUdpResponse(message, family));
    }),
    { ...seed, numRuns: 3_000 },
  );
  const http = fc.tuple(peers(host4), peers(host6), fc.boolean()).map(([four, six, compact]) => {
    const { v4: peers4, v6: peers6 } = encodeCompactPeers([...four, ...six]);
    const counts = { intervalSec: 60, minIntervalSec: 30, complete: 1, incomplete: 2, downloaded: 3 };
    return encodeHttpAnnounceResponse(
      { ...counts, peers4, peers6, trackerId: 'x' },
      { compact, externalIp: new Uint8Array(4) },
    );
  });
  fc.assert(
    fc.property(mutated(http), (message) => {
      survives(() => {
        const reply = decodeHttpAnnounceResponse(message);
        if (!reply.ok) return;
        const { intervalSec, peers: found } = reply.response;
        assert(intervalSec >= trackerWireLimits.intervalMinSec && intervalSec <= trackerWireLimits.intervalMaxSec);
        assert(found.length <= trackerWireLimits.peersMax);
      });
      survives(() => decodeHttpScrapeResponse(message));
      const text = Buffer.from(message).toString('latin1');
      survives(() => parseAnnounceQuery(text));
      survives(() => parseScrapeQuery(text));
      survives(() => fromBinaryString(text));
    }),
    { ...seed, numRuns: 3_000 },
  );
});

test('the UDP client keeps its promise under any datagrams and any timing: one outcome a request, nothing left', () => {
  const at: PeerAddress = { host: '192.0.2.1', port: 1 };
  const event = fc.oneof(
    fc.record({ kind: fc.constant('start' as const) }),
    fc.record({ kind: fc.constant('wait' as const), ms: fc.nat(70_000) }),
    fc.record({
      kind: fc.constant('noise' as const),
      bytes: mutated(
        fc
          .tuple(fc.nat(3), fc.nat(20))
          .map(([a, t]) => new Uint8Array([0, 0, 0, a, 0, 0, 0, t, ...new Array(12).fill(1)])),
      ),
    }),
  );
  fc.assert(
    fc.property(fc.array(event, { maxLength: 60 }), (script) => {
      let transaction = 0;
      let now = 0 as Millis;
      const outcomes = new Map<number, number>();
      const client = new UdpTrackerClient({
        random32: () => transaction++ % 21,
        ports: { send: () => {}, done: (id) => outcomes.set(id, (outcomes.get(id) ?? 0) + 1) },
      });
      const runTo = (end: Millis): void => {
        for (let next = client.nextDeadline(); next <= end; next = client.nextDeadline()) {
          assert(next >= now);
          now = next;
          client.onWake(now);
        }
        now = end;
      };
      let started = 0;
      for (const e of script) {
        if (e.kind === 'start' && client.pendingCount < 8) {
          client.start(now, at, { kind: 'scrape', infoHashes: [new Uint8Array(20)] });
          started++;
        } else if (e.kind === 'wait') runTo((now + e.ms) as Millis);
        else if (e.kind === 'noise') client.onDatagram(now, at, e.bytes);
      }
      runTo((now + 2_000_000) as Millis);
      assert.equal(client.pendingCount, 0);
      assert.equal(outcomes.size, started);
      assert([...outcomes.values()].every((n) => n === 1));
    }),
    { ...seed, numRuns: 300 },
  );
});

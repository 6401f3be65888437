import assert from 'node:assert/strict';
import { test } from 'node:test';
import fc from 'fast-check';
import { formatIp, readU16, toHex } from '#base';
import { type BInput, encode } from '#bencode';
import {
  AnnounceQueryReader,
  httpAnnounceBytesMax,
  httpRefusalBytesMax,
  httpScrapeBytesMax,
  ScrapeQueryReader,
  trackerWireLimits,
  writeHttpAnnounce,
  writeHttpRefusal,
  writeHttpScrape,
} from '#wire';
import { readAnnounceByReference, readScrapeByReference } from '../../support/http-query-reference.ts';

const runs = { numRuns: 5_000 };
const ordinary = { noNullPrototype: true };
const announces = new AnnounceQueryReader();
const scrapes = new ScrapeQueryReader();

/** The query stands in the middle of other bytes, as in a request. */
function embed(query: string): { bytes: Uint8Array; from: number; to: number } {
  const bytes = Buffer.from(`GET /announce?${query} HTTP/1.1\r\n%41&port=9`, 'latin1');
  return { bytes, from: 14, to: 14 + query.length };
}

function readAnnounce(query: string) {
  const { bytes, from, to } = embed(query);
  const fault = announces.read(bytes, from, to);
  if (fault !== undefined) return { fault };
  const { port, uploaded, downloaded, left, event, numWant, key, compact } = announces;
  const infoHash = toHex(announces.infoHash);
  const peerId = toHex(announces.peerId);
  return { value: { request: { infoHash, peerId, port, uploaded, downloaded, left, event, numWant, key }, compact } };
}

function readAnnounceSlowly(query: string) {
  const read = readAnnounceByReference(query);
  if ('fault' in read) return read;
  const { request, compact } = read.value;
  const [infoHash, peerId] = [toHex(request.infoHash), toHex(request.peerId)];
  return { value: { request: { ...request, infoHash, peerId }, compact } };
}

const byte = fc.nat(255).map((n) => String.fromCharCode(n));
/** A byte as some client would write it. */
const written = fc.oneof(
  { weight: 6, arbitrary: fc.nat(255).map((n) => `%${n.toString(16).padStart(2, '0')}`) },
  { weight: 2, arbitrary: fc.nat(255).map((n) => `%${n.toString(16).toUpperCase().padStart(2, '0')}`) },
  { weight: 8, arbitrary: fc.constantFrom(...'abcXYZ019-_.~+') },
  { weight: 1, arbitrary: byte.filter((char) => !'&=%'.includes(char)) },
);
const twenty = fc.array(written, { minLength: 20, maxLength: 20 }).map((all) => all.join(''));
const number = fc.oneof(
  fc.nat().map(String),
  fc.bigInt({ min: 0n, max: 10n ** 21n }).map(String),
  fc.constantFrom('', '-1', '0', '1e3', '0x10', '%31%32', '9007199254740991', '9007199254740993', '+1'),
);
const hostile = fc.array(fc.oneof(byte, fc.constantFrom('&', '=', '%', '%4', '%zz', '+', '&&')), { maxLength: 12 });
const names = fc.constantFrom('uploaded', 'downloaded', 'left', 'port', 'numwant', 'key', 'compact', 'event', 'ip');
const parameter = fc.oneof(
  { weight: 4, arbitrary: fc.tuple(names, number).map(([name, value]) => `${name}=${value}`) },
  { weight: 2, arbitrary: fc.constantFrom('started', 'stopped', 'completed', 'paused', '').map((e) => `event=${e}`) },
  { weight: 1, arbitrary: fc.constantFrom('compact=0', 'compact=1', 'compact', 'p%6Frt=5', 'port', '%=1', '') },
  { weight: 1, arbitrary: fc.tuple(names, hostile).map(([name, value]) => `${name}=${value.join('')}`) },
  { weight: 1, arbitrary: hostile.map((all) => all.join('')) },
);
const announceQuery = fc
  .tuple(twenty, twenty, fc.integer({ min: 0, max: 70_000 }), fc.array(parameter, { maxLength: 8 }), fc.nat(3))
  .map(([hash, id, port, rest, shape]) => {
    const base = [`info_hash=${hash}`, `peer_id=${id}`, `port=${port}`];
    // The usual order, the other way round, and with one of the needed ones missing.
    const all = shape === 0 ? [...rest, ...base] : shape === 1 ? [...base.slice(1), ...rest] : [...base, ...rest];
    return all.join('&');
  });

test('the reader of announces reads what the plain one reads', () => {
  fc.assert(
    fc.property(announceQuery, (query) => assert.deepEqual(readAnnounce(query), readAnnounceSlowly(query))),
    runs,
  );
});

test('the reader of scrapes reads what the plain one reads', () => {
  const part = fc.oneof(
    twenty.map((hash) => `info_hash=${hash}`),
    twenty.map((hash) => `info%5Fhash=${hash}`),
    parameter,
    fc.constant('info_hash=short'),
  );
  fc.assert(
    fc.property(fc.array(part, { maxLength: 30 }), (parts) => {
      const query = parts.join('&');
      const { bytes, from, to } = embed(query);
      const fault = scrapes.read(bytes, from, to);
      const read = readScrapeByReference(query);
      if ('fault' in read) assert.equal(fault, read.fault);
      else assert.equal(toHex(scrapes.hashes.subarray(0, scrapes.count * 20)), read.value.map(toHex).join(''));
    }),
    { numRuns: 2_000 },
  );
});

const count = fc.oneof(fc.nat(0xffff_ffff), fc.nat(2_000), fc.constant(Number.MAX_SAFE_INTEGER));
const text = fc.string({ unit: 'grapheme', maxLength: 600 });
const answer = fc.record(
  {
    intervalSec: count,
    minIntervalSec: count,
    complete: count,
    incomplete: count,
    downloaded: count,
    peers4: fc.nat(60),
    peers6: fc.nat(20),
    warning: fc.oneof(fc.constant(''), text),
  },
  ordinary,
);

test('announce answers are what the bencode encoder makes of the same values', () => {
  const form = fc.record(
    { compact: fc.boolean(), external: fc.constantFrom(0, 4, 16), trackerId: fc.option(text), at: fc.nat(50) },
    ordinary,
  );
  fc.assert(
    fc.property(answer, form, fc.infiniteStream(fc.nat(255)), fc.boolean(), (a, o, noise, isShared) => {
      const peerBytes = a.peers4 * 6 + a.peers6 * 18;
      const peers = Uint8Array.from([...noise.take(peerBytes)]);
      const externalBytes = Uint8Array.from([...noise.take(o.external)]);
      const room = httpAnnounceBytesMax(a.peers4 + a.peers6);
      const into = new Uint8Array(o.at + room + peerBytes);
      // Peers that stand at the end of the buffer they are written to, or elsewhere.
      if (isShared) into.set(peers, o.at + room);
      const out = isShared ? into : peers;
      const outAt = isShared ? o.at + room : 0;
      const fields = { ...a, peerCount4: a.peers4, peerCount6: a.peers6, out, outAt };
      const end = writeHttpAnnounce(into, o.at, fields, {
        compact: o.compact,
        externalBytes,
        externalAt: 0,
        externalLength: o.external as 0 | 4 | 16,
        ...(o.trackerId === null ? {} : { trackerId: o.trackerId }),
      });
      assert(end - o.at <= room);
      const expected = encode({
        complete: a.complete,
        downloaded: a.downloaded,
        incomplete: a.incomplete,
        interval: a.intervalSec,
        'min interval': a.minIntervalSec,
        peers: o.compact ? peers.subarray(0, a.peers4 * 6) : listPeers(peers, a.peers4),
        peers6: o.compact && a.peers6 > 0 ? peers.subarray(a.peers4 * 6) : undefined,
        'external ip': o.external === 0 ? undefined : externalBytes,
        'warning message': a.warning === '' ? undefined : a.warning.slice(0, trackerWireLimits.textCharsMax),
        'tracker id': o.trackerId?.slice(0, trackerWireLimits.textCharsMax) ?? undefined,
      });
      assert.deepEqual(into.slice(o.at, end), expected);
    }),
    { numRuns: 1_000 },
  );
});

function listPeers(peers: Uint8Array, count4: number): BInput[] {
  const list: BInput[] = [];
  for (let at = 0; at < peers.length; ) {
    const ipEnd = at + (at < count4 * 6 ? 4 : 16);
    list.push({ ip: formatIp(peers.subarray(at, ipEnd)), port: readU16(peers, ipEnd) });
    at = ipEnd + 2;
  }
  return list;
}

test('refusals and scrapes are what the bencode encoder makes of the same values', () => {
  const retry = fc.option(fc.oneof(fc.nat(100_000), fc.constant(Number.POSITIVE_INFINITY)));
  fc.assert(
    fc.property(text, retry, (reason, retryInSec) => {
      const into = new Uint8Array(httpRefusalBytesMax);
      const end = writeHttpRefusal(into, 0, { reason, ...(retryInSec === null ? {} : { retryInSec }) });
      const minutes = Math.max(1, Math.ceil((retryInSec ?? 0) / 60));
      const expected = encode({
        'failure reason': reason.slice(0, trackerWireLimits.textCharsMax),
        'retry in': retryInSec === null ? undefined : minutes === Number.POSITIVE_INFINITY ? 'never' : minutes,
      });
      assert.deepEqual(into.slice(0, end), expected);
    }),
    { numRuns: 1_000 },
  );
  const hash = fc.uint8Array({ minLength: 20, maxLength: 20 });
  const u32 = fc.nat(0xffff_ffff);
  fc.assert(
    fc.property(fc.array(fc.tuple(hash, u32, u32, u32), { maxLength: 80 }), fc.nat(2), (rows, repeats) => {
      // The same torrent asked for again has the same row.
      const asked = [...rows, ...rows.slice(0, repeats)];
      const into = new Uint8Array(httpScrapeBytesMax(asked.length));
      const end = writeHttpScrape(into, 0, {
        hashBytes: Uint8Array.from(asked.flatMap(([bytes]) => [...bytes])),
        hashAt: 0,
        count: asked.length,
        rows: Uint32Array.from(asked.flatMap(([, ...counts]) => counts)),
      });
      const files = new Map<Uint8Array, BInput>();
      for (const [bytes, complete, downloaded, incomplete] of rows)
        files.set(bytes, { complete, downloaded, incomplete });
      if (new Set(rows.map(([bytes]) => toHex(bytes))).size < rows.length) return;
      assert.deepEqual(into.slice(0, end), encode({ files }));
    }),
    { numRuns: 500 },
  );
});

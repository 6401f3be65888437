import assert from 'node:assert/strict';
import { fromBinaryString, toBinaryString, toHex } from '#base';
import {
  AnnounceQueryReader,
  encodeAnnounceQuery,
  encodeScrapeQuery,
  parseAnnounceQuery,
  parseScrapeQuery,
  ScrapeQueryReader,
} from '#wire';
import { readAnnounceByReference, readScrapeByReference } from '../../test/support/http-query-reference.ts';
import { type FuzzTarget, refusal, utf8 } from '../support/target.ts';

const announces = new AnnounceQueryReader();
const scrapes = new ScrapeQueryReader();
/** What stands before and after the query in a request. */
const before = 'GET /announce?';

/** The fast reader, in the middle of other bytes, and after many others. */
function readAnnounce(query: string) {
  const bytes = Buffer.from(`${before}${query} HTTP/1.1\r\n%41&port=9`, 'latin1');
  const fault = announces.read(bytes, before.length, before.length + query.length);
  if (fault !== undefined) return { fault };
  const { port, uploaded, downloaded, left, event, numWant, key, compact } = announces;
  const [infoHash, peerId] = [toHex(announces.infoHash), toHex(announces.peerId)];
  return { value: { request: { infoHash, peerId, port, uploaded, downloaded, left, event, numWant, key }, compact } };
}

function readAnnouncePlainly(query: string) {
  const read = readAnnounceByReference(query);
  if ('fault' in read) return read;
  const { request, compact } = read.value;
  return {
    value: { request: { ...request, infoHash: toHex(request.infoHash), peerId: toHex(request.peerId) }, compact },
  };
}

function checkScrape(query: string): string {
  const bytes = Buffer.from(`${before}${query} HTTP/1.1\r\n&info_hash=a`, 'latin1');
  const fault = scrapes.read(bytes, before.length, before.length + query.length);
  const plain = readScrapeByReference(query);
  if ('fault' in plain) assert.equal(fault, plain.fault);
  else assert.equal(toHex(scrapes.hashes.subarray(0, scrapes.count * 20)), plain.value.map(toHex).join(''));
  try {
    const hashes = parseScrapeQuery(query);
    if (hashes.length <= 50) assert.deepEqual(parseScrapeQuery(encodeScrapeQuery(hashes)), hashes);
    return `scrape ${Math.min(hashes.length, 3)}`;
  } catch (error) {
    return refusal(error, 'wire/invalid');
  }
}

const hash = '%61%FFabcdefghijklmnop%00%7e';

export const target: FuzzTarget = {
  about: 'queries of announces and scrapes: the fast reader and a plain one agree, and so does what we write ourselves',
  form: 'text',
  files: ['wire/tracker/http-query', 'wire/tracker/http-request'],
  parsers: [
    'wire/tracker/http-request parseAnnounceQuery',
    'wire/tracker/http-request parseScrapeQuery',
    'wire/tracker/http-query AnnounceQueryReader',
    'wire/tracker/http-query ScrapeQueryReader',
  ],
  tokens: [
    '&',
    '=',
    '%',
    '%4',
    '%zz',
    '+',
    'info_hash=',
    'info%5Fhash=',
    'peer_id=',
    'port=',
    'port=0',
    'left=',
    'uploaded=18446744073709551615',
    'event=started',
    'event=stopped',
    'numwant=',
    'key=',
    'compact=0',
    'ip=1.2.3.4',
    'ipv6=%3A%3A1',
    'trackerid=x',
    'no_peer_id=1',
    hash,
    'a&'.repeat(199),
    '\xff',
  ],
  seeds: () =>
    [
      `info_hash=${hash}&peer_id=-XX0001-abcdefghijkl&port=6881&left=1&uploaded=0&downloaded=5&event=started&key=AB&numwant=50`,
      `info_hash=${hash}&info_hash=${hash}`,
      `port=0&event=stopped&info_hash=${hash}&peer_id=${hash}&ip=::1&trackerid=%01`,
    ].map(utf8),
  run(input) {
    const query = toBinaryString(input);
    assert.equal(query.length, input.length);
    const read: { fault: string } | ReturnType<typeof readAnnouncePlainly> = readAnnounce(query);
    assert.deepEqual(read, readAnnouncePlainly(query));
    const scrape = checkScrape(query);
    assert.equal(toBinaryString(fromBinaryString(query)), query);
    return `${'fault' in read ? checkRefusal(query) : checkRoundTrip(query, read.value.request.infoHash)} ${scrape}`;
  },
};

function checkRefusal(query: string): string {
  try {
    parseAnnounceQuery(query);
  } catch (error) {
    return refusal(error, 'wire/invalid');
  }
  throw new Error('what the readers refuse was taken');
}

function checkRoundTrip(query: string, infoHash: string): string {
  const { request, compact } = parseAnnounceQuery(query);
  assert.equal(toHex(request.infoHash), infoHash);
  const again = parseAnnounceQuery(encodeAnnounceQuery(request));
  assert.deepEqual(structuredClone(again.request), structuredClone(request));
  return `${request.event} ${compact} ${request.ip !== undefined} ${request.trackerId !== undefined}`;
}

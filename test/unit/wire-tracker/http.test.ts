import assert from 'node:assert/strict';
import { test } from 'node:test';
import { BtError, encodeUtf8, fromHex } from '#base';
import { encode } from '#bencode';
import {
  type AnnounceAnswer,
  type AnnounceRequest,
  decodeHttpAnnounceResponse,
  decodeHttpScrapeResponse,
  encodeAnnounceQuery,
  encodeHttpAnnounceResponse,
  encodeHttpRefusal,
  encodeHttpScrapeResponse,
  parseAnnounceQuery,
  parseScrapeQuery,
  trackerWireLimits,
} from '#wire';

const HASH = '%00%01%02%25%26%2B%3D%3F%23%20%7f%80%ff0123456';
const MINIMAL = `info_hash=${HASH}&peer_id=-XX0001-abcdefghijkl&port=6881`;

function decodeAnnounce(value: Parameters<typeof encode>[0]) {
  const reply = decodeHttpAnnounceResponse(encode(value));
  assert(reply.ok);
  return reply.response;
}

test('an info-hash is 20 raw bytes, whatever they are', () => {
  const { request } = parseAnnounceQuery(MINIMAL);
  assert.deepEqual(request.infoHash, fromHex('00010225262b3d3f23207f80ff30313233343536'));
});

test('a plus is a blank, hex digits may be of either case, raw bytes pass', () => {
  const { request } = parseAnnounceQuery(
    `info_hash=++++%aA%Aa\u00ff\u0080abcdefghijkl&peer_id=-XX0001-abcdefghijkl&port=1`,
  );
  assert.deepEqual(request.infoHash, fromHex('20202020aaaaff806162636465666768696a6b6c'));
});

test('an address that no address can be counts as none', () => {
  const named = (value: string) => parseAnnounceQuery(`${MINIMAL}&ip=${value}`).request.ip;
  assert.equal(named('%32001:db8::1'), '2001:db8::1');
  assert.equal(named('a'.repeat(64)), 'a'.repeat(64));
  for (const value of ['', '+', '1.2.3.4+', '1%0a2', '%7f', '\u00f6', '%C3%B6', 'a'.repeat(65)])
    assert.equal(named(value), undefined, JSON.stringify(value));
});

test('defaults: what a client leaves out', () => {
  const { request, compact, noPeerId } = parseAnnounceQuery(MINIMAL);
  assert.deepEqual(
    { ...request, infoHash: 0, peerId: 0 },
    {
      infoHash: 0,
      peerId: 0,
      port: 6881,
      uploaded: 0,
      downloaded: 0,
      left: Number.MAX_SAFE_INTEGER,
      event: 'none',
      numWant: -1,
      key: 0,
    },
  );
  assert.equal(compact, true);
  assert.equal(noPeerId, false);
});

test('repeated parameters: the first counts; unknown ones and events are passed over', () => {
  const { request } = parseAnnounceQuery(`${MINIMAL}&port=1&event=paused&supportcrypto=1&&=x&left=5&left=6&numwant=-3`);
  assert.equal(request.port, 6881);
  assert.equal(request.event, 'none');
  assert.equal(request.left, 5);
  assert.equal(request.numWant, -1);
});

const refused: [query: string, why: RegExp][] = [
  ['', /info_hash is missing/],
  ['info_hash=%0%a', /percent/],
  ['info_hash=short', /info_hash is not 20 bytes/],
  [`info_hash=${HASH}`, /peer_id is missing/],
  [MINIMAL.replace('6881', '0'), /port/],
  [MINIMAL.replace('6881', '65536'), /port/],
  [MINIMAL.replace('6881', '0x10'), /port/],
  [MINIMAL.replace('&port=6881', ''), /port is missing/],
  [`${MINIMAL}&left=-1`, /left/],
  [`${MINIMAL}&uploaded=1e9`, /uploaded/],
  [`${MINIMAL}&a=%`, /percent/],
  [`${MINIMAL}${'&a=1'.repeat(trackerWireLimits.queryParametersMax)}`, /too many/],
];
for (const [query, why] of refused) {
  test(`refused: ${query.slice(-40)} (${why.source})`, () => {
    assert.throws(
      () => parseAnnounceQuery(query),
      (error) => BtError.is(error, 'wire/invalid') && why.test(error.detail.what),
    );
  });
}

test('huge counts are clamped, not refused', () => {
  assert.equal(parseAnnounceQuery(`${MINIMAL}&left=18446744073709551615`).request.left, Number.MAX_SAFE_INTEGER);
});

test('our own query leaves out defaults and escapes everything a server could stumble over', () => {
  const request: AnnounceRequest = {
    infoHash: fromHex('00010225262b3d3f23207f80ff30313233343536') as Uint8Array,
    peerId: encodeUtf8('-XX0001-abcdefghijkl'),
    port: 6881,
    uploaded: 1,
    downloaded: 2,
    left: 3,
    event: 'none',
    numWant: -1,
    key: 0xbeef,
  };
  assert.equal(
    encodeAnnounceQuery(request),
    'info_hash=%00%01%02%25%26%2B%3D%3F%23%20%7F%80%FF0123456&peer_id=-XX0001-abcdefghijkl&port=6881' +
      '&uploaded=1&downloaded=2&left=3&compact=1&no_peer_id=1&key=0000BEEF',
  );
  const more = encodeAnnounceQuery({ ...request, event: 'stopped', numWant: 0, ip: '2001:db8::1', trackerId: 'a&b' });
  assert.match(more, /&event=stopped&numwant=0&ip=2001%3Adb8%3A%3A1&trackerid=a%26b$/);
  const back = parseAnnounceQuery(more).request;
  assert.deepEqual([back.ip, back.trackerId, back.event], ['2001:db8::1', 'a&b', 'stopped']);
});

test('a scrape asks for any number of torrents, none means all', () => {
  assert.deepEqual(parseScrapeQuery(''), []);
  assert.equal(parseScrapeQuery(`info_hash=${HASH}&x=1&info_hash=${HASH}`).length, 2);
  assert.throws(() => parseScrapeQuery('info_hash=x'), BtError);
});

const answer: AnnounceAnswer = {
  intervalSec: 1800,
  minIntervalSec: 300,
  complete: 1,
  incomplete: 2,
  downloaded: 3,
  peers4: fromHex('010203041ae1') as Uint8Array,
  peers6: fromHex('20010db80000000000000000000000011ae1') as Uint8Array,
};
const bothPeers = [
  { host: '1.2.3.4', port: 6881 },
  { host: '2001:db8::1', port: 6881 },
];

test('compact and dictionary answers give the same peers', () => {
  for (const compact of [true, false]) {
    const reply = decodeHttpAnnounceResponse(encodeHttpAnnounceResponse(answer, { compact }));
    assert(reply.ok);
    assert.deepEqual(reply.response.peers, bothPeers);
    assert.equal(reply.response.minIntervalSec, 300);
    assert.equal(reply.response.downloaded, 3);
  }
});

test('external ip, warning and tracker id both ways', () => {
  const bytes = encodeHttpAnnounceResponse(
    { ...answer, warning: 'mind the gap', trackerId: 'abc' },
    { compact: true, externalIp: new Uint8Array([9, 8, 7, 6]) },
  );
  const reply = decodeHttpAnnounceResponse(bytes);
  assert(reply.ok);
  assert.equal(reply.response.externalIp, '9.8.7.6');
  assert.equal(reply.response.warning, 'mind the gap');
  assert.equal(reply.response.trackerId, 'abc');
});

test('refusals: reason, retry in minutes or never', () => {
  const round = (retryInSec?: number) =>
    decodeHttpAnnounceResponse(
      encodeHttpRefusal({ reason: 'full', ...(retryInSec === undefined ? {} : { retryInSec }) }),
    );
  assert.deepEqual(round(), { ok: false, refusal: { reason: 'full' } });
  assert.deepEqual(round(61), { ok: false, refusal: { reason: 'full', retryInSec: 120 } });
  assert.deepEqual(round(Number.POSITIVE_INFINITY), {
    ok: false,
    refusal: { reason: 'full', retryInSec: Number.POSITIVE_INFINITY },
  });
  assert.deepEqual(decodeHttpAnnounceResponse(encode({ 'failure reason': 'x', 'retry in': '5' })), {
    ok: false,
    refusal: { reason: 'x', retryInSec: 300 },
  });
});

test('hostile answers are brought into range', () => {
  assert.equal(decodeAnnounce({ interval: 0, peers: '' }).intervalSec, trackerWireLimits.intervalMinSec);
  assert.equal(decodeAnnounce({ interval: -5, peers: '' }).intervalSec, trackerWireLimits.intervalMinSec);
  assert.equal(decodeAnnounce({ interval: 2n ** 70n, peers: '' }).intervalSec, trackerWireLimits.intervalMaxSec);
  assert.equal(decodeAnnounce({ interval: '1800', peers: '' }).intervalSec, 1800);
  assert.equal(decodeAnnounce({ peers: '' }).intervalSec, trackerWireLimits.intervalDefaultSec);
  assert.equal(decodeAnnounce({ interval: 60, complete: -1 }).complete, 0);
  assert.equal(
    decodeAnnounce({ peers: '', 'warning message': `\u001b]0;x\u0007${'y'.repeat(9999)}` }).warning?.length,
    500,
  );
  assert.equal(decodeAnnounce({ peers: new Uint8Array(6 * 10_000).fill(1) }).peers.length, trackerWireLimits.peersMax);
});

test('dictionary peers: names, bad ports and half ones are left out', () => {
  const peers = [
    { ip: '1.2.3.4', port: 80, 'peer id': 'x'.repeat(20) },
    { ip: 'example.com', port: 80 },
    { ip: '1.2.3.4' },
    { port: 80 },
    { ip: '1.2.3.4', port: 65_536 },
    { ip: '1.2.3.4', port: -1 },
    { ip: '224.0.0.1', port: 80 },
    { ip: '2001:DB8:0::1', port: 81 },
    5,
    'text',
  ];
  assert.deepEqual(decodeAnnounce({ peers }).peers, [
    { host: '1.2.3.4', port: 80 },
    { host: '2001:db8::1', port: 81 },
  ]);
});

test('a line break behind the dictionary is passed over, something else is no answer', () => {
  assert.equal(decodeHttpAnnounceResponse(encodeUtf8('d8:intervali60ee\n')).ok, true);
  for (const bad of ['', '<html>', 'le', 'de', 'i5e', 'd5:peersi5ee', 'd8:interval']) {
    assert.throws(() => decodeHttpAnnounceResponse(encodeUtf8(bad)), BtError, bad);
    assert.throws(() => decodeHttpScrapeResponse(encodeUtf8(bad)), BtError, bad);
  }
});

test('a scrape answer names each torrent once', () => {
  const hash = new Uint8Array(20).fill(0xff);
  const row = { complete: 1, incomplete: 2, downloaded: 3 };
  const reply = decodeHttpScrapeResponse(encodeHttpScrapeResponse([hash, hash], [row, row]));
  assert(reply.ok);
  assert.deepEqual([...reply.rows], [['ff'.repeat(20), row]]);
});

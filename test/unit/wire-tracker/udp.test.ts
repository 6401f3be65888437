import assert from 'node:assert/strict';
import { test } from 'node:test';
import { BtError, fromHex, toHex } from '#base';
import {
  type AnnounceRequest,
  decodeUdpAnnounceRequest,
  decodeUdpConnectRequest,
  decodeUdpResponse,
  decodeUdpScrapeRequest,
  decodeUdpUrlData,
  encodeUdpAnnounceRequest,
  encodeUdpAnnounceResponse,
  encodeUdpConnectRequest,
  encodeUdpErrorResponse,
  encodeUdpScrapeRequest,
  encodeUdpScrapeResponse,
  readUdpRequestHeader,
  trackerWireLimits,
} from '#wire';

const connectionId = hex('1122334455667788');
const request: AnnounceRequest = {
  infoHash: hex('000102030405060708090a0b0c0d0e0f10111213'),
  peerId: new TextEncoder().encode('-XX0001-abcdefghijkl'),
  port: 6881,
  uploaded: 7,
  downloaded: 2 ** 33 + 1,
  left: Number.MAX_SAFE_INTEGER,
  event: 'started',
  numWant: -1,
  key: 0xcafebabe,
};

function hex(text: string): Uint8Array {
  return fromHex(text) as Uint8Array;
}

function throwsCode(run: () => unknown, code: 'wire/truncated' | 'wire/bad-action' | 'wire/invalid'): void {
  assert.throws(run, (error) => BtError.is(error, code));
}

test('an announce has the 98 bytes of BEP 15', () => {
  const bytes = encodeUdpAnnounceRequest({ connectionId, transactionId: 0x9abcdef0, request });
  assert.equal(
    toHex(bytes),
    '1122334455667788' + // connection id
      '00000001' + // action
      '9abcdef0' + // transaction id
      '000102030405060708090a0b0c0d0e0f10111213' +
      '2d5858303030312d6162636465666768696a6b6c' +
      '0000000200000001' + // downloaded
      '001fffffffffffff' + // left
      '0000000000000007' + // uploaded
      '00000002' + // started
      '00000000' + // ip
      'cafebabe' + // key
      'ffffffff' + // numWant
      '1ae1', // port
  );
});

test('byte counts above 2^53 - 1 are clamped, an unknown event counts as none', () => {
  const bytes = encodeUdpAnnounceRequest({ connectionId, transactionId: 1, request });
  bytes.fill(0xff, 56, 84);
  const decoded = decodeUdpAnnounceRequest(bytes);
  assert.equal(decoded.request.downloaded, Number.MAX_SAFE_INTEGER);
  assert.equal(decoded.request.event, 'none');
});

test('bytes behind an announce that are no options do not refuse it', () => {
  const bytes = encodeUdpAnnounceRequest({ connectionId, transactionId: 1, request });
  const longer = new Uint8Array(bytes.length + 3);
  longer.set(bytes);
  longer.set([9, 200, 1], bytes.length);
  assert.equal(decodeUdpAnnounceRequest(longer).urlData, undefined);
});

test('URL data over 255 bytes travels in parts and is bounded', () => {
  for (const length of [0, 1, 254, 255, 256, 600, trackerWireLimits.urlDataBytesMax]) {
    const urlData = `/${'x'.repeat(length)}`.slice(0, length);
    const bytes = encodeUdpAnnounceRequest({ connectionId, transactionId: 1, request, urlData });
    assert.equal(decodeUdpAnnounceRequest(bytes).urlData, urlData);
  }
  const tooLong = new Uint8Array(257 * 6).fill(0x61);
  for (let at = 0; at < tooLong.length; at += 257) tooLong.set([2, 255], at);
  assert.equal(decodeUdpUrlData(tooLong), undefined);
});

test('options: nothing and end, unknown ones are skipped', () => {
  const text = (options: string): string | undefined => decodeUdpUrlData(hex(options));
  assert.equal(text('020c2f6469723f613d6226633d64010100'), '/dir?a=b&c=d');
  assert.equal(text('0902aabb01020141'), 'A');
  assert.equal(text('00020141'), undefined);
  assert.equal(text('02'), undefined);
});

test('requests that are too short or of another kind are refused by name', () => {
  const announce = encodeUdpAnnounceRequest({ connectionId, transactionId: 1, request });
  throwsCode(() => decodeUdpAnnounceRequest(announce.subarray(0, 97)), 'wire/truncated');
  throwsCode(() => decodeUdpScrapeRequest(announce), 'wire/bad-action');
  throwsCode(() => decodeUdpConnectRequest(new Uint8Array(15)), 'wire/truncated');
  throwsCode(() => decodeUdpConnectRequest(new Uint8Array(16)), 'wire/invalid');
  throwsCode(
    () => decodeUdpScrapeRequest(encodeUdpScrapeRequest({ connectionId, transactionId: 1, infoHashes: [] })),
    'wire/truncated',
  );
});

test('the head of a request is read before anything else is believed', () => {
  assert.deepEqual(readUdpRequestHeader(encodeUdpConnectRequest(7)), { action: 0, transactionId: 7 });
  assert.equal(readUdpRequestHeader(new Uint8Array(16)), undefined);
  assert.equal(readUdpRequestHeader(new Uint8Array(15)), undefined);
});

test('a scrape carries at most 74 hashes either way', () => {
  const infoHashes = Array.from({ length: 80 }, (_, i) => new Uint8Array(20).fill(i));
  const bytes = encodeUdpScrapeRequest({ connectionId, transactionId: 3, infoHashes });
  assert.equal(bytes.length, 16 + 74 * 20);
  const longer = new Uint8Array(16 + 200 * 20 + 7);
  longer.set(bytes);
  assert.equal(decodeUdpScrapeRequest(longer).infoHashes.length, 74);
});

test('an answer is read in the family it came by; nobody undialable is in it', () => {
  const peers = hex('010203041ae1' + '000000001ae1' + '050607080000' + '05060708c8d5' + 'aabb');
  const bytes = encodeUdpAnnounceResponse({ transactionId: 5, intervalSec: 0, incomplete: 3, complete: 5, peers });
  const decoded = decodeUdpResponse(bytes, 4);
  assert(decoded.kind === 'announce');
  assert.deepEqual(decoded.response, {
    intervalSec: trackerWireLimits.intervalMinSec,
    incomplete: 3,
    complete: 5,
    peers: [
      { host: '1.2.3.4', port: 6881 },
      { host: '5.6.7.8', port: 51413 },
    ],
  });
});

test('scrape rows are seeders, completed, leechers', () => {
  const rows = [{ complete: 1, downloaded: 2, incomplete: 3 }];
  const bytes = encodeUdpScrapeResponse({ transactionId: 9, rows });
  assert.equal(toHex(bytes), '0000000200000009000000010000000200000003');
  assert.deepEqual(decodeUdpResponse(bytes, 4), { kind: 'scrape', transactionId: 9, rows });
});

test('an error is cut to the size allowed, and shown without control characters', () => {
  assert.equal(encodeUdpErrorResponse({ transactionId: 1, reason: 'x'.repeat(100), bytesMax: 16 }).length, 16);
  assert.equal(encodeUdpErrorResponse({ transactionId: 1, reason: 'x', bytesMax: 3 }).length, 8);
  const hostile = encodeUdpErrorResponse({ transactionId: 1, reason: 'no\u001b[2Jway\n\u202egone', bytesMax: 200 });
  assert.deepEqual(decodeUdpResponse(hostile, 4), { kind: 'error', transactionId: 1, reason: 'no [2Jway gone' });
});

import assert from 'node:assert/strict';
import { isDialable, toHex, writeU32 } from '#base';
import {
  decodeUdpAnnounceRequest,
  decodeUdpConnectRequest,
  decodeUdpResponse,
  decodeUdpScrapeRequest,
  decodeUdpUrlData,
  encodeUdpAnnounceRequest,
  encodeUdpScrapeRequest,
  isUdpConnect,
  readUdpAction,
  readUdpAnnounce,
  readUdpRequestHeader,
  trackerWireLimits,
  type UdpAnnounceFields,
  udpAction,
} from '#wire';
import { type FuzzTarget, magnitude, refusal } from '../support/target.ts';

const codes = ['wire/truncated', 'wire/bad-action', 'wire/invalid'] as const;

function attempt(read: () => string): string {
  try {
    return read();
  } catch (error) {
    return refusal(error, ...codes).split(' ')[0]!;
  }
}

/** The reader that works in place says the same, wherever the datagram lies. */
function checkInPlace(datagram: Uint8Array): void {
  if (datagram.length < 16) return;
  const whole = new Uint8Array(datagram.length + 12).fill(0xa5);
  whole.set(datagram, 7);
  const view = new DataView(whole.buffer);
  const action = readUdpAction(view, 7);
  const header = readUdpRequestHeader(datagram);
  assert.equal(action !== udpAction.connect || isUdpConnect(view, 7), header !== undefined);
  if (header !== undefined) assert.equal(action, header.action);
  if (action !== udpAction.announce || datagram.length < 98) return;
  const { request } = decodeUdpAnnounceRequest(datagram);
  const into = {} as UdpAnnounceFields;
  readUdpAnnounce(view, 7, into);
  const { downloaded: downloadedBytes, left, uploaded, event, key, numWant, port } = request;
  assert.deepEqual(into, { downloadedBytes, left, uploaded, event, namedIp: request.ip ?? '', key, numWant, port });
}

function readRequests(datagram: Uint8Array): string {
  const connect = attempt(() => `connect ${typeof decodeUdpConnectRequest(datagram)}`);
  const announce = attempt(() => {
    const decoded = decodeUdpAnnounceRequest(datagram);
    const again = decodeUdpAnnounceRequest(encodeUdpAnnounceRequest(decoded));
    assert.equal(toHex(again.request.infoHash), toHex(decoded.request.infoHash));
    assert.deepEqual(structuredClone({ ...again, urlData: '' }), structuredClone({ ...decoded, urlData: '' }));
    if (/^[\0-\x7f]*$/.test(decoded.urlData ?? '')) assert.equal(again.urlData, decoded.urlData);
    assert.equal(decodeUdpUrlData(datagram.subarray(98)), decoded.urlData);
    assert.ok((decoded.urlData?.length ?? 0) <= trackerWireLimits.urlDataBytesMax);
    return `announce ${decoded.request.event} ${magnitude(decoded.urlData?.length ?? 0)}`;
  });
  const scrape = attempt(() => {
    const decoded = decodeUdpScrapeRequest(datagram);
    assert.ok(decoded.infoHashes.length >= 1 && decoded.infoHashes.length <= trackerWireLimits.udpScrapeHashesMax);
    assert.deepEqual(
      structuredClone(decodeUdpScrapeRequest(encodeUdpScrapeRequest(decoded)).infoHashes),
      structuredClone(decoded.infoHashes),
    );
    return `scrape ${magnitude(decoded.infoHashes.length)}`;
  });
  return [connect, announce, scrape].join(' ');
}

function readResponse(datagram: Uint8Array, family: 4 | 6): string {
  return attempt(() => {
    const lent = datagram.slice();
    const response = decodeUdpResponse(lent, family);
    const before = structuredClone(response);
    lent.fill(0xee);
    assert.deepEqual(structuredClone(response), before, 'nothing of the datagram is kept');
    if (response.kind === 'announce') {
      const { intervalSec, peers } = response.response;
      assert.ok(intervalSec >= trackerWireLimits.intervalMinSec && intervalSec <= trackerWireLimits.intervalMaxSec);
      assert.ok(peers.length <= trackerWireLimits.peersMax && peers.every(isDialable));
      return `announce ${magnitude(peers.length)}`;
    }
    if (response.kind === 'error') assert.ok(!/[\0-\x1f\x7f-\x9f]/.test(response.reason));
    if (response.kind === 'scrape') assert.ok(response.rows.length <= trackerWireLimits.udpScrapeHashesMax);
    return response.kind;
  });
}

export const target: FuzzTarget = {
  about: 'UDP tracker packets, both ways: two readers of requests agree, answers within their bounds',
  form: 'bytes',
  files: ['wire/tracker/udp', 'wire/tracker/udp-in-place'],
  parsers: [
    'wire/tracker/udp decodeUdpConnectRequest',
    'wire/tracker/udp decodeUdpAnnounceRequest',
    'wire/tracker/udp decodeUdpUrlData',
    'wire/tracker/udp decodeUdpScrapeRequest',
    'wire/tracker/udp decodeUdpResponse',
  ],
  bytesMax: 1_600,
  tokens: [
    Uint8Array.of(0, 0, 4, 0x17, 0x27, 0x10, 0x19, 0x80),
    '\0\0\0\x01',
    '\0\0\0\x02',
    '\x02\x05/a?b=',
    '\x01\x01\x02',
    new Uint8Array(20).fill(7),
  ],
  make(rng) {
    const length = [16, 36, 98, 98, 98, 110, 400][rng.below(7)]! + rng.below(3);
    const out = rng.bytes(length);
    writeU32(out, 8, rng.below(5));
    if (rng.below(3) === 0) out.set([0, 0, 4, 0x17, 0x27, 0x10, 0x19, 0x80]);
    else writeU32(out, 0, rng.below(5));
    if (length >= 98) writeU32(out, 80, rng.below(5));
    if (length > 102) out.set([rng.below(3), rng.below(2) === 0 ? length - 100 : rng.below(256)], 98);
    return out;
  },
  run(input) {
    checkInPlace(input);
    return [readRequests(input), readResponse(input, 4), readResponse(input, 6)].join(' ');
  },
};

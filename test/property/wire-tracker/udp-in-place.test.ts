import assert from 'node:assert/strict';
import { test } from 'node:test';
import fc from 'fast-check';
import { readU32, toHex } from '#base';
import {
  decodeUdpAnnounceRequest,
  decodeUdpResponse,
  encodeUdpAnnounceResponse,
  encodeUdpErrorResponse,
  encodeUdpScrapeResponse,
  isUdpConnect,
  readUdpAction,
  readUdpAnnounce,
  readUdpRequestHeader,
  type UdpAnnounceFields,
  udpAction,
  udpBytes,
  writeUdpAnnounceCounts,
  writeUdpErrorText,
  writeUdpHead,
  writeUdpScrapeRows,
} from '#wire';

const u32 = fc.nat(0xffff_ffff);
const text = fc.string({ unit: 'grapheme', maxLength: 60 });
const row = fc.record({ complete: u32, incomplete: u32, downloaded: u32 }, { noNullPrototype: true });
/** Where requests and answers lie in larger buffers. */
const place = fc.nat(40);

function viewOf(bytes: Uint8Array): DataView {
  return new DataView(bytes.buffer, bytes.byteOffset, bytes.byteLength);
}

/** `bytes` somewhere in a larger buffer that is no multiple of anything. */
function placed(bytes: Uint8Array, at: number): Uint8Array {
  const whole = new Uint8Array(at + bytes.length + 7).fill(0xa5).subarray(0, at + bytes.length + 5);
  whole.set(bytes, at);
  return whole;
}

test('announces read in place are what the allocating decoder reads', () => {
  const words = fc.array(fc.oneof(u32, fc.constantFrom(0, 1, 2, 3, 0xffff_ffff, 0x1f_ffff, 0x20_0000)), {
    minLength: 25,
    maxLength: 25,
  });
  fc.assert(
    fc.property(words, place, (values, at) => {
      const datagram = new Uint8Array(98);
      const view = viewOf(datagram);
      values.slice(0, 24).forEach((value, i) => {
        view.setUint32(i * 4, value);
      });
      view.setUint16(96, (values[24] as number) & 0xffff);
      view.setUint32(8, udpAction.announce);
      const { request } = decodeUdpAnnounceRequest(datagram);
      const into = {} as UdpAnnounceFields;
      const input = viewOf(placed(datagram, at));
      readUdpAnnounce(input, at, into);
      const { downloaded: downloadedBytes, left, uploaded, event, key, numWant, port } = request;
      const namedIp = request.ip ?? '';
      assert.deepEqual(into, { downloadedBytes, left, uploaded, event, namedIp, key, numWant, port });
    }),
  );
});

test('heads: the same datagrams are requests, and connects', () => {
  const head = fc.tuple(fc.constantFrom(0x417, 0), fc.constantFrom(0x2710_1980, 1), fc.nat(4), u32);
  fc.assert(
    fc.property(head, place, (values, at) => {
      const datagram = new Uint8Array(16);
      values.forEach((value, i) => {
        viewOf(datagram).setUint32(i * 4, value);
      });
      const input = viewOf(placed(datagram, at));
      const header = readUdpRequestHeader(datagram);
      const action = readUdpAction(input, at);
      const isGood = action !== udpAction.connect || isUdpConnect(input, at);
      assert.equal(isGood, header !== undefined);
      if (header !== undefined) assert.equal(action, header.action);
    }),
  );
});

test('answers written in place are what the allocating encoders write', () => {
  fc.assert(
    fc.property(u32, place, place, row, fc.uint8Array({ maxLength: 90 }), (transactionId, at, outAt, counts, list) => {
      const request = new Uint8Array(16);
      viewOf(request).setUint32(12, transactionId);
      const input = viewOf(placed(request, at));
      const out = new Uint8Array(outAt + 1_500);
      const peers = list.subarray(0, list.length - (list.length % 6));
      const intervalSec = counts.downloaded;
      writeUdpHead(viewOf(out), outAt, udpAction.announce, input, at);
      writeUdpAnnounceCounts(viewOf(out), outAt, { intervalSec, ...counts });
      out.set(peers, outAt + udpBytes.announceResponse);
      const expected = encodeUdpAnnounceResponse({ transactionId, intervalSec, ...counts, peers });
      assert.equal(toHex(out.subarray(outAt, outAt + expected.length)), toHex(expected));
      assert(out.subarray(outAt + expected.length).every((x) => x === 0));
    }),
  );
  fc.assert(
    fc.property(u32, place, fc.array(row, { maxLength: 74 }), (transactionId, outAt, rows) => {
      const request = new Uint8Array(16);
      viewOf(request).setUint32(12, transactionId);
      const out = new Uint8Array(outAt + 1_500);
      const numbers = Uint32Array.from(rows.flatMap((r) => [r.complete, r.downloaded, r.incomplete]));
      writeUdpHead(viewOf(out), outAt, udpAction.scrape, viewOf(request), 0);
      const length = writeUdpScrapeRows(viewOf(out), outAt, numbers, rows.length);
      const expected = encodeUdpScrapeResponse({ transactionId, rows });
      assert.equal(toHex(out.subarray(outAt, outAt + length)), toHex(expected));
    }),
  );
  fc.assert(
    fc.property(u32, text, fc.integer({ min: 8, max: 100 }), (transactionId, reason, bytesMax) => {
      const request = new Uint8Array(16);
      viewOf(request).setUint32(12, transactionId);
      const out = new Uint8Array(200);
      writeUdpHead(viewOf(out), 0, udpAction.error, viewOf(request), 0);
      const length = writeUdpErrorText(out, 0, new TextEncoder().encode(reason), bytesMax);
      const expected = encodeUdpErrorResponse({ transactionId, reason, bytesMax });
      assert.equal(toHex(out.subarray(0, length)), toHex(expected));
      assert.equal(decodeUdpResponse(out.subarray(0, length), 4).kind, 'error');
      assert.equal(readU32(out, 4), transactionId);
    }),
  );
});

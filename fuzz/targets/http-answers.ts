import assert from 'node:assert/strict';
import { isDialable, type Rng } from '#base';
import { type BInput, encode } from '#bencode';
import {
  decodeHttpAnnounceResponse,
  decodeHttpScrapeResponse,
  encodeHttpAnnounceResponse,
  encodeHttpRefusal,
  encodeHttpScrapeResponse,
  trackerWireLimits,
} from '#wire';
import { type FuzzTarget, magnitude, refusal } from '../support/target.ts';

const codes = ['wire/invalid', 'bencode/syntax', 'bencode/limit'] as const;

function isShown(text: string): boolean {
  return text.length <= trackerWireLimits.textCharsMax && !/[\0-\x1f\x7f-\x9f]/.test(text);
}

function readAnnounce(body: Uint8Array): string {
  const lent = body.slice();
  const reply = decodeHttpAnnounceResponse(lent);
  const before = structuredClone(reply);
  lent.fill(0xee);
  assert.deepEqual(structuredClone(reply), before, 'nothing of the body is kept');
  if (!reply.ok) {
    const { reason, retryInSec = 1 } = reply.refusal;
    assert.ok(isShown(reason) && retryInSec > 0);
    const again = decodeHttpAnnounceResponse(encodeHttpRefusal(reply.refusal));
    assert.ok(!again.ok && again.refusal.retryInSec === reply.refusal.retryInSec);
    return `refusal ${retryInSec}`;
  }
  const { response } = reply;
  const { intervalSec, minIntervalSec = 0, complete = 0, incomplete = 0, downloaded = 0, peers } = response;
  assert.ok(intervalSec >= trackerWireLimits.intervalMinSec && intervalSec <= trackerWireLimits.intervalMaxSec);
  assert.ok(minIntervalSec >= 0 && minIntervalSec <= trackerWireLimits.intervalMaxSec);
  for (const n of [complete, incomplete, downloaded]) assert.ok(Number.isInteger(n) && n >= 0 && n <= 0xffff_ffff);
  assert.ok(peers.length <= trackerWireLimits.peersMax && peers.every(isDialable));
  assert.ok(isShown(response.warning ?? '') && (response.trackerId?.length ?? 0) <= trackerWireLimits.textCharsMax);
  return `${magnitude(peers.length)} ${Object.keys(response).length} ${response.externalIp?.includes(':')}`;
}

function readScrape(body: Uint8Array): string {
  const reply = decodeHttpScrapeResponse(body);
  if (!reply.ok) return 'refusal';
  assert.ok(reply.rows.size <= trackerWireLimits.scrapeRowsMax);
  const hashes = [...reply.rows.keys()].map((hex) => new Uint8Array(Buffer.from(hex, 'hex')));
  const again = decodeHttpScrapeResponse(encodeHttpScrapeResponse(hashes, [...reply.rows.values()]));
  assert.deepEqual(again, reply);
  return `${magnitude(reply.rows.size)} rows`;
}

function make(rng: Rng): Uint8Array {
  const peer = (): BInput => ({
    ip: ['1.2.3.4', '::1', 'name', '0.0.0.0'][rng.below(4)]!,
    port: rng.below(70_000),
    'peer id': rng.bytes(20),
  });
  const members: [string, BInput][] = [
    ['interval', [1_800, 0, -5, '60', 10 ** 9][rng.below(5)]!],
    ['min interval', [60, -1, '5'][rng.below(3)]!],
    ['complete', rng.u32()],
    ['incomplete', -1],
    ['downloaded', '12'],
    ['peers', rng.below(2) === 0 ? rng.bytes(6 * rng.below(5)) : [peer(), peer()]],
    ['peers6', rng.below(4) === 0 ? [peer()] : rng.bytes(18 * rng.below(3))],
    ['warning message', 'w\n\u202e'],
    ['tracker id', rng.bytes(rng.below(9))],
    ['external ip', rng.below(2) === 0 ? rng.bytes([4, 16, 3][rng.below(3)]!) : '1.2.3.4'],
    ['files', new Map([[rng.bytes(20), { complete: 1, downloaded: '2', incomplete: 3 }]])],
    ['failure reason', 'no'],
    ['retry in', ['never', 5, '7', 0][rng.below(4)]!],
  ];
  return encode(
    Object.fromEntries(members.filter(([name]) => (name === 'failure reason' ? rng.below(8) === 0 : rng.below(2) > 0))),
  );
}

export const target: FuzzTarget = {
  about: 'what trackers answer by HTTP: every number and text within its bounds, peers that can be dialled',
  form: 'bytes',
  files: ['wire/tracker/http-response', 'wire/tracker/http-answer', 'wire/tracker/limits', 'wire/tracker/text'],
  parsers: [
    'wire/tracker/http-response decodeHttpAnnounceResponse',
    'wire/tracker/http-response decodeHttpScrapeResponse',
  ],
  tokens: [
    '8:intervali60e',
    '5:peers',
    '6:peers6',
    '14:failure reason1:x',
    '8:retry in5:never',
    '5:filesd20:',
    'd2:ip',
    '4:porti80e',
    'i-1e',
    '5:12345',
    '11:external ip4:',
  ],
  make,
  seeds: () => {
    const counts = { intervalSec: 60, minIntervalSec: 30, complete: 1, incomplete: 2, downloaded: 3 };
    const peers = { peers4: Uint8Array.of(1, 2, 3, 4, 0, 80), peers6: new Uint8Array(18).fill(0x20) };
    return [true, false].map((compact) =>
      encodeHttpAnnounceResponse(
        { ...counts, ...peers, trackerId: 'x', warning: 'w' },
        { compact, externalIp: new Uint8Array(4) },
      ),
    );
  },
  run(input) {
    return [readAnnounce, readScrape]
      .map((read) => {
        try {
          return read(input);
        } catch (error) {
          return refusal(error, ...codes).split(' ')[0];
        }
      })
      .join(' ');
  },
};

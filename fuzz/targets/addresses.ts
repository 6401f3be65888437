import assert from 'node:assert/strict';
import {
  canonicalHost,
  formatAddress,
  formatHostPort,
  formatIp,
  isDialable,
  parseAddress,
  parseHostPort,
  parseIp,
} from '#base';
import { parseHostPort as parseNamedPlace } from '#node';
import { decodeCompactPeer, decodeCompactPeers, encodeCompactPeers } from '#wire';
import { type FuzzTarget, magnitude, textOf } from '../support/target.ts';

function readText(text: string): string {
  const ip = parseIp(text);
  if (ip !== undefined) {
    assert.ok(ip.length === 4 || ip.length === 16);
    assert.deepEqual(parseIp(formatIp(ip)), ip);
    assert.equal(canonicalHost(text), formatIp(ip));
  } else assert.equal(canonicalHost(text), undefined);
  const address = parseAddress(text);
  if (address !== undefined) {
    assert.deepEqual(parseAddress(formatAddress(address)), address);
    assert.equal(canonicalHost(address.host), address.host);
  }
  const place = parseHostPort(text);
  if (place !== undefined) {
    assert.ok(Number.isInteger(place.port) && place.port >= 0 && place.port <= 65_535);
    assert.deepEqual(parseHostPort(formatHostPort(place)), place);
  }
  const named = parseNamedPlace(text);
  if (named !== undefined) {
    assert.ok(Number.isInteger(named.port) && named.port >= 0 && named.port <= 65_535);
    // What names a place to go to is also one to listen at.
    assert.deepEqual(parseHostPort(text), named);
  }
  return [
    ip?.length,
    address !== undefined,
    place !== undefined,
    place?.host !== undefined,
    named !== undefined,
  ].join();
}

function readList(bytes: Uint8Array, family: 4 | 6): number {
  const { peers, places, droppedCount, trailingBytes } = decodeCompactPeers(bytes, { family, countMax: 50 });
  const entryBytes = family === 4 ? 6 : 18;
  assert.equal(peers.length + droppedCount, Math.min(50, Math.floor(bytes.length / entryBytes)));
  assert.equal(trailingBytes, bytes.length % entryBytes);
  assert.equal(places.length, peers.length);
  for (const [i, peer] of peers.entries()) {
    assert.ok(isDialable(peer));
    const at = places[i]! * entryBytes;
    assert.deepEqual(decodeCompactPeer(bytes.subarray(at, at + entryBytes)), peer);
  }
  const { v4, v6 } = encodeCompactPeers(peers);
  const again = [
    ...decodeCompactPeers(v4, { family: 4, countMax: 50 }).peers,
    ...decodeCompactPeers(v6, { family: 6, countMax: 50 }).peers,
  ];
  assert.deepEqual(again.map(formatAddress).sort(), peers.map(formatAddress).sort());
  return peers.length;
}

export const target: FuzzTarget = {
  about: 'addresses as text and in compact lists: what is read is canonical and can be written again',
  form: 'text',
  files: ['base/address', 'base/host-port', 'wire/compact', 'node/dns'],
  parsers: [
    'base/address parseAddress',
    'base/address parseIp',
    'base/host-port parseHostPort',
    'node/dns parseHostPort',
    'wire/compact decodeCompactPeers',
    'wire/compact decodeCompactPeer',
  ],
  bytesMax: 400,
  tokens: [
    '::',
    ':',
    '.',
    '255',
    '256',
    '[',
    ']',
    ']:',
    '%eth0',
    '::ffff:1.2.3.4',
    '0000',
    '65535',
    '2001:db8::',
    '\0\0\0\0',
    '\xff',
  ],
  seeds: () =>
    [
      '1.2.3.4',
      '1.2.3.4:80',
      '[2001:db8::1]:6881',
      '[::]:0',
      'host.example:6881',
      ':6881',
      '[fe80::1%eth0]:5',
      '[::1]',
    ].map((text) => new TextEncoder().encode(text)),
  run(input) {
    const text = readText(textOf(input));
    return `${text} ${magnitude(readList(input, 4))} ${magnitude(readList(input, 6))}`;
  },
};

import assert from 'node:assert/strict';
import { test } from 'node:test';
import { decodeCompactPeers, encodeCompactPeers } from '#wire';

test('compact lists of both families', () => {
  const peers = [
    { host: '1.2.3.4', port: 80 },
    { host: '2001:db8::1', port: 6881 },
    { host: 'example.org', port: 80 },
    { host: '5.6.7.8', port: 65535 },
  ];
  const { v4, v6 } = encodeCompactPeers(peers);
  assert.deepEqual(decodeCompactPeers(v4, { family: 4, countMax: 10 }).peers, [peers[0], peers[3]]);
  assert.deepEqual(decodeCompactPeers(v6, { family: 6, countMax: 10 }).peers, [peers[1]]);
});

test('undialable entries are dropped and the places of the others kept', () => {
  const { v4 } = encodeCompactPeers([
    { host: '0.0.0.0', port: 80 },
    { host: '1.2.3.4', port: 0 },
    { host: '1.2.3.4', port: 80 },
    { host: '239.0.0.1', port: 80 },
    { host: '1.2.3.5', port: 80 },
  ]);
  const list = decodeCompactPeers(v4, { family: 4, countMax: 100 });
  assert.deepEqual(list.places, [2, 4]);
  assert.equal(list.droppedCount, 3);
});

test('a cut list gives its whole entries, a long one no more than asked for', () => {
  const bytes = Uint8Array.of(1, 2, 3, 4, 0, 80, 1, 2, 3, 5, 0, 80, 9, 9);
  const whole = decodeCompactPeers(bytes, { family: 4, countMax: 100 });
  assert.equal(whole.peers.length, 2);
  assert.equal(whole.trailingBytes, 2);
  assert.equal(decodeCompactPeers(bytes, { family: 4, countMax: 1 }).peers.length, 1);
  assert.deepEqual(decodeCompactPeers(new Uint8Array(), { family: 6, countMax: 1 }).peers, []);
});

test('IPv4-mapped IPv6 becomes IPv4', () => {
  const mapped = new Uint8Array([0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 255, 255, 1, 2, 3, 4, 0, 80]);
  assert.deepEqual(decodeCompactPeers(mapped, { family: 6, countMax: 1 }).peers, [{ host: '1.2.3.4', port: 80 }]);
});

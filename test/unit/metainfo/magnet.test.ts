import assert from 'node:assert/strict';
import { test } from 'node:test';
import { BtError, type InfoHash } from '#base';
import { formatMagnet, metainfoLimits, parseMagnet, parseTorrentFile, toMagnet } from '#metainfo';
import { nodeCrypto } from '../../support/node-crypto.ts';
import { makeTorrent } from '../../support/torrents.ts';

const v1 = 'aad050ee1bb22e196939547b134535824dabf0ce' as InfoHash;
const v2 = 'caf1e1c30e81cb361b9ee167c4aa64228a7fa4fa9f6105232b28ad099f3a302e' as InfoHash;
const link = (rest: string) => parseMagnet(`magnet:?xt=urn:btih:${v1}${rest}`);

test('bare hashes in all their forms', () => {
  for (const text of [
    v1,
    v1.toUpperCase(),
    ` ${v1}\n`,
    `urn:btih:${v1}`,
    'VLIFB3Q3WIXBS2JZKR5RGRJVQJG2X4GO',
    'vlifb3q3wixbs2jzkr5rgrjvqjg2x4go',
  ]) {
    assert.equal(parseMagnet(text).hashV1, v1, text);
  }
  for (const text of [v2, `1220${v2}`, `urn:btmh:1220${v2}`]) assert.equal(parseMagnet(text).hashV2, v2, text);
});

test('what is no magnet link', () => {
  for (const text of [
    '',
    'magnet:',
    'magnet:?',
    'http://x',
    v1.slice(1),
    `1114${v1}`,
    'urn:sha1:x',
    `magnet:?xt=urn:sha1:${v1}`,
    `magnet:?xt=urn:btih:${v1}0`,
  ]) {
    assert.throws(
      () => parseMagnet(text),
      (e) => BtError.is(e, 'magnet/invalid'),
      text,
    );
  }
  assert.throws(
    () => parseMagnet(`magnet:?xt=urn:btih:${v1}&xt=urn:btmh:1220ab`),
    (e) => BtError.is(e, 'magnet/invalid'),
  );
  assert.throws(
    () => link(`&dn=${'x'.repeat(metainfoLimits.magnetCharsMax)}`),
    (e) => BtError.is(e, 'magnet/invalid'),
  );
});

test('the name is text for people and safe as a path part', () => {
  assert.equal(link('&dn=a+b%20c').name, 'a b c');
  assert.equal(link('&dn=%C3%A9%zz%').name, 'é%zz%');
  assert.equal(link('&dn=..%2F..%2Fevil').name, '.._.._evil');
  assert.equal(link('&dn=%0A%1B[31m').name, '_[31m');
  assert.equal(link('&dn=').name, undefined);
});

test('trackers and web seeds: order kept, repeats and empties dropped', () => {
  const m = link(
    '&tr=http%3A%2F%2Fa%2Fx%3Fy%3D1+2&tr.1=udp://b&tr=&tr=udp://b&amp;tr=udp://c&ws=http://a/b%20c&ws=http://a/b c',
  );
  assert.deepEqual(m.trackers, ['http://a/x?y=1+2', 'udp://b', 'udp://c']);
  assert.deepEqual(m.webSeeds, ['http://a/b%20c']);
});

test('peers: numeric, bracketed, by name', () => {
  const m = link('&x.pe=1.2.3.4:5&x.pe=[2001:DB8::1]:6&x.pe=Example.ORG:7&x.pe=[::ffff:1.2.3.4]:5&x.pe=1.2.3.4%3A5');
  assert.deepEqual(m.peers, [
    { host: '1.2.3.4', port: 5 },
    { host: '2001:db8::1', port: 6 },
    { host: 'example.org', port: 7 },
  ]);
  for (const bad of [
    '1.2.3.4',
    '1.2.3.4:0',
    '1.2.3.4:70000',
    '::1:5',
    '[1.2.3.4]:5',
    '1.2.3:4',
    'a b:5',
    '-x:5',
    ':5',
    'x:5x',
  ]) {
    assert.deepEqual(link(`&x.pe=${encodeURIComponent(bad)}`).peers, [], bad);
  }
});

test('selection', () => {
  assert.deepEqual(link('&so=4-6,0,5').selectOnly, [0, 4, 5, 6]);
  for (const bad of ['', '-', '-1', '3-', '5-3', 'x', '1.5', '999999999', '0-999999999']) {
    assert.equal(link(`&so=${bad}`).selectOnly, undefined, bad);
  }
  const wide = link(`&so=${'0-200000,'.repeat(10_000)}`).selectOnly;
  assert.equal(wide!.length, 200_001);
});

test('written links read back as they were', () => {
  const magnet = {
    hashV1: v1,
    hashV2: v2,
    name: 'a & b = 100% é',
    trackers: ['http://t/announce?x=1&y=2', 'udp://u:80'],
    webSeeds: ['http://w/%20x'],
    peers: [
      { host: '::1', port: 5 },
      { host: 'h.example', port: 6 },
    ],
    selectOnly: [0, 2, 3, 4, 9],
    keywords: ['k1', 'k 2'.replace(' ', '_')],
  };
  const text = formatMagnet(magnet);
  assert.match(text, /&so=0,2-4,9&/);
  assert.deepEqual(parseMagnet(text), magnet);
  assert.throws(
    () => formatMagnet({ name: 'x' }),
    (e) => BtError.is(e, 'magnet/invalid'),
  );
});

test('a torrent as a link', () => {
  const { torrent } = makeTorrent({ files: { a: 5 }, format: 'hybrid', name: 'n' });
  assert.deepEqual(parseMagnet(formatMagnet(toMagnet(torrent))), toMagnet(torrent));
  assert.equal(
    toMagnet(parseTorrentFile(makeTorrent({ files: { a: 5 }, format: 'v2' }).bytes, nodeCrypto)).hashV1,
    undefined,
  );
});

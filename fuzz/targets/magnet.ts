import assert from 'node:assert/strict';
import { formatMagnet, parseMagnet } from '#metainfo';
import { type FuzzTarget, magnitude, refusal, textOf, utf8 } from '../support/target.ts';

export const target: FuzzTarget = {
  about: 'magnet links and bare hashes: read or refused, written again and read as the same',
  form: 'text',
  files: ['metainfo/magnet', 'metainfo/urls'],
  parsers: ['metainfo/magnet parseMagnet'],
  tokens: [
    'magnet:?',
    'xt=urn:btih:',
    'xt=urn:btmh:1220',
    '&',
    '&amp;',
    '=',
    '%',
    '%20',
    '%ff',
    '+',
    'tr=',
    'tr.1=',
    'dn=',
    'x.pe=',
    'ws=',
    'so=',
    'kt=',
    '0-5',
    '3-',
    'ab'.repeat(20),
    'cd'.repeat(32),
    'A7'.repeat(16),
    '[::1]:5',
    '1.2.3.4:80',
    'http://t/a',
    'udp://t:1',
    '\u202e',
    '%00',
  ],
  seeds: () =>
    [
      `magnet:?xt=urn:btih:${'ab'.repeat(20)}&xt=urn:btmh:1220${'cd'.repeat(32)}&dn=a%20b&tr=http%3A%2F%2Ft&x.pe=[::1]:5&so=1-3,7&kt=a+b`,
      `magnet:?xt=urn:btih:${'A7'.repeat(16)}&tr.1=udp://t:1&ws=http://w/&x.pe=h.example:80`,
      'cd'.repeat(32),
      `urn:btih:${'ab'.repeat(20)}`,
    ].map(utf8),
  run(input) {
    let magnet: ReturnType<typeof parseMagnet>;
    try {
      magnet = parseMagnet(textOf(input));
    } catch (error) {
      return refusal(error, 'magnet/invalid');
    }
    const { hashV1, hashV2, name, trackers, webSeeds, peers, selectOnly = [], keywords } = magnet;
    assert.match(hashV1 ?? 'a'.repeat(40), /^[0-9a-f]{40}$/);
    assert.match(hashV2 ?? 'a'.repeat(64), /^[0-9a-f]{64}$/);
    if (name !== undefined) assert.ok(name !== '' && !/[/\\\0-\x1f]|^\.\.?$/.test(name), name);
    for (const [i, index] of selectOnly.entries()) assert.ok(index >= 0 && (i === 0 || index > selectOnly[i - 1]!));
    assert.deepEqual(parseMagnet(formatMagnet(magnet)), magnet);
    return [hashV1?.length, hashV2?.length, name !== undefined, trackers.length, webSeeds.length, peers.length]
      .concat([magnitude(selectOnly.length), magnitude(keywords.length)] as never[])
      .join();
  },
};

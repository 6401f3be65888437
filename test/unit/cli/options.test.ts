import assert from 'node:assert/strict';
import { test } from 'node:test';
import {
  parseFileList,
  parseListen,
  parsePeer,
  parseRate,
  parseSeconds,
  parseSize,
  parseUrl,
  toFileIndexes,
} from '#room/cli/options';

/** Each case: text, and the value it means, or undefined where it has to be refused. */
function table<T>(
  name: string,
  parse: (text: string) => T,
  cases: readonly (readonly [string, T | undefined])[],
): void {
  test(name, () => {
    for (const [text, expected] of cases) {
      if (expected === undefined)
        assert.throws(() => parse(text), { code: 'commander.invalidArgument' }, JSON.stringify(text));
      else assert.deepEqual(parse(text), expected, JSON.stringify(text));
    }
  });
}

table('sizes', parseSize, [
  ['16384', 16384],
  ['500K', 512_000],
  ['500k', 512_000],
  ['2MiB', 2 << 20],
  ['1.5G', 1.5 * 2 ** 30],
  ['2MB', 2_000_000],
  ['7kB', 7000],
  ['1 T', 2 ** 40],
  ['0', 0],
  ['12B', 12],
  ['', undefined],
  ['K', undefined],
  ['-1', undefined],
  ['1e6', undefined],
  ['5X', undefined],
  ['99999999T', undefined],
]);

table<number | 'none'>('rates', (text) => parseRate(text) ?? 'none', [
  ['500K', 512_000],
  ['2MiB', 2 << 20],
  ['2MiB/s', 2 << 20],
  ['0', 'none'],
  ['none', 'none'],
  ['Unlimited', 'none'],
  ['fast', undefined],
  ['', undefined],
]);

table('places to listen', parseListen, [
  ['127.0.0.1:6881', { host: '127.0.0.1', port: 6881 }],
  ['[::1]:0', { host: '::1', port: 0 }],
  ['[fe80::1%eth0]:80', { host: 'fe80::1%eth0', port: 80 }],
  [':6881', { host: undefined, port: 6881 }],
  ['6881', { host: undefined, port: 6881 }],
  ['localhost:80', { host: 'localhost', port: 80 }],
  ['0.0.0.0:65535', { host: '0.0.0.0', port: 65535 }],
  ['::1:80', undefined],
  ['localhost', undefined],
  ['localhost:65536', undefined],
  ['localhost:x', undefined],
  ['http://a:1', undefined],
  ['', undefined],
]);

table('peers', parsePeer, [
  ['10.0.0.1:6881', { host: '10.0.0.1', port: 6881 }],
  ['[2001:db8::1]:6881', { host: '2001:db8::1', port: 6881 }],
  ['peer.example:1', { host: 'peer.example', port: 1 }],
  [':6881', undefined],
  ['6881', undefined],
  ['10.0.0.1:0', undefined],
  ['[::1]', undefined],
]);

table('lists of files', parseFileList, [
  ['1', [{ first: 1, last: 1 }]],
  [
    '1,3-5',
    [
      { first: 1, last: 1 },
      { first: 3, last: 5 },
    ],
  ],
  ['7-', [{ first: 7, last: Number.POSITIVE_INFINITY }]],
  ['0', undefined],
  ['5-3', undefined],
  ['', undefined],
  ['1,,2', undefined],
  ['a', undefined],
]);

test('files are counted from 1 outside and from 0 inside, each once and in order', () => {
  assert.deepEqual(toFileIndexes(parseFileList('4-,1,3-5'), 6), [0, 2, 3, 4, 5]);
  assert.throws(() => toFileIndexes(parseFileList('7'), 6), /there is no file 7: the torrent has 6/);
  assert.throws(() => toFileIndexes(parseFileList('2-9'), 6), /there is no file 9/);
  assert.throws(() => toFileIndexes(parseFileList('9-'), 6), /there is no file 9/);
});

table('durations', parseSeconds, [
  ['90', 90_000],
  ['1.5s', 1500],
  ['5m', 300_000],
  ['2h', 7_200_000],
  ['', undefined],
  ['5d', undefined],
]);

table('URLs', parseUrl(['http', 'https', 'udp']), [
  ['http://a.example/announce', 'http://a.example/announce'],
  [' udp://a.example:80 ', 'udp://a.example:80'],
  ['wss://a.example', undefined],
  ['a.example/announce', undefined],
]);

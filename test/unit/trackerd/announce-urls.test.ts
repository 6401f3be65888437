import assert from 'node:assert/strict';
import { test } from 'node:test';
import { announceUrls } from '#room/trackerd/face';
import type { TrackerAddress } from '#trackerd';

const at = (protocol: TrackerAddress['protocol'], port: number, host = '::'): TrackerAddress => ({
  protocol,
  host,
  port,
});
const [http, https, udp, web] = [at('http', 80), at('https', 8443), at('udp', 6969), at('web', 9000, '192.0.2.7')];

type Given = Omit<Parameters<typeof announceUrls>[0], 'hasWebSocket'> & { hasWebSocket?: boolean };

const cases: readonly (readonly [what: string, given: Given, urls: readonly string[]])[] = [
  [
    'without a base: every place, all addresses as what the visitor used',
    { addresses: [http, at('https', 8443, '2001:db8::1'), udp], base: undefined },
    [
      'http://visited.invalid:80/announce',
      'https://[2001:db8::1]:8443/announce',
      'udp://visited.invalid:6969/announce',
    ],
  ],
  [
    'where the pages were asked for, announces are answered too',
    { addresses: [http, https, udp], base: 'https://t.example', isVisited: true, passkey: 'key' },
    ['https://t.example/key/announce', 'udp://t.example:6969/key/announce', 'wss://t.example/key/announce'],
  ],
  [
    'pages on a place of their own: announces are answered on the others',
    { addresses: [http, https, udp, web], base: 'http://t.example:9000', isVisited: true },
    [
      'http://t.example/announce',
      'https://t.example:8443/announce',
      'udp://t.example:6969/announce',
      'ws://t.example/announce',
    ],
  ],
  [
    'what the operator says holds, whatever the places are',
    { addresses: [http, udp, web], base: 'https://t.example', hasWebSocket: false },
    ['https://t.example/announce', 'udp://t.example:6969/announce'],
  ],
  [
    'pages and a Unix socket: only the base can be right',
    { addresses: [at('unix', 0, '/run/x'), web], base: 'http://t.example', isVisited: true, hasWebSocket: false },
    ['http://t.example/announce'],
  ],
];

for (const [what, given, urls] of cases) {
  test(`announce URLs: ${what}`, () => assert.deepEqual(announceUrls({ hasWebSocket: true, ...given }), urls));
}

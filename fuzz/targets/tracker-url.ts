import assert from 'node:assert/strict';
import { formatTrackerUrl, normaliseTrackerUrl, parseTrackerUrl, toScrapeUrl, toTrackerTarget } from '#wire';
import { type FuzzTarget, textOf, utf8 } from '../support/target.ts';

export const target: FuzzTarget = {
  about: 'announce URLs: one text for equal trackers, nothing in it that could end a request line',
  form: 'text',
  files: ['wire/tracker/url'],
  parsers: ['wire/tracker/url parseTrackerUrl'],
  bytesMax: 500,
  tokens: [
    'http://',
    'https://',
    'udp://',
    'ws://',
    'wss://',
    '@',
    ':',
    '[::1]',
    '/announce',
    '?',
    '#',
    '%',
    ' ',
    '\t',
    '\n',
    'é',
    '0',
    '65536',
    '..',
    '/../',
    '[',
    ']',
    '\u2028',
  ],
  seeds: () =>
    [
      'http://t.example/announce?x=1#y',
      'udp://[2001:db8::1]:80',
      'HTTPS://u:p@T:443/a b/announce.php',
      'wss://t',
      'http://1.2.3.4:8080/scrape',
    ].map(utf8),
  run(input) {
    const text = textOf(input);
    const url = parseTrackerUrl(text);
    const once = normaliseTrackerUrl(text);
    assert.equal(once, url === undefined ? undefined : formatTrackerUrl(url));
    if (url === undefined || once === undefined) return 'refused';
    assert.deepEqual(parseTrackerUrl(once), url);
    assert.equal(normaliseTrackerUrl(once), once);
    assert.match(toTrackerTarget(url), /^[!-~]*$/);
    assert.ok(url.port >= 1 && url.port <= 65_535 && url.host !== '' && !/[\s/?#@]/.test(url.host));
    assert.ok(!/[\r\n\t]/.test(url.credentials ?? ''));
    const scrape = toScrapeUrl(url);
    if (scrape !== undefined) assert.deepEqual(parseTrackerUrl(formatTrackerUrl(scrape)), scrape);
    return [
      url.scheme,
      url.credentials !== undefined,
      url.query !== undefined,
      url.host.includes(':'),
      scrape !== undefined,
    ].join();
  },
};

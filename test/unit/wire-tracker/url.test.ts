import assert from 'node:assert/strict';
import { test } from 'node:test';
import { formatTrackerUrl, normaliseTrackerUrl, parseTrackerUrl, toScrapeUrl, toTrackerTarget } from '#wire';

const normalised: [text: string, expected: string | undefined][] = [
  ['http://Tracker.Example.com/announce', 'http://tracker.example.com/announce'],
  ['  http://a.example/announce \n', 'http://a.example/announce'],
  ['HTTP://a.example:80/announce', 'http://a.example/announce'],
  ['https://a.example:443', 'https://a.example/'],
  ['http://a.example:8080/x/announce?passkey=A%2fb&c=d#frag', 'http://a.example:8080/x/announce?passkey=A%2fb&c=d'],
  ['http://a.example/an nounce?k=\u00e9', 'http://a.example/an%20nounce?k=%C3%A9'],
  ['http://a.example?x=1', 'http://a.example/?x=1'],
  ['udp://a.example:6969', 'udp://a.example:6969'],
  ['udp://a.example', 'udp://a.example:80'],
  ['udp://a.example:6969/dir?a=b&c=d', 'udp://a.example:6969/dir?a=b&c=d'],
  ['udp://[2001:DB8:0:0::1]:6969/announce', 'udp://[2001:db8::1]:6969/announce'],
  ['http://[::1]:80/announce', 'http://[::1]/announce'],
  ['http://[::ffff:1.2.3.4]/announce', 'http://1.2.3.4/announce'],
  ['http://user:pa%20ss@a.example/announce', 'http://user:pa%20ss@a.example/announce'],
  ['wss://a.example/', 'wss://a.example/'],
  ['http://b\u00fccher.example/announce', 'http://b\u00fccher.example/announce'],
  ['', undefined],
  ['announce', undefined],
  ['http:///announce', undefined],
  ['ftp://a.example/announce', undefined],
  ['javascript://a.example/announce', undefined],
  ['http://a.example:0/announce', undefined],
  ['http://a.example:65536/announce', undefined],
  ['http://a.example:12x/announce', undefined],
  ['http://[::1/announce', undefined],
  ['http://[1.2.3.4]/announce', undefined],
  ['http://::1/announce', undefined],
  ['http://a b.example/announce', undefined],
  ['http://a.example/\r\nHost: evil', undefined],
  ['http://a.example/\u0000', undefined],
  [`http://a.example/${'x'.repeat(5000)}`, undefined],
];
for (const [text, expected] of normalised) {
  test(`${JSON.stringify(text.slice(0, 60))} is ${expected ?? 'refused'}`, () => {
    assert.equal(normaliseTrackerUrl(text), expected);
    if (expected !== undefined) assert.equal(normaliseTrackerUrl(expected), expected);
  });
}

const scrapes: [announce: string, scrape: string | undefined][] = [
  ['http://a.example/announce', 'http://a.example/scrape'],
  ['http://a.example/announce.php?x=/announce', 'http://a.example/scrape.php?x=/announce'],
  ['http://a.example/announce/x', undefined],
  ['http://a.example/a', undefined],
  ['http://a.example/reannounce', undefined],
  ['udp://a.example:1/x', 'udp://a.example:1/x'],
  ['ws://a.example/announce', undefined],
];
for (const [announce, scrape] of scrapes) {
  test(`${announce} is scraped at ${scrape ?? 'no place'}`, () => {
    const url = parseTrackerUrl(announce);
    assert(url !== undefined);
    const found = toScrapeUrl(url);
    assert.equal(found === undefined ? undefined : formatTrackerUrl(found), scrape);
  });
}

test('path and query go along together', () => {
  const target = (text: string): string =>
    toTrackerTarget(parseTrackerUrl(text) as NonNullable<ReturnType<typeof parseTrackerUrl>>);
  assert.equal(target('udp://a.example:80/dir?a=b'), '/dir?a=b');
  assert.equal(target('udp://a.example:80'), '');
  assert.equal(target('udp://a.example:80?a'), '?a');
});

import assert from 'node:assert/strict';
import { test } from 'node:test';
import {
  displayWidth,
  fitWidth,
  formatBytes,
  formatCount,
  formatDate,
  formatDuration,
  formatPercent,
  formatPlural,
  formatRoundBytes,
  padWidth,
  printable,
} from '#room/cli/format';

test('sizes have three or four digits and binary units', () => {
  const cases: [number, string][] = [
    [0, '0 B'],
    [1023, '1023 B'],
    [1024, '1.00 KiB'],
    [10_234, '9.99 KiB'],
    [10_239, '10.0 KiB'],
    [102_300, '99.9 KiB'],
    [102_399, '100 KiB'],
    [1023 * 1024, '1023 KiB'],
    [1024 * 1024 - 1, '1.00 MiB'],
    [4 * 2 ** 30, '4.00 GiB'],
    [2 ** 53, '8.00 PiB'],
  ];
  for (const [bytes, text] of cases) assert.equal(formatBytes(bytes), text);
  assert.equal(formatRoundBytes(16_384), '16 KiB');
  assert.equal(formatRoundBytes(1.5 * 2 ** 20), '1.50 MiB');
});

test('100 % is said of all and of nothing less', () => {
  assert.equal(formatPercent(999_999, 1_000_000), '99.9 %');
  assert.equal(formatPercent(1, 1), '100 %');
  assert.equal(formatPercent(0, 0), '100 %');
  assert.equal(formatPercent(1, 3), '33.3 %');
});

test('counts, dates and durations', () => {
  assert.equal(formatCount(1_234_567), '1,234,567');
  assert.equal(formatPlural(1, 'file'), '1 file');
  assert.equal(formatPlural(2000, 'entry', 'entries'), '2,000 entries');
  assert.equal(formatDate(1_714_564_800), '2024-05-01 12:00:00 UTC');
  assert.equal(formatDate(1e15), '1000000000000000');
  assert.deepEqual([0, 59.6, 3599, 3600, 90_000, Number.POSITIVE_INFINITY].map(formatDuration), [
    '0 s',
    '1 min 00 s',
    '59 min 59 s',
    '1 h 00 min',
    '1 d 01 h',
    '∞',
  ]);
});

test('text of strangers cannot drive the terminal', () => {
  assert.equal(printable('a\x1b[31mred\x1b]0;title\x07b'), 'aredb');
  assert.equal(printable('line\r\nbreak\x00\u202Egpj.exe'), 'line break\u{FFFD}\u{FFFD}gpj.exe');
  assert.equal(printable('naïve 日本 🦆'), 'naïve 日本 🦆');
});

test('widths: wide characters take two columns, marks and colours none', () => {
  assert.equal(displayWidth('abc'), 3);
  assert.equal(displayWidth('日本'), 4);
  assert.equal(displayWidth('e\u0301'), 1);
  assert.equal(displayWidth('\x1b[1mabc\x1b[0m'), 3);
  assert.equal(padWidth('日', 4), '日  ');
});

test('cutting to a width never exceeds it and closes colours', () => {
  assert.equal(fitWidth('abcdef', 6), 'abcdef');
  assert.equal(fitWidth('abcdef', 5), 'abcd…');
  assert.equal(fitWidth('日本語', 5), '日本…');
  assert.equal(fitWidth('\x1b[31mabcdef\x1b[39m', 3), '\x1b[31mab…\x1b[0m');
});

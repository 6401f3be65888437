import assert from 'node:assert/strict';
import {
  parseFileList,
  parseInteger,
  parseListen,
  parsePeer,
  parseRate,
  parseSeconds,
  parseSize,
  parseUrl,
  toFileIndexes,
} from '#room/cli/options';
import { parseExclude } from '#room/create/exclude';
import { formatMessage, parseMessage } from '#room/sim/peers/message-text';
import { encodeMessage } from '#wire';
import { type FuzzTarget, refusal, textOf, utf8 } from '../support/target.ts';

/** A refusal of the command line is commander's own error, with a sentence. */
function attempt<T>(read: () => T): T | 'refused' {
  try {
    return read();
  } catch (error) {
    assert.ok(error instanceof Error && error.constructor.name === 'InvalidArgumentError', String(error));
    assert.ok(error.message.length > 10);
    return 'refused';
  }
}

function isAmount(value: unknown): boolean {
  return value === 'refused' || value === undefined || (Number.isSafeInteger(value) && (value as number) >= 0);
}

function readFiles(text: string): string {
  const list = attempt(() => parseFileList(text));
  if (list === 'refused') return list;
  const indexes = attempt(() => toFileIndexes(list, 20));
  if (indexes === 'refused') return 'beyond';
  for (const [i, index] of indexes.entries())
    assert.ok(index >= 0 && index < 20 && (i === 0 || index > indexes[i - 1]!));
  return `files ${indexes.length}`;
}

function readPattern(text: string): string {
  try {
    const exclude = parseExclude([text]);
    for (const parts of [['a'], ['a', 'b.txt'], ['', '\u{1f600}']]) {
      assert.equal(typeof exclude({ parts, isFolder: true }), 'boolean');
      if (exclude({ parts, isFolder: false })) assert.ok(exclude({ parts, isFolder: true }));
    }
    return 'pattern';
  } catch (error) {
    return refusal(error, 'client/invalid').slice(-40);
  }
}

/** Scripts are our own: what is wrong with one is an assertion. */
function readMessage(text: string): string {
  let message: ReturnType<typeof parseMessage>;
  try {
    message = parseMessage(text);
  } catch (error) {
    assert.match((error as Error).message, /^broken invariant: (number|hex) |is no message that a script can send$/s);
    return 'no message';
  }
  assert.deepEqual(parseMessage(formatMessage(message)), message);
  assert.ok(encodeMessage(message).length >= 4);
  return message.kind;
}

export const target: FuzzTarget = {
  about:
    'values of the command line, exclude patterns, lines of scripts: numbers are finite, everything else is refused in words',
  form: 'text',
  files: ['cli/options', 'create/exclude', 'sim/peers/message-text'],
  parsers: [
    ...[
      'parseSize',
      'parseRate',
      'parseListen',
      'parsePeer',
      'parseFileList',
      'parseInteger',
      'parseSeconds',
      'parseUrl',
    ].map((name) => `cli/options ${name}`),
    'create/exclude parseExclude',
    'sim/peers/message-text parseMessage',
  ],
  bytesMax: 500,
  tokens: [
    '1',
    '0',
    '.5',
    'K',
    'MiB',
    'kB',
    '/s',
    'none',
    '-',
    ',',
    '1-',
    's',
    'm',
    'h',
    '[::1]',
    ':',
    '65536',
    'http://',
    '*',
    '**/',
    '{',
    '}',
    '[',
    '[!',
    ']',
    '\\',
    '?',
    'have ',
    'request ',
    'bitfield ',
    'extended ',
    'ff',
    '9'.repeat(30),
    '9'.repeat(310),
  ],
  seeds: () =>
    [
      '1.5G',
      '500K/s',
      'none',
      '127.0.0.1:80',
      '[::1]:6881',
      '1,3-5,8-',
      '90',
      '5m',
      'http://t/a',
      '**/*.{txt,md}',
      '[!a-z]?x/',
      'request 1 2 3',
      'extended 1 6465',
      'bitfield ff80',
    ].map(utf8),
  run(input) {
    const text = textOf(input);
    const size = attempt(() => parseSize(text));
    const rate = attempt(() => parseRate(text));
    const seconds = attempt(() => parseSeconds(text));
    const integer = attempt(() => parseInteger(3)(text));
    for (const amount of [size, rate, seconds, integer]) assert.ok(isAmount(amount), `${amount}`);
    if (integer !== 'refused') assert.ok(integer >= 3);
    const listen = attempt(() => parseListen(text));
    const peer = attempt(() => parsePeer(text));
    if (peer !== 'refused') assert.deepEqual(listen, peer, 'where one can connect one could listen');
    const url = attempt(() => parseUrl(['http', 'udp'])(text));
    if (url !== 'refused') assert.match(new URL(url).protocol, /^(http|udp):$/);
    const words = [size, rate, seconds, integer, listen, peer, url].map((value) => (value === 'refused' ? 0 : 1));
    return [words.join(''), readFiles(text), readPattern(text), readMessage(text)].join(' ');
  },
};

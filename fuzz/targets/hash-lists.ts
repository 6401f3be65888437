import assert from 'node:assert/strict';
import { toHex } from '#base';
import { ListParser } from '#tracker';
import { cutAt } from '../support/cuts.ts';
import { type FuzzTarget, magnitude, textOf, utf8 } from '../support/target.ts';

const hash = 'ab'.repeat(20);

function read(chunks: readonly Uint8Array[]) {
  const found: string[] = [];
  const parser = new ListParser((bytes, at) => found.push(toHex(bytes.subarray(at, at + 20))));
  for (const chunk of chunks) {
    const lent = chunk.slice();
    const problem = parser.push(lent);
    if (problem !== undefined) return { found, problem };
    lent.fill(0xee);
  }
  return { found, problem: parser.end() };
}

/** The same, said plainly: for text of short lines. */
function readPlainly(text: string) {
  const found: string[] = [];
  const lines = text.replace(/^\u{feff}/u, '').split('\n');
  for (const [i, line] of lines.entries()) {
    const word = line.replace(/^[ \t\r]+|[ \t\r]+$/g, '');
    if (word === '' || word.startsWith('#')) continue;
    const match = /^([0-9a-f]{64}|[0-9a-f]{40})(?:[ \t\r,#]|$)/i.exec(word);
    if (match === null) return { found, line: i + 1 };
    found.push(match[1]!.slice(0, 40).toLowerCase());
  }
  return { found, line: undefined };
}

export const target: FuzzTarget = {
  about: 'lists of info-hashes, cut anywhere: the parser and a plain reading of it agree',
  form: 'text',
  files: ['tracker/policy/list-parser'],
  parsers: ['tracker/policy/list-parser ListParser'],
  bytesMax: 2_000,
  tokens: [
    hash,
    hash.toUpperCase(),
    'cd'.repeat(32),
    '\n',
    '\r\n',
    '#',
    ',',
    ' name',
    '\t',
    '\xef\xbb\xbf',
    '\ufeff',
    'a'.repeat(39),
  ],
  seeds: () => [utf8(`\ufeff${hash}\n# x\r\n${'cd'.repeat(32)} name\r\n\n${hash},b\n  ${hash}#c`)],
  run(input) {
    const whole = read([input]);
    const places = [1, 3, 7].map((n) => n * (input[0] ?? 0));
    assert.deepEqual(read(cutAt(input, places)), whole, 'cut');
    const plain = readPlainly(textOf(input));
    assert.deepEqual({ found: whole.found, line: whole.problem?.line }, plain);
    if (whole.problem !== undefined) assert.match(whole.problem.what, /^[ -~]{1,120}$/);
    return `${magnitude(whole.found.length)} ${magnitude(whole.problem?.line ?? 0)}`;
  },
};

import assert from 'node:assert/strict';
import { ClientMatcher, parseClientRule, parsePeerId } from '#room/tracker/policy/client-rules';
import { describePeerId } from '#wire';
import { type FuzzTarget, textOf } from '../support/target.ts';

export const target: FuzzTarget = {
  about: 'peer ids and rules about clients: descriptions are short and print, a rule holds for its own prefix',
  form: 'text',
  files: ['wire/peer-id', 'tracker/policy/client-rules'],
  parsers: ['tracker/policy/client-rules parseClientRule', 'tracker/policy/client-rules parsePeerId'],
  bytesMax: 200,
  tokens: [
    '-qB',
    '-TR',
    '-UT',
    '>=',
    '<',
    '<=',
    '>',
    '4.5.0',
    '10.0',
    ' ',
    '-lt0D60-',
    'M4-3-6--',
    'exbc',
    'A2-1-36-0-',
    'S58B-----',
    'TIX0172',
    'XBT054',
    'LORD',
  ],
  seeds: () =>
    [
      '-qB4650-abcdefghijkl',
      '-qB >=4.5 <5',
      '-TR4060-xxxxxxxxxxxx',
      'M7-10-5--xxxxxxxxxxx',
      'aa'.repeat(20),
      '-UT355B-',
    ].map((text) => new TextEncoder().encode(text)),
  run(input) {
    const text = textOf(input);
    const description = describePeerId(input);
    // The longest name we know is shorter.
    assert.ok(description.length <= 60 && /^[ -~µ]*$/u.test(description), description);
    assert.equal(parsePeerId(text)?.length ?? 20, 20);
    const rule = parseClientRule(text);
    if (typeof rule === 'string') return /^"/.test(rule) ? rule.replace(/^".*" /s, '') : rule;
    const { prefix, from, below } = rule;
    assert.ok(prefix.length >= 1 && prefix.length <= 20);
    for (const version of [from, below]) assert.match(version ?? '0000', /^[0-9A-Za-z]{4}\0?$/);
    const id = new Uint8Array(32);
    id.set(prefix, 3);
    id.set(new TextEncoder().encode((from ?? '0000').slice(0, 4)), 3 + prefix.length);
    const isOpen = from === undefined || (from.length === 4 && (below === undefined || from < below));
    if (isOpen && below === undefined) assert.ok(new ClientMatcher([rule]).matches(id, 3), 'it holds for itself');
    id[3] = id[3]! ^ 1;
    assert.ok(!new ClientMatcher([rule]).matches(id, 3));
    return `rule ${from?.length} ${below?.length} ${description.split(' ').length}`;
  },
};

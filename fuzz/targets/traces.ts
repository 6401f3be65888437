import assert from 'node:assert/strict';
import { decodeTrace, encodeTrace, type TraceFile } from '#trace';
import { type FuzzTarget, magnitude, refusal, textOf, utf8 } from '../support/target.ts';

const events = [
  '{"at":1,"kind":"peer-open","conn":3}',
  '{"at":2,"kind":"piece","piece":5}',
  '{"kind":"x"}',
  '{"at":"1"}',
];

export const target: FuzzTarget = {
  about: 'trace files: lines that make no sense are counted and left out, the others can be written again',
  form: 'text',
  files: ['trace/jsonl', 'trace/event'],
  parsers: ['trace/jsonl decodeTrace'],
  tokens: ['{"trace":1}', '\n', '"at":', '"kind":', 'null', '[]', '"__proto__":1', '-0', '1e400', ...events],
  seeds: () => [utf8(`{"trace":1,"subject":"s","dropped":2}\n${events.join('\n')}\n`), utf8('{"trace":2}')],
  run(input) {
    const text = textOf(input);
    let file: TraceFile;
    try {
      file = decodeTrace(text);
    } catch (error) {
      return refusal(error, 'swarm/state-damaged', 'swarm/state-newer');
    }
    const lines = text
      .split('\n')
      .slice(1)
      .filter((line) => line !== '');
    assert.equal(file.events.length + file.skippedLines, lines.length);
    const { trace: _, ...header } = file.header;
    const again = decodeTrace([...encodeTrace(file.events, header)].join(''));
    assert.deepEqual(again.events, file.events);
    assert.equal(again.skippedLines, 0);
    return `${magnitude(file.events.length)} ${magnitude(file.skippedLines)} ${new Set(file.events.map((e) => (e as { kind?: string }).kind)).size}`;
  },
};

import assert from 'node:assert/strict';
import { readdirSync, readFileSync } from 'node:fs';
import { join, sep } from 'node:path';
import { after, test } from 'node:test';
import { corpusNames, readCorpus } from './support/corpus.ts';
import { Coverage } from './support/coverage.ts';
import { fuzz } from './support/engine.ts';
import { type FuzzTarget, testRunsOf } from './support/target.ts';
import { loadTarget, targetNames } from './support/targets.ts';

const src = join(import.meta.dirname, '../../src');
/** Inputs beside the corpus, the same in every run: new ones are the business of `npm run fuzz`. */
const SEED = 1;

// Before the targets are loaded, which load what they are about.
const coverage = new Coverage();
after(() => coverage.end());
const targets = new Map<string, FuzzTarget>();
for (const name of targetNames()) targets.set(name, await loadTarget(name));

for (const [name, target] of targets) {
  test(`${name}: the corpus, and inputs by a seed`, () => {
    for (const [shows, input] of readCorpus(name)) {
      try {
        target.run(input);
      } catch (cause) {
        throw new Error(`'${shows}' in fuzz/corpus/${name}.json`, { cause });
      }
    }
    const { failure } = fuzz(target, {
      seed: SEED,
      runsMax: testRunsOf(target),
      corpus: readCorpus(name).values(),
    });
    if (failure === undefined) return;
    const hex = Buffer.from(failure.input).toString('hex');
    throw new Error(`npm run fuzz -- ${name} --input '${hex}'`, { cause: failure.error });
  });

  test(`${name}: the parsers it names are run by it, and its sources are there`, () => {
    coverage.take();
    const files = readSources();
    for (const file of target.files) assert.ok(files.has(`${file}.ts`), `src/${file}.ts is not there`);
    for (const parser of target.parsers) {
      const [file = '', what = ''] = parser.split(' ');
      assert.ok(files.get(`${file}.ts`)?.includes(what), `${what} is not in src/${file}.ts`);
      assert.ok(coverage.hasRun(file, what), `${parser} is named, but no input reached it`);
    }
  });
}

test('every parser that a file exports is named by a target', () => {
  const named = new Set([...targets.values()].flatMap(({ parsers }) => parsers));
  const missing: string[] = [];
  for (const [path, text] of readSources()) {
    for (const what of findParsers(text)) {
      const parser = `${path.slice(0, -3)} ${what}`;
      if (!named.has(parser) && !Object.hasOwn(elsewhere, parser)) missing.push(parser);
    }
  }
  assert.deepEqual(
    missing,
    [],
    'name it in `parsers` of a target in fuzz/targets/, or say in `elsewhere` what tries it',
  );
  for (const parser of Object.keys(elsewhere)) assert.ok(!named.has(parser), `${parser} has a target now`);
});

test('the check sees exported parsers of every form', () => {
  const text = [
    'export function decodeOne(a: Uint8Array): void {}',
    'export async function parseTwo() {}',
    'export function* parseThree() {}',
    'export const decodeFour = (a: string) => a;',
    'export class FiveDecoder {',
    'export class SixParser implements X {',
    'export class SevenReader {',
    'function decodeNot() {}',
    'export function decoder() {}',
    'export type DecodeNot = 1;',
    'export class Decoders {',
  ].join('\n');
  const found = ['decodeOne', 'parseTwo', 'parseThree', 'decodeFour', 'FiveDecoder', 'SixParser', 'SevenReader'];
  assert.deepEqual(findParsers(text), found);
});

test('every file of the corpus belongs to a target, and the corpus is small', () => {
  for (const name of corpusNames()) assert.ok(targets.has(name), `no target for fuzz/corpus/${name}.json`);
  const bytes = corpusNames().reduce(
    (sum, name) => sum + [...readCorpus(name).values()].reduce((n, i) => n + i.length, 0),
    0,
  );
  assert.ok(bytes < 50_000, `${bytes} bytes`);
});

/** What is named like a parser and has no target, and why. */
const elsewhere: Readonly<Record<string, string>> = {
  'base/bytes decodeUtf8': 'the decoder of the platform',
  'base/bytes decodeUtf8Loose': 'the decoder of the platform',
  'node/disk/quick-reader QuickReader': 'reads files of content, which have no form',
  'client/file FileReader': 'reads files of content, which have no form',
};

function findParsers(text: string): string[] {
  const pattern =
    /^export (?:(?:async )?function\*? ((?:decode|parse)[A-Z]\w*)|const ((?:decode|parse)[A-Z]\w*) =|class (\w+(?:Decoder|Parser|Reader))\b)/gm;
  return [...text.matchAll(pattern)].map(([, first, second, third]) => first ?? second ?? third ?? '');
}

function readSources(): Map<string, string> {
  const paths = readdirSync(src, { recursive: true }).map((path) => String(path).split(sep).join('/'));
  return new Map(
    paths.filter((path) => path.endsWith('.ts')).map((path) => [path, readFileSync(join(src, path), 'utf8')]),
  );
}

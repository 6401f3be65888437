import { existsSync, readdirSync, readFileSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { fromHex, toHex } from '#base';
import { type FuzzTarget, textOf, utf8 } from './target.ts';

const root = join(import.meta.dirname, '../../..');
export const corpusFolder = join(root, 'fuzz/corpus');

/** One file a target, a JSON object: what an input shows, and the input: text, or `{ hex }`. */
type CorpusFile = Record<string, string | { readonly hex: string }>;

function pathOf(name: string): string {
  return join(corpusFolder, `${name}.json`);
}

function read(name: string): CorpusFile {
  return existsSync(pathOf(name)) ? (JSON.parse(readFileSync(pathOf(name), 'utf8')) as CorpusFile) : {};
}

/** Inputs that are kept for a target, by what they show. */
export function readCorpus(name: string): Map<string, Uint8Array> {
  const inputs = new Map<string, Uint8Array>();
  for (const [shows, kept] of Object.entries(read(name))) {
    const input = typeof kept === 'string' ? utf8(kept) : fromHex(kept.hex);
    if (input === undefined) throw new Error(`${pathOf(name)}: ${JSON.stringify(shows)} is not hexadecimal`);
    inputs.set(shows, input);
  }
  return inputs;
}

export function keepInCorpus(name: string, target: FuzzTarget, shows: string, input: Uint8Array): void {
  const text = textOf(input);
  const isText = target.form === 'text' || (target.form === 'bytes' && /^[\t\n\r -~]{2,}$/.test(text));
  const isWhole = toHex(utf8(text)) === toHex(input);
  const file: CorpusFile = { ...read(name), [shows]: isText && isWhole ? text : { hex: toHex(input) } };
  // What does not print is shown all the same.
  const json = JSON.stringify(file, undefined, 2).replaceAll(/[^\n -~]/g, toEscape);
  writeFileSync(pathOf(name), `${json}\n`);
}

function toEscape(char: string): string {
  return `\\u${char.charCodeAt(0).toString(16).padStart(4, '0')}`;
}

/** Names of the targets that something is kept for. */
export function corpusNames(): string[] {
  const files = existsSync(corpusFolder) ? readdirSync(corpusFolder) : [];
  return files.filter((file) => file.endsWith('.json')).map((file) => file.slice(0, -5));
}

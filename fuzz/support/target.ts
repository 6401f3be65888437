import { BtError, type ErrorCode, type Rng } from '#base';

/** What one file of `fuzz/targets/` exports as `target`; the name of the target is the name of the file. */
export interface FuzzTarget {
  /** One line for the list: what is thrown at what, and what must hold. */
  readonly about: string;
  /** How inputs are written in the corpus: text as it is, bytes and the choices of a `Tape` in hexadecimal. */
  readonly form: 'bytes' | 'text' | 'choices';
  /** The sources it is about, without `src/` and `.ts`. New blocks of theirs guide the search, and their share is what is reported. */
  readonly files: readonly string[];
  /** `file name` of every exported `decode*`, `parse*`, `*Decoder`, `*Parser` and `*Reader` that it throws inputs at. */
  readonly parsers: readonly string[];
  /** Longest input, 4,096 where it is left out. */
  readonly bytesMax?: number;
  /** Seeded inputs in `npm test`, beside the corpus; 1,500 where it is left out. */
  readonly testRuns?: number;
  /** Milliseconds that one run may take, where 50 are not enough. Only looked at by `npm run fuzz`. */
  readonly msMax?: number;
  /** Share of the time of `npm run fuzz -- all`, 1 where it is left out. */
  readonly share?: number;
  /** Words of the format, which mutations put in. */
  readonly tokens?: readonly (string | Uint8Array)[];
  /** Sound inputs to begin with. */
  seeds?(): Uint8Array[];
  /** An input by the grammar of the format, mostly sound. */
  make?(rng: Rng): Uint8Array;
  /**
   * One run. Throws where something does not hold. It has to be the same for the same input, and must not keep or change `input`.
   *
   * @returns a word for what happened: an input that gives a new one is kept as a base for others
   */
  run(input: Uint8Array): string | undefined;
}

/** Seeded inputs of a target in `npm test`. */
export function testRunsOf(target: FuzzTarget): number {
  return target.testRuns ?? 1_500;
}

/**
 * For `catch`: a refusal has one of these codes.
 *
 * @returns a word for it: its message without what it quotes
 * @throws what was caught, where it is anything else
 */
export function refusal(error: unknown, ...codes: ErrorCode[]): string {
  if (!BtError.is(error) || !codes.includes(error.code)) throw error;
  return `${error.code} ${error.message.replaceAll(/["'`].*["'`]|\d+/gs, '#').slice(0, 80)}`;
}

/** A word for a number: its order of magnitude. */
export function magnitude(count: number): string {
  return count < 4 ? String(count) : `2^${Math.floor(Math.log2(count))}`;
}

export function utf8(text: string): Uint8Array {
  return new TextEncoder().encode(text);
}

/** Every byte sequence is some text: bytes that are no UTF-8 become U+FFFD. */
export function textOf(input: Uint8Array): string {
  return new TextDecoder('utf-8', { ignoreBOM: true }).decode(input);
}

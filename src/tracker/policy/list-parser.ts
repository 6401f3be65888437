/** Something in a file of an operator that cannot be used. */
export interface LineProblem {
  /** From 1. */
  readonly line: number;
  readonly what: string;
}

const LF = 0x0a;
const CR = 0x0d;
const SPACE = 0x20;
const TAB = 0x09;
const HASH = 0x23;
const COMMA = 0x2c;
/** Value of a hex digit, -1 for other bytes. */
const NIBBLES: Int8Array = Int8Array.from({ length: 256 }, (_, c) => {
  const value = Number.parseInt(String.fromCharCode(c), 16);
  return Number.isNaN(value) ? -1 : value;
});
/** A line is an info-hash and a name; nobody needs more. */
const LINE_BYTES_MAX = 4_096;

/**
 * Reads a list of info-hashes as it comes from a file, chunk by chunk: one a line, 40 hex digits, or 64 of which the first 40 count
 * (BEP 52); a name may follow after a space, tab or comma; `#` begins a comment; empty lines are nothing. CRLF and a byte order mark are
 * no trouble.
 */
export class ListParser {
  readonly #onHash: (bytes: Uint8Array, at: number) => void;
  readonly #hash = new Uint8Array(20);
  #rest: Uint8Array = new Uint8Array(0);
  #line = 0;

  /** @param onHash is lent 20 bytes at `at` for the call */
  constructor(onHash: (bytes: Uint8Array, at: number) => void) {
    this.#onHash = onHash;
  }

  /** @returns the first line that is wrong; nothing more is to be given then */
  push(chunk: Uint8Array): LineProblem | undefined {
    let bytes = chunk;
    if (this.#rest.length > 0) {
      bytes = new Uint8Array(this.#rest.length + chunk.length);
      bytes.set(this.#rest);
      bytes.set(chunk, this.#rest.length);
    }
    let at = 0;
    for (let end = bytes.indexOf(LF); end >= 0; end = bytes.indexOf(LF, at)) {
      const problem = this.#take(bytes, at, end);
      if (problem !== undefined) return problem;
      at = end + 1;
    }
    this.#rest = bytes.slice(at);
    if (this.#rest.length > LINE_BYTES_MAX) return { line: this.#line + 1, what: 'the line is too long' };
    return undefined;
  }

  /** The last line may lack its line end. */
  end(): LineProblem | undefined {
    return this.#rest.length === 0 ? undefined : this.#take(this.#rest, 0, this.#rest.length);
  }

  #take(bytes: Uint8Array, start: number, lineEnd: number): LineProblem | undefined {
    this.#line++;
    let at = start;
    let end = lineEnd;
    if (this.#line === 1 && bytes[at] === 0xef && bytes[at + 1] === 0xbb && bytes[at + 2] === 0xbf) at += 3;
    while (at < end && isBlank(bytes[at] as number)) at++;
    while (end > at && isBlank(bytes[end - 1] as number)) end--;
    if (at === end || bytes[at] === HASH) return undefined;
    let digits = 0;
    while (at + digits < end && NIBBLES[bytes[at + digits]!]! >= 0) digits++;
    const after = at + digits;
    const isEnded = after === end || isBlank(bytes[after] as number) || bytes[after] === COMMA || bytes[after] === HASH;
    if (!isEnded || (digits !== 40 && digits !== 64)) {
      return { line: this.#line, what: `not an info-hash of 40 or 64 hex digits: ${toShown(bytes, at, end)}` };
    }
    for (let i = 0; i < 20; i++) {
      this.#hash[i] = (NIBBLES[bytes[at + i * 2]!]! << 4) | NIBBLES[bytes[at + i * 2 + 1]!]!;
    }
    this.#onHash(this.#hash, 0);
    return undefined;
  }
}

/** What stands there, for a person: printable, not long. */
function toShown(bytes: Uint8Array, start: number, end: number): string {
  let text = '';
  for (let i = start; i < Math.min(end, start + 50); i++) {
    const c = bytes[i] as number;
    text += c > SPACE && c < 0x7f ? String.fromCharCode(c) : '.';
  }
  return end - start > 50 ? `${text}...` : text;
}

function isBlank(c: number): boolean {
  return c === SPACE || c === TAB || c === CR;
}

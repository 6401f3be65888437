import { createReadStream } from 'node:fs';
import { appendFile, readFile, stat } from 'node:fs/promises';
import { setImmediate as nextTurn } from 'node:timers/promises';
import { BtError, compareBytes, fromHex, readU32, toHex } from '../../base/index.ts';
import { toDiskError } from '../../hash/index.ts';
import { writeAtomic } from '../../node/index.ts';
import { HashTable, ListParser } from '../../tracker/index.ts';

const HASH_BYTES = 20;
/** Of a line with a hash: tells how many there can be. */
const LINE_BYTES_MIN = 41;
/** What a file's length alone is believed; larger lists grow as they are read. */
const COUNT_EXPECTED_MAX = 5_000_000;
/** About a millisecond of reading. */
const READ_BYTES = 65_536;
/** Lines of changes without effect that are worth writing the file anew. */
const STALE_LINES_MAX = 1_000;

/**
 * Reads an operator's list of info-hashes.
 *
 * @param onHash is lent 20 bytes at `at` for the call
 * @throws BtError `config/invalid` with the first line that is wrong, `disk/...`
 */
export async function readHashes(path: string, onHash: (bytes: Uint8Array, at: number) => void): Promise<void> {
  const parser = new ListParser(onHash);
  try {
    for await (const chunk of createReadStream(path, { highWaterMark: READ_BYTES })) {
      const problem = parser.push(chunk as Uint8Array);
      if (problem !== undefined) throw toProblem(path, problem);
      // Other requests are served between two chunks, also where the file is in memory already.
      await nextTurn();
    }
  } catch (error) {
    throw BtError.is(error) ? error : toDiskError(error, path);
  }
  const problem = parser.end();
  if (problem !== undefined) throw toProblem(path, problem);
}

/**
 * A list of info-hashes: a text file of the operator, which is only read, and `<file>.changes` beside it, where single changes made over
 * the API are appended (`+` or `-`, the hash, a name). In memory the sum of both, in a shared table: a single change takes effect in
 * every thread at once, and nothing has to be posted but where the table had to grow (`onTable`).
 */
export class HashList {
  readonly path: string;
  readonly #seed: readonly [number, number];
  readonly #onTable: () => void;
  #table: HashTable;
  /** Changes one after the other: each waits for the one before. */
  #last: Promise<unknown> = Promise.resolve();

  /**
   * @param o.onTable told when `table` is another one
   * @throws BtError `config/invalid` with path and line, `disk/not-found`, ...
   */
  static async open(o: { path: string; seed: readonly [number, number]; onTable: () => void }): Promise<HashList> {
    const list = new HashList(o);
    list.#table = await list.#read();
    return list;
  }

  private constructor(o: { path: string; seed: readonly [number, number]; onTable: () => void }) {
    this.path = o.path;
    this.#seed = o.seed;
    this.#onTable = o.onTable;
    this.#table = this.#newTable(0);
  }

  get table(): HashTable {
    return this.#table;
  }
  size(): number {
    return this.#table.count;
  }
  /** @param infoHash 40 or 64 hex digits */
  has(infoHash: string): boolean {
    const hash = toHash(infoHash);
    return hash !== undefined && this.#table.has(hash, 0);
  }

  /** Hashes in order, those after `after`. Looks at the whole list: 10 to 20 ms for a million. @returns at most `max` */
  page(after: string | undefined, max: number): string[] {
    const table = this.#table;
    const from = after === undefined ? undefined : toHash(after);
    const page: Uint8Array[] = [];
    const fromHead = from === undefined ? 0 : readU32(from, 0);
    let lastHead = 0xffff_ffff;
    for (let slot = 0; slot < table.capacity; slot++) {
      if (!table.isLive(slot)) continue;
      const head = table.headAt(slot);
      if (head < fromHead || head > lastHead) continue;
      const hash = table.keyAt(slot);
      if (from !== undefined && compareBytes(hash, from) <= 0) continue;
      if (page.length === max && compareBytes(hash, page[max - 1] as Uint8Array) > 0) continue;
      insertSorted(page, hash);
      if (page.length > max) page.pop();
      if (page.length === max) lastHead = readU32(page[max - 1] as Uint8Array, 0);
    }
    return page.map(toHex);
  }

  /**
   * In the file and in force when it resolves.
   *
   * @param name for people who read the file
   * @returns whether it was not in it
   * @throws BtError `client/invalid` for what is no info-hash, `disk/...`
   */
  add(infoHash: string, name = ''): Promise<boolean> {
    return this.#inTurn(async () => {
      const hash = expectHash(infoHash);
      if (this.#table.has(hash, 0)) return false;
      await this.#append(`+${toHex(hash)} ${name.replace(/[\0-\x1f\x7f]+/g, ' ')}`.trimEnd());
      const before = this.#table;
      this.#table = before.withRoom();
      this.#table.add(hash, 0);
      if (this.#table !== before) this.#onTable();
      return true;
    });
  }

  /** The same for taking one out, also one that stands in the operator's file. @returns whether it was in it */
  remove(infoHash: string): Promise<boolean> {
    return this.#inTurn(async () => {
      const hash = expectHash(infoHash);
      if (!this.#table.has(hash, 0)) return false;
      await this.#append(`-${toHex(hash)}`);
      this.#table.remove(hash, 0);
      return true;
    });
  }

  /** Reads the files again. @throws as `open`; the list stays as it was then */
  reload(): Promise<void> {
    return this.#inTurn(async () => {
      this.#table = await this.#read();
      this.#onTable();
    });
  }

  get #changesPath(): string {
    return `${this.path}.changes`;
  }

  #inTurn<T>(work: () => Promise<T>): Promise<T> {
    const turn = this.#last.then(work, work);
    this.#last = turn.catch(() => {});
    return turn;
  }

  #newTable(count: number): HashTable {
    // Room for single changes, so that a table that was just posted does not grow at once.
    return HashTable.make({
      keyBytes: HASH_BYTES,
      count: Math.max(1_024, Math.ceil(count * 1.1)),
      seed: this.#seed,
      isShared: true,
    });
  }

  async #append(line: string): Promise<void> {
    try {
      await appendFile(this.#changesPath, `${line}\n`);
    } catch (error) {
      throw toDiskError(error, this.#changesPath);
    }
  }

  async #read(): Promise<HashTable> {
    let table = this.#newTable(Math.min((await sizeOf(this.path)) / LINE_BYTES_MIN, COUNT_EXPECTED_MAX));
    await readHashes(this.path, (bytes, at) => {
      table = table.withRoom();
      table.add(bytes, at);
    });
    return this.#applyChanges(table);
  }

  async #applyChanges(listed: HashTable): Promise<HashTable> {
    const lines = await this.#readChanges();
    const latest = new Map<string, number>();
    lines.forEach((line, i) => {
      latest.set(line.slice(1, 41), i);
    });
    const kept: string[] = [];
    let table = listed;
    for (const [hex, i] of latest) {
      const key = fromHex(hex) as Uint8Array;
      const isAdded = (lines[i] as string).startsWith('+');
      if (table.has(key, 0) === isAdded) continue;
      kept.push(lines[i] as string);
      table = table.withRoom();
      if (isAdded) table.add(key, 0);
      else table.remove(key, 0);
    }
    if (lines.length - kept.length > STALE_LINES_MAX) {
      writeAtomic(this.#changesPath, Buffer.from(kept.map((line) => `${line}\n`).join('')), { keepPrevious: true });
    }
    return table;
  }

  async #readChanges(): Promise<string[]> {
    const path = this.#changesPath;
    let text: string;
    try {
      text = await readFile(path, 'utf8');
    } catch (error) {
      if ((error as NodeJS.ErrnoException).code === 'ENOENT') return [];
      throw toDiskError(error, path);
    }
    const lines = text.split('\n');
    const cut = lines.pop() as string;
    // The next change must begin a line of its own.
    if (cut !== '') writeAtomic(path, Buffer.from(text.slice(0, text.length - cut.length)), { keepPrevious: true });
    const wrong = lines.findIndex((line) => !/^[+-][0-9a-f]{40}( .*)?$/.test(line));
    if (wrong >= 0) throw toProblem(path, { line: wrong + 1, what: 'not + or - and an info-hash of 40 hex digits' });
    return lines;
  }
}

async function sizeOf(path: string): Promise<number> {
  try {
    return (await stat(path)).size;
  } catch (error) {
    throw toDiskError(error, path);
  }
}

function insertSorted(page: Uint8Array[], hash: Uint8Array): void {
  let low = 0;
  let high = page.length;
  while (low < high) {
    const middle = (low + high) >> 1;
    if (compareBytes(page[middle] as Uint8Array, hash) < 0) low = middle + 1;
    else high = middle;
  }
  page.splice(low, 0, hash);
}

function toProblem(path: string, { line, what }: { line: number; what: string }): BtError<'config/invalid'> {
  return new BtError('config/invalid', { problems: [`${path} line ${line}: ${what}`] });
}

/** The 20 bytes that trackers see, of 40 or 64 hex digits. */
function toHash(infoHash: string): Uint8Array | undefined {
  if (infoHash.length !== 40 && infoHash.length !== 64) return undefined;
  return fromHex(infoHash)?.subarray(0, HASH_BYTES);
}

function expectHash(infoHash: string): Uint8Array {
  const hash = toHash(infoHash);
  if (hash === undefined) throw new BtError('client/invalid', { what: 'an info-hash has 40 or 64 hex digits' });
  return hash;
}

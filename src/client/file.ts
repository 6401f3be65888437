import { BtError } from '../base/index.ts';
import type { FileEntry, Info } from '../metainfo/index.ts';
import type { Abortable } from './events.ts';

/** What a file needs of its torrent; implemented by `Torrent`. */
export interface FileHost {
  metadata(options?: Abortable): Promise<Info>;
  hasPiece(piece: number): boolean;
  waitForPiece(piece: number, signal: AbortSignal | undefined): Promise<void>;
  /** Undefined: the piece is not here (any more). */
  readPiece(piece: number, begin: number): Promise<{ begin: number; bytes: Uint8Array } | undefined>;
  setUrgent(reader: object, pieces: readonly number[]): void;
}

/** Bytes that a reader asks for ahead of itself. */
const readAheadBytes = 4 * 1024 * 1024;

/** One file of a torrent, readable while it is still coming in: reading is prioritising. */
export class TorrentFileHandle {
  readonly entry: FileEntry;
  readonly #torrent: FileHost;

  /** @internal */
  constructor(torrent: FileHost, entry: FileEntry) {
    this.#torrent = torrent;
    this.entry = entry;
  }

  /** With '/' between its parts, the torrent's name first. */
  get path(): string {
    return this.entry.path.join('/');
  }
  get length(): number {
    return this.entry.length;
  }

  /** Random access; dispose it (or `close`) when done, so that its pieces lose their priority. */
  reader(options: { readonly readahead?: number } = {}): FileReader {
    return new FileReader(this.#torrent, this.entry, options.readahead ?? readAheadBytes);
  }

  /**
   * The bytes start .. end-1 as a web stream with back-pressure: nothing is read that is not pulled. Cancelling it ends the priority.
   */
  stream(options: Abortable & { readonly start?: number; readonly end?: number } = {}): ReadableStream<Uint8Array> {
    const { start = 0, end = this.length, signal } = options;
    const reader = this.reader();
    let at = Math.max(0, start);
    const stop = Math.min(this.length, end);
    return new ReadableStream<Uint8Array>(
      {
        pull: async (controller) => {
          if (at >= stop) {
            reader.close();
            controller.close();
            return;
          }
          try {
            const bytes = await reader.read(at, stop - at, { signal });
            at += bytes.length;
            controller.enqueue(bytes);
          } catch (error) {
            reader.close();
            throw error;
          }
        },
        cancel: () => reader.close(),
      },
      { highWaterMark: 0 },
    );
  }
}

/** Reads any part of a file, waiting for pieces that are not here yet. Made by `file.reader()`. */
export class FileReader {
  readonly #torrent: FileHost;
  readonly #entry: FileEntry;
  readonly #readahead: number;
  #closed = false;

  /** @internal */
  constructor(torrent: FileHost, entry: FileEntry, readahead: number) {
    this.#torrent = torrent;
    this.#entry = entry;
    this.#readahead = readahead;
  }

  /**
   * @returns between 1 and `length` bytes from `offset`, as many as one read brings (256 KiB at most); empty at the end of the file. They
   * are the caller's.
   */
  async read(offset: number, length: number, options: Abortable = {}): Promise<Uint8Array> {
    if (this.#closed) throw new BtError('client/closed', { what: 'the reader' });
    const left = Math.min(length, this.#entry.length - offset);
    if (offset < 0) throw new BtError('client/invalid', { what: `offset ${offset} is not in the file` });
    if (left <= 0) return new Uint8Array(0);
    const { pieceLength } = await this.#torrent.metadata(options);
    const place = this.#entry.offset + offset;
    const piece = Math.floor(place / pieceLength);
    this.#prefer(piece, pieceLength);
    await this.#torrent.waitForPiece(piece, options.signal);
    const begin = place - piece * pieceLength;
    const run = await this.#torrent.readPiece(piece, begin);
    // Found bad between the two: it is fetched again.
    if (run === undefined) return this.read(offset, length, options);
    const from = begin - run.begin;
    return run.bytes.slice(from, Math.min(run.bytes.length, from + left));
  }

  close(): void {
    if (this.#closed) return;
    this.#closed = true;
    this.#torrent.setUrgent(this, []);
  }

  [Symbol.dispose](): void {
    this.close();
  }

  #prefer(piece: number, pieceLength: number): void {
    const last = Math.floor((this.#entry.offset + this.#entry.length - 1) / pieceLength);
    const count = 1 + Math.ceil(this.#readahead / pieceLength);
    const pieces: number[] = [];
    for (let p = piece; p <= last && pieces.length < count; p++) if (!this.#torrent.hasPiece(p)) pieces.push(p);
    this.#torrent.setUrgent(this, pieces);
  }
}

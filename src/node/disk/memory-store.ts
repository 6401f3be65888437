import { BtError } from '../../base/index.ts';
import { type FileEntry, FileMap, type FileSpan, Geometry, type Info } from '../../metainfo/index.ts';
import type { FileState } from '../../swarm/index.ts';
import type { PieceStore, StoreStates } from './piece-store.ts';

/**
 * Keeps a torrent's files in memory: for tests, demonstrations, and as the smallest example of a store.
 *
 *     const files = new Map<string, Uint8Array>();
 *     new InlineDisk({ folderOf: () => '/', makeStore: ({ info }) => new MemoryStore(info, files) });
 */
export class MemoryStore implements PieceStore {
  readonly #info: Info;
  readonly #geometry: Geometry;
  readonly #map: FileMap;
  readonly #files: Map<string, Uint8Array>;

  /** @param files  content by path, parts joined with '/': what is there is had, what is downloaded appears in it */
  constructor(info: Info, files: Map<string, Uint8Array>) {
    this.#info = info;
    this.#geometry = new Geometry(info);
    this.#map = new FileMap(info);
    this.#files = files;
  }

  states(): StoreStates {
    const states = this.#info.files.map((entry) => {
      const bytes = this.#files.get(nameOf(entry));
      return bytes === undefined ? undefined : { length: bytes.length, modifiedMs: 0 };
    });
    return { files: states, partFile: undefined };
  }

  mayHave(piece: number, begin: number, length: number): boolean {
    return this.#spans(piece, begin, length).every((span) => span.file < 0 || this.#find(span) !== undefined);
  }

  lacksFile(piece: number): boolean {
    const spans = this.#spans(piece, 0, this.#geometry.pieceBytes(piece)).filter((span) => span.file >= 0);
    return spans.some((span) => this.#files.get(nameOf(this.#entry(span))) === undefined);
  }

  lookAgain(): void {}

  read(piece: number, begin: number, into: readonly Uint8Array[]): void {
    let at = begin;
    for (const view of into) {
      let filled = 0;
      for (const span of this.#spans(piece, at, view.length)) {
        const part = view.subarray(filled, filled + span.length);
        filled += span.length;
        if (span.file < 0) part.fill(0);
        else part.set(this.#get(span));
      }
      at += view.length;
    }
  }

  write(piece: number, begin: number, bytes: Uint8Array): void {
    let taken = 0;
    for (const span of this.#spans(piece, begin, bytes.length)) {
      const part = bytes.subarray(taken, taken + span.length);
      taken += span.length;
      if (span.file < 0) continue;
      const entry = this.#entry(span);
      let file = this.#files.get(nameOf(entry));
      if (file?.length !== entry.length) {
        file = new Uint8Array(entry.length);
        this.#files.set(nameOf(entry), file);
      }
      file.set(part, span.fileOffset);
    }
  }

  /** Nothing of it outlives the process. */
  statesOf(): ReadonlyMap<number, FileState> {
    return new Map<number, FileState>();
  }

  sync(): void {}
  close(): void {}

  #spans(piece: number, begin: number, length: number): FileSpan[] {
    return this.#map.spans(this.#geometry.pieceStart(piece) + begin, length);
  }

  #entry(span: FileSpan): FileEntry {
    return this.#info.files[span.file] as FileEntry;
  }

  #find(span: FileSpan): Uint8Array | undefined {
    const bytes = this.#files.get(nameOf(this.#entry(span)));
    if (bytes === undefined || bytes.length < span.fileOffset + span.length) return undefined;
    return bytes.subarray(span.fileOffset, span.fileOffset + span.length);
  }

  #get(span: FileSpan): Uint8Array {
    const bytes = this.#find(span);
    if (bytes === undefined) throw new BtError('disk/not-found', { path: nameOf(this.#entry(span)) });
    return bytes;
  }
}

function nameOf(entry: FileEntry): string {
  return entry.path.join('/');
}

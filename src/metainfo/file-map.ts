import { assert } from '../base/index.ts';
import type { Info } from './model.ts';
import { RunTable } from './run-table.ts';

/** A piece of a run of torrent space that lies in one file, or in none. */
export interface FileSpan {
  /** Index in `info.files`; -1 = pad or gap: reads as zeros, is never stored. */
  readonly file: number;
  /** Where the span begins in its file; 0 for pads. */
  readonly fileOffset: number;
  readonly length: number;
}

/** Where bytes of torrent space lie in files. Empty files and symlinks have none. */
export class FileMap {
  readonly #files: RunTable;
  readonly #indexes: Int32Array;

  constructor(info: Pick<Info, 'files'>) {
    const files = info.files.filter((f) => f.length > 0);
    this.#files = new RunTable(files.map((f) => ({ start: f.offset, end: f.offset + f.length })));
    this.#indexes = Int32Array.from(files, (f) => f.index);
  }

  /**
   * Cuts a run into spans that follow each other without a hole. What lies beyond the last file is a gap like others. O(log files)
   * and the spans.
   */
  spans(offset: number, length: number): FileSpan[] {
    assert(offset >= 0 && length >= 0, 'run inside torrent space');
    const spans: FileSpan[] = [];
    const end = offset + length;
    let at = offset;
    for (let i = Math.max(0, this.#files.find(offset)); at < end; i++) {
      const start = i < this.#files.count ? (this.#files.starts[i] as number) : Number.POSITIVE_INFINITY;
      const fileEnd = i < this.#files.count ? (this.#files.ends[i] as number) : Number.POSITIVE_INFINITY;
      if (fileEnd <= at) continue;
      if (start > at) {
        const gap = Math.min(start, end) - at;
        spans.push({ file: -1, fileOffset: 0, length: gap });
        at += gap;
      }
      if (at >= end) break;
      const taken = Math.min(fileEnd, end) - at;
      spans.push({ file: this.#indexes[i] as number, fileOffset: at - start, length: taken });
      at += taken;
    }
    return spans;
  }
}

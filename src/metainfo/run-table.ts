/**
 * Sorted ranges that do not overlap, for binary search. Plain arrays of numbers because torrents of 50,000 files are looked up in for
 * every block; float64 because torrent space goes beyond 2^32.
 */
export class RunTable {
  readonly count: number;
  readonly starts: Float64Array;
  readonly ends: Float64Array;

  /** @param runs ascending by start; a run ends before or where the next begins */
  constructor(runs: readonly { readonly start: number; readonly end: number }[]) {
    this.count = runs.length;
    this.starts = new Float64Array(runs.length);
    this.ends = new Float64Array(runs.length);
    runs.forEach((run, i) => {
      this.starts[i] = run.start;
      this.ends[i] = run.end;
    });
  }

  /** Index of the last run that begins at or before `position`, or -1. O(log n). */
  find(position: number): number {
    let low = 0;
    let high = this.count;
    while (low < high) {
      const middle = (low + high) >>> 1;
      if ((this.starts[middle] as number) <= position) low = middle + 1;
      else high = middle;
    }
    return low - 1;
  }
}

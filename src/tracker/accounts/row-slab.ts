/**
 * Rows of numbers in one flat array that grows by halves: 8 bytes a number, no object a row. Freed rows are used again, and have NaN in
 * their second cell until then.
 */
export class RowSlab {
  readonly stride: number;
  /** Row r is `cells[r * stride]` and on. Replaced when the slab grows: do not keep it. */
  cells: Float64Array;
  #end = 0;
  #firstFree = -1;
  #count = 0;

  constructor(stride: number) {
    this.stride = stride;
    this.cells = new Float64Array(stride * 64);
  }

  /** No row is there or beyond. */
  get end(): number {
    return this.#end;
  }
  get count(): number {
    return this.#count;
  }
  get byteLength(): number {
    return this.cells.byteLength;
  }

  /** @returns a row of zeros */
  add(): number {
    this.#count++;
    const free = this.#firstFree;
    if (free >= 0) {
      const at = free * this.stride;
      this.#firstFree = this.cells[at] as number;
      this.cells.fill(0, at, at + this.stride);
      return free;
    }
    const row = this.#end++;
    if ((row + 1) * this.stride > this.cells.length) {
      const cells = new Float64Array(Math.ceil((row + 1) * 1.5) * this.stride);
      cells.set(this.cells);
      this.cells = cells;
    }
    return row;
  }

  free(row: number): void {
    this.cells[row * this.stride] = this.#firstFree;
    this.cells[row * this.stride + 1] = Number.NaN;
    this.#firstFree = row;
    this.#count--;
  }

  /** Whether the row is in use. For walks from 0 to `end`: they go in the order of memory, which walks over a table do not. */
  isLive(row: number): boolean {
    return !Number.isNaN(this.cells[row * this.stride + 1] as number);
  }

  /** Every row in use. */
  *rows(): Generator<number> {
    for (let row = 0; row < this.#end; row++) if (this.isLive(row)) yield row;
  }

  get(row: number, column: number): number {
    return this.cells[row * this.stride + column] as number;
  }
  set(row: number, column: number, value: number): void {
    this.cells[row * this.stride + column] = value;
  }
  /** Adds to a cell. */
  bump(row: number, column: number, by: number): void {
    const at = row * this.stride + column;
    this.cells[at] = (this.cells[at] as number) + by;
  }
}

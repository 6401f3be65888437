import { assert } from '../../base/index.ts';

/** Deals out a row of views in parts of any size, without copying: how a framed run is filled from several files. */
export class ViewCursor {
  #views: readonly Uint8Array[] = [];
  #index = 0;
  #offset = 0;

  /** Bytes of all views together. */
  length = 0;

  start(views: readonly Uint8Array[]): this {
    this.#views = views;
    this.#index = 0;
    this.#offset = 0;
    this.length = 0;
    for (const view of views) this.length += view.length;
    return this;
  }

  /** @returns views of exactly the next `count` bytes */
  take(count: number): readonly Uint8Array[] {
    // The common case: one file has it all.
    if (count === this.length && this.#index === 0 && this.#offset === 0) return this.#views;
    const taken: Uint8Array[] = [];
    for (let left = count; left > 0; ) {
      const view = this.#views[this.#index];
      assert(view !== undefined, 'views are as long as what is read into them');
      const n = Math.min(left, view.length - this.#offset);
      taken.push(view.subarray(this.#offset, this.#offset + n));
      this.#offset += n;
      left -= n;
      if (this.#offset === view.length) {
        this.#index++;
        this.#offset = 0;
      }
    }
    return taken;
  }
}

import { assert } from '../../base/index.ts';
import { POISON } from '../net/link.ts';

/** Takes an `ArrayBuffer` away from its owner and gives back one with the same bytes; Node: `structuredClone` with transfer. */
export type TransferBuffer = (buffer: ArrayBuffer) => ArrayBuffer;

/** Where the runtime cannot detach: a copy, and the old one is filled with POISON. */
function copyAndPoison(buffer: ArrayBuffer): ArrayBuffer {
  const copy = buffer.slice(0);
  new Uint8Array(buffer).fill(POISON);
  return copy;
}

/**
 * Watches rule 3 of the ports for one session: a buffer has one owner. What goes to the disk is really taken away, as a worker would,
 * and what is lent to a connection must stay as it is.
 */
export class BufferWatch {
  readonly #transfer: TransferBuffer;
  readonly #gone = new WeakSet<ArrayBufferLike>();
  readonly #lent = new Map<ArrayBufferLike, number>();
  /** Views lent to connections now. */
  lentCount = 0;
  /** Buffers with the disk now. */
  takenCount = 0;
  /** Bytes of these. */
  takenBytes = 0;

  constructor(transfer: TransferBuffer = copyAndPoison) {
    this.#transfer = transfer;
  }

  /** The owner gives views away together. @returns the same bytes in buffers the owner does not know */
  take(views: readonly (Uint8Array | undefined)[]): (Uint8Array | undefined)[] {
    const moved = new Map<ArrayBufferLike, ArrayBufferLike>();
    // A view of a detached buffer has no place and no length any more.
    const places = views.map((view) => view && { buffer: view.buffer, at: view.byteOffset, length: view.length });
    for (const view of views) {
      if (view === undefined || moved.has(view.buffer)) continue;
      this.#checkOwned(view);
      assert(!this.#lent.has(view.buffer), 'a buffer lent to a connection does not go to the disk');
      this.takenBytes += view.buffer.byteLength;
      moved.set(view.buffer, this.#move(view.buffer));
      this.takenCount++;
    }
    return places.map((place) => {
      if (place === undefined) return undefined;
      return new Uint8Array(moved.get(place.buffer) as ArrayBufferLike, place.at, place.length);
    });
  }

  /** Taken views go back to their owner. */
  giveBack(views: readonly (Uint8Array | undefined)[]): void {
    const buffers = new Set(views.flatMap((view) => (view === undefined ? [] : [view.buffer])));
    this.takenCount -= buffers.size;
    for (const buffer of buffers) this.takenBytes -= buffer.byteLength;
  }

  /** A view is lent to a connection. @returns a mark to be shown when it comes back */
  lend(view: Uint8Array): number {
    this.#checkOwned(view);
    this.lentCount++;
    this.#lent.set(view.buffer, (this.#lent.get(view.buffer) ?? 0) + 1);
    return sample(view);
  }

  /** @param isChecked false: the connection broke, and what it would have sent does not matter */
  unlend(view: Uint8Array, mark: number, isChecked: boolean): void {
    assert(!isChecked || sample(view) === mark, 'a view lent to a connection was changed before onWritten');
    this.lentCount--;
    const left = (this.#lent.get(view.buffer) as number) - 1;
    if (left === 0) this.#lent.delete(view.buffer);
    else this.#lent.set(view.buffer, left);
  }

  #checkOwned(view: Uint8Array): void {
    assert(view.length > 0, 'a buffer that is given is not empty (it has been given away before)');
    assert(!this.#gone.has(view.buffer), 'a buffer is given away only once');
  }

  #move(buffer: ArrayBufferLike): ArrayBufferLike {
    if (!(buffer instanceof ArrayBuffer)) return buffer;
    this.#gone.add(buffer);
    return this.#transfer(buffer);
  }
}

/** A few bytes of the view: enough to see that it was filled with something else. */
function sample(view: Uint8Array): number {
  let sum = view.length;
  const step = Math.max(1, Math.floor(view.length / 61));
  for (let i = 0; i < view.length; i += step) sum = (Math.imul(sum, 31) + (view[i] as number)) | 0;
  return sum;
}

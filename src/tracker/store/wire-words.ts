// Hot path: tracker-store

const isLittleEndian = new Uint8Array(Uint16Array.of(1).buffer)[0] === 1;

/**
 * Reads bytes of the wire as words, low byte first: the words of a run are then the bytes of the wire on most machines. A front end uses
 * the same buffer again and again; from its second use on it is read by words where they are aligned.
 */
export class WireWords {
  #bytes: Uint8Array = new Uint8Array(0);
  #words: Int32Array | undefined;

  /** Copies `count` words at `at` into `into` at `to`. */
  copy(bytes: Uint8Array, at: number, count: number, into: Int32Array, to: number): void {
    const words = this.#viewOf(bytes);
    if (words !== undefined && (at & 3) === 0) {
      const from = at >> 2;
      for (let i = 0; i < count; i++) into[to + i] = words[from + i]!;
      return;
    }
    for (let i = 0, from = at; i < count; i++, from += 4) {
      into[to + i] = bytes[from]! | (bytes[from + 1]! << 8) | (bytes[from + 2]! << 16) | (bytes[from + 3]! << 24);
    }
  }

  #viewOf(bytes: Uint8Array): Int32Array | undefined {
    if (bytes !== this.#bytes) {
      this.#bytes = bytes;
      this.#words = undefined;
    } else if (this.#words === undefined && isLittleEndian && (bytes.byteOffset & 3) === 0) {
      this.#words = new Int32Array(bytes.buffer, bytes.byteOffset, bytes.length >> 2);
    }
    return this.#words;
  }
}

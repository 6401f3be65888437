/**
 * Choices read from an input: how bytes become moves of a state machine. Every input is some sequence of moves, and a byte changed, put in
 * or left out is a move changed, put in or left out, so what shortens inputs shortens sequences. At the end of the input every choice is
 * the first one.
 */
export class Tape {
  readonly #bytes: Uint8Array;
  #at = 0;

  constructor(bytes: Uint8Array) {
    this.#bytes = bytes;
  }

  get isEmpty(): boolean {
    return this.#at >= this.#bytes.length;
  }

  byte(): number {
    return this.#bytes[this.#at++] ?? 0;
  }

  /** 0 .. n - 1; 0 where there is no choice. */
  below(n: number): number {
    let value = this.byte();
    for (let room = 256; room < n; room *= 256) value = value * 256 + this.byte();
    return n > 0 ? value % n : 0;
  }

  /** Low .. high, both included. */
  between(low: number, high: number): number {
    return low + this.below(high - low + 1);
  }

  isTrue(): boolean {
    return (this.byte() & 1) === 1;
  }

  pick<T>(items: readonly [T, ...T[]] | readonly T[]): T {
    return items[this.below(items.length)] as T;
  }

  bytes(length: number): Uint8Array {
    return Uint8Array.from({ length }, () => this.byte());
  }

  u32(): number {
    return ((this.byte() << 24) | (this.byte() << 16) | (this.byte() << 8) | this.byte()) >>> 0;
  }

  /** All that is left. */
  rest(): Uint8Array {
    const rest = this.#bytes.slice(this.#at);
    this.#at = this.#bytes.length;
    return rest;
  }

  /** Calls `move` until the input ends, at most `movesMax` times. */
  moves(movesMax: number, move: (index: number) => void): void {
    for (let i = 0; i < movesMax && !this.isEmpty; i++) move(i);
  }
}

import type { Rng } from '#base';

export interface Material {
  readonly tokens: readonly Uint8Array[];
  /** Other inputs, to take parts from. */
  readonly pool: readonly Uint8Array[];
  readonly bytesMax: number;
}

const oddBytes = [0, 1, 0x7f, 0x80, 0xff, 0x20, 0x2f, 0x30, 0x39, 0x65];
const oddWords = [0, 1, 0x3fff, 0x4000, 0x4001, 0xffff, 0x1_0000, 0x7fff_ffff, 0x8000_0000, 0xffff_ffff];

/** A copy with one to six changes. */
export function mutate(input: Uint8Array, rng: Rng, material: Material): Uint8Array {
  let bytes = input;
  // Mostly few: the more is changed, the sooner an input is refused.
  for (let n = 1 + Math.floor(rng.unit() ** 3 * 6); n > 0; n--) bytes = change(bytes, rng, material);
  if (bytes.length > material.bytesMax) bytes = bytes.slice(0, material.bytesMax);
  return bytes === input ? input.slice() : bytes;
}

function change(bytes: Uint8Array, rng: Rng, { tokens, pool }: Material): Uint8Array {
  const { length } = bytes;
  const from = rng.below(length + 1);
  // A stretch, mostly short.
  const to = Math.min(length, from + Math.floor(rng.unit() ** 3 * 64) + 1);
  switch (rng.below(12)) {
    case 0:
      return replace(bytes, from, from + 1, [rng.below(256)]);
    case 1:
      return replace(bytes, from, from + 1, [pick(oddBytes, rng)]);
    case 2:
      return from === length ? bytes : replace(bytes, from, from + 1, [bytes[from]! ^ (1 << rng.below(8))]);
    case 3:
      return replace(bytes, from, from, rng.bytes(1 + rng.below(4)));
    case 4:
      return replace(bytes, from, to, []);
    case 5:
      return replace(bytes, to, to, bytes.subarray(from, to));
    case 6: {
      const at = rng.below(length + 1);
      return replace(bytes, at, at, bytes.subarray(from, to));
    }
    case 7:
    case 8:
      if (tokens.length === 0) return replace(bytes, from, from + 1, [rng.below(256)]);
      return replace(bytes, from, rng.below(2) === 0 ? from : to, pick(tokens, rng));
    case 9: {
      const word = rng.below(3) === 0 ? (numberAt(bytes, from) + rng.below(5) - 2) >>> 0 : pick(oddWords, rng);
      return replace(bytes, from, from + 4, [word >>> 24, (word >>> 16) & 255, (word >>> 8) & 255, word & 255]);
    }
    case 10:
      return changeDigits(bytes, rng);
    default: {
      if (pool.length === 0) return replace(bytes, from, to, []);
      const other = pick(pool, rng);
      const start = rng.below(other.length + 1);
      const end = rng.below(2) === 0 ? other.length : Math.min(other.length, start + rng.below(200));
      return replace(bytes, from, rng.below(2) === 0 ? length : to, other.subarray(start, end));
    }
  }
}

function pick<T>(items: readonly T[], rng: Rng): T {
  return items[rng.below(items.length)] as T;
}

function replace(bytes: Uint8Array, from: number, to: number, by: ArrayLike<number>): Uint8Array {
  const end = Math.min(bytes.length, Math.max(from, to));
  const out = new Uint8Array(from + by.length + bytes.length - end);
  out.set(bytes.subarray(0, from));
  out.set(by, from);
  out.set(bytes.subarray(end), from + by.length);
  return out;
}

function numberAt(bytes: Uint8Array, at: number): number {
  return (
    (((bytes[at] ?? 0) << 24) | ((bytes[at + 1] ?? 0) << 16) | ((bytes[at + 2] ?? 0) << 8) | (bytes[at + 3] ?? 0)) >>> 0
  );
}

const oddNumbers = ['0', '-1', '00', '1', '65535', '65536', '4294967295', '4294967296', '9007199254740993', '1e9'];

/** Another number in place of one that is written in digits: lengths of strings, ports, sizes. */
function changeDigits(bytes: Uint8Array, rng: Rng): Uint8Array {
  const isDigit = (at: number) => bytes[at] !== undefined && bytes[at] >= 0x30 && bytes[at] <= 0x39;
  let from = rng.below(bytes.length + 1);
  while (from < bytes.length && !isDigit(from)) from++;
  if (from >= bytes.length) return bytes;
  while (isDigit(from - 1)) from--;
  let to = from;
  let value = 0;
  while (isDigit(to)) value = value * 10 + (bytes[to++]! - 0x30);
  const near = Number.isSafeInteger(value) ? Math.max(0, value + rng.below(5) - 2) : 0;
  const text = rng.below(2) === 0 ? String(near) : pick(oddNumbers, rng);
  return replace(bytes, from, to, new TextEncoder().encode(text));
}

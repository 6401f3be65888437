/** Big-endian integers, hex, UTF-8 and comparison of byte strings. Nothing here keeps a reference to its arguments. */

const HEX = Array.from({ length: 256 }, (_, i) => i.toString(16).padStart(2, '0'));
const TWO_32 = 0x1_0000_0000;
const utf8Strict = new TextDecoder('utf-8', { fatal: true, ignoreBOM: true });
const utf8Loose = new TextDecoder('utf-8', { fatal: false, ignoreBOM: true });
const utf8Encoder = new TextEncoder();

export function readU16(b: Uint8Array, at: number): number {
  return ((b[at] as number) << 8) | (b[at + 1] as number);
}

export function readU32(b: Uint8Array, at: number): number {
  return (
    (((b[at] as number) << 24) |
      ((b[at + 1] as number) << 16) |
      ((b[at + 2] as number) << 8) |
      (b[at + 3] as number)) >>>
    0
  );
}

/** 32 bits with the low byte first, signed: for hashing and comparing, where only the bits count. */
export function readWordLe(b: Uint8Array, at: number): number {
  return (
    (b[at] as number) | ((b[at + 1] as number) << 8) | ((b[at + 2] as number) << 16) | ((b[at + 3] as number) << 24)
  );
}

/** Unsigned 64-bit integer; exact because it is a bigint. */
export function readU64(b: Uint8Array, at: number): bigint {
  return (BigInt(readU32(b, at)) << 32n) | BigInt(readU32(b, at + 4));
}

/** Unsigned 64-bit integer as a number; values above 2^53 - 1 become 2^53 - 1. */
export function readU64Clamped(b: Uint8Array, at: number): number {
  const high = readU32(b, at);
  return high >= 0x20_0000 ? Number.MAX_SAFE_INTEGER : high * TWO_32 + readU32(b, at + 4);
}

export function writeU16(b: Uint8Array, at: number, value: number): void {
  b[at] = value >>> 8;
  b[at + 1] = value;
}

export function writeU32(b: Uint8Array, at: number, value: number): void {
  b[at] = value >>> 24;
  b[at + 1] = value >>> 16;
  b[at + 2] = value >>> 8;
  b[at + 3] = value;
}

/** Writes the low 64 bits of a bigint, or a non-negative safe integer. */
export function writeU64(b: Uint8Array, at: number, value: bigint | number): void {
  if (typeof value === 'bigint') {
    writeU32(b, at, Number((value >> 32n) & 0xffff_ffffn));
    writeU32(b, at + 4, Number(value & 0xffff_ffffn));
    return;
  }
  writeU32(b, at, Math.floor(value / TWO_32));
  writeU32(b, at + 4, value % TWO_32);
}

export function toHex(bytes: Uint8Array): string {
  let out = '';
  for (let i = 0; i < bytes.length; i++) out += HEX[bytes[i] as number];
  return out;
}

/** @returns the bytes, or undefined where `text` is not an even number of hex digits. */
export function fromHex(text: string): Uint8Array | undefined {
  if (text.length % 2 !== 0 || !/^[0-9a-fA-F]*$/.test(text)) return undefined;
  const out = new Uint8Array(text.length / 2);
  for (let i = 0; i < out.length; i++) out[i] = Number.parseInt(text.slice(i * 2, i * 2 + 2), 16);
  return out;
}

export function equalBytes(a: Uint8Array, b: Uint8Array): boolean {
  if (a.length !== b.length) return false;
  for (let i = 0; i < a.length; i++) if (a[i] !== b[i]) return false;
  return true;
}

/** Order of raw bytes (memcmp, then length): the key order of bencode and of BEP 52 file trees. */
export function compareBytes(a: Uint8Array, b: Uint8Array): number {
  const n = Math.min(a.length, b.length);
  for (let i = 0; i < n; i++) {
    const d = (a[i] as number) - (b[i] as number);
    if (d !== 0) return d;
  }
  return a.length - b.length;
}

export function concatBytes(parts: readonly Uint8Array[]): Uint8Array {
  let length = 0;
  for (const p of parts) length += p.length;
  const out = new Uint8Array(length);
  let at = 0;
  for (const p of parts) {
    out.set(p, at);
    at += p.length;
  }
  return out;
}

/** Of a text this long, its bytes lie in the heap of objects: the runtime's encoder gives memory of its own to every key of a dictionary. */
const shortText = 48;

export function encodeUtf8(text: string): Uint8Array {
  if (text.length > shortText) return utf8Encoder.encode(text);
  const bytes = new Uint8Array(text.length);
  for (let i = 0; i < text.length; i++) {
    const unit = text.charCodeAt(i);
    if (unit > 0x7f) return utf8Encoder.encode(text);
    bytes[i] = unit;
  }
  return bytes;
}

/** @returns undefined where the bytes are not valid UTF-8. */
export function decodeUtf8(bytes: Uint8Array): string | undefined {
  try {
    return utf8Strict.decode(bytes);
  } catch {
    return undefined;
  }
}

/** UTF-8 for showing to people: bad sequences become U+FFFD. */
export function decodeUtf8Loose(bytes: Uint8Array): string {
  return utf8Loose.decode(bytes);
}

/** One character per byte (code points 0 to 255): a byte string as a Map key. */
export function toBinaryString(bytes: Uint8Array): string {
  let out = '';
  for (let i = 0; i < bytes.length; i++) out += String.fromCharCode(bytes[i] as number);
  return out;
}

export function fromBinaryString(text: string): Uint8Array {
  const out = new Uint8Array(text.length);
  for (let i = 0; i < text.length; i++) out[i] = text.charCodeAt(i);
  return out;
}

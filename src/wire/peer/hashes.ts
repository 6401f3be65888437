import { readU32, writeU32 } from '../../base/index.ts';
import { peerLimits } from './limits.ts';

/**
 * Names a range of hashes in a file's merkle tree (BEP 52): payload of `hash-request` and `hash-reject`, beginning of `hashes`.
 * As decoded, the numbers are any u32: see `isSoundHashRange`.
 */
export interface HashRange {
  /** 32 bytes, the file's `pieces root`. */
  readonly root: Uint8Array;
  /** Layers above the leaves (16 KiB blocks) where the range lies; 0 = leaves. */
  readonly baseLayer: number;
  /** First hash of the range, counted in its layer. */
  readonly index: number;
  /** Hashes in the range. */
  readonly length: number;
  /** Ancestor layers that shall come with it, for proof up to something trusted. */
  readonly proofLayers: number;
}

/** Layout (BEP 52): root[32] · u32 baseLayer · u32 index · u32 length · u32 proofLayers */
export const hashRangeBytes = 48;

export function writeHashRange(into: Uint8Array, at: number, range: HashRange): void {
  into.set(range.root, at);
  writeU32(into, at + 32, range.baseLayer);
  writeU32(into, at + 36, range.index);
  writeU32(into, at + 40, range.length);
  writeU32(into, at + 44, range.proofLayers);
}

/** @returns `root` is a view of `b` */
export function readHashRange(b: Uint8Array, at: number): HashRange {
  return {
    root: b.subarray(at, at + 32),
    baseLayer: readU32(b, at + 32),
    index: readU32(b, at + 36),
    length: readU32(b, at + 40),
    proofLayers: readU32(b, at + 44),
  };
}

/**
 * Whether a request may be answered at all (BEP 52): length a power of two from 2 to 512, index a multiple of it, layers that some
 * file could have. Whether the file at hand has them is for the owner of its tree to say.
 */
export function isSoundHashRange(range: HashRange): boolean {
  const { baseLayer, index, length, proofLayers } = range;
  if (length < 2 || length > peerLimits.hashRequestLengthMax || (length & (length - 1)) !== 0) return false;
  return index % length === 0 && baseLayer <= peerLimits.merkleLayersMax && proofLayers <= peerLimits.merkleLayersMax;
}

/**
 * Uncle hashes that follow the `length` hashes of an answer: one for each proof layer, but for the log2(length) - 1 lowest ones, which
 * the range itself gives (BEP 52: omitted, yet counted).
 *
 * @param range a sound one
 */
export function countProofHashes(range: HashRange): number {
  return Math.max(0, range.proofLayers - (31 - Math.clz32(range.length) - 1));
}

/** Whether two messages speak of the same range: an answer must repeat its request. */
export function isSameHashRange(a: HashRange, b: HashRange): boolean {
  if (a.baseLayer !== b.baseLayer || a.index !== b.index) return false;
  if (a.length !== b.length || a.proofLayers !== b.proofLayers) return false;
  for (let i = 0; i < 32; i++) if (a.root[i] !== b.root[i]) return false;
  return true;
}

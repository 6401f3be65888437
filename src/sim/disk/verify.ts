import { type CryptoPort, concatBytes, equalBytes } from '../../base/index.ts';
import { BLOCK_LENGTH, HASH_BYTES, Merkle } from '../../metainfo/index.ts';
import type { PieceExpectation } from '../../swarm/index.ts';
import type { StoreImage } from './image.ts';

export type Verdict = 'ok' | 'bad' | 'inconsistent';

/** What is true of a made-up torrent: the hashes of its pieces. */
export interface PieceTruth {
  expectation(piece: number): PieceExpectation;
  /** The hashes are made up: bytes count as matching exactly where they equal the content. */
  readonly isPretended: boolean;
}

/**
 * Judges a piece as the real store does: v1 and v2 hash must hold. Where the expected hash is the known true one, comparing with the
 * content gives the same answer as hashing, faster.
 */
export class Verifier {
  readonly #crypto: CryptoPort;
  readonly #merkle: Merkle;

  constructor(crypto: CryptoPort) {
    this.#crypto = crypto;
    this.#merkle = new Merkle(crypto);
  }

  /**
   * @param isContent the bytes equal the content; undefined where there is none
   * @param bytes gives the whole piece; asked only where it has to be hashed
   */
  judge(
    image: StoreImage,
    piece: number,
    options: {
      expect: PieceExpectation;
      truth: PieceTruth | undefined;
      isContent: boolean | undefined;
      bytes: () => Uint8Array;
    },
  ): Verdict {
    const { expect, isContent } = options;
    const truth = isContent === undefined ? undefined : options.truth?.expectation(piece);
    const holds = (expected: Uint8Array, known: Uint8Array | undefined, hash: () => Uint8Array): boolean => {
      if (known !== undefined && equalBytes(expected, known)) return isContent === true;
      return options.truth?.isPretended !== true && equalBytes(expected, hash());
    };
    const { v1, v2 } = expect;
    const isV1 = v1 === undefined ? undefined : holds(v1, truth?.v1, () => this.#crypto.sha1(options.bytes()));
    const isV2 =
      v2 === undefined
        ? undefined
        : holds(v2.hash, truth?.v2?.leaves === v2.leaves ? truth.v2.hash : undefined, () =>
            this.#merkle.root(this.leaves(image, piece, options.bytes()), 0, v2.leaves),
          );
    if (isV1 !== undefined && isV2 !== undefined && isV1 !== isV2) return 'inconsistent';
    return isV1 !== false && isV2 !== false && (isV1 ?? isV2) === true ? 'ok' : 'bad';
  }

  /** SHA-256 of each 16 KiB of a piece's data, pads left out. */
  leaves(image: StoreImage, piece: number, bytes: Uint8Array): Uint8Array {
    const length = Math.min(bytes.length, image.geometry.dataBytes(piece));
    const out = new Uint8Array(Math.ceil(length / BLOCK_LENGTH) * HASH_BYTES);
    for (let at = 0, i = 0; at < length; at += BLOCK_LENGTH, i++) {
      out.set(this.#crypto.sha256(bytes.subarray(at, Math.min(at + BLOCK_LENGTH, length))), i * HASH_BYTES);
    }
    return out;
  }

  /** SHA-1 of each 16 KiB of a piece. */
  blockHashes(bytes: Uint8Array): Uint8Array {
    const hashes: Uint8Array[] = [];
    for (let at = 0; at < bytes.length; at += BLOCK_LENGTH) {
      hashes.push(this.#crypto.sha1(bytes.subarray(at, Math.min(at + BLOCK_LENGTH, bytes.length))));
    }
    return concatBytes(hashes);
  }
}

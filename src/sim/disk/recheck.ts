import type { BtError } from '../../base/index.ts';
import { PieceCheck, type PieceExpectation } from '../../swarm/index.ts';
import type { SimDisk } from './disk.ts';
import type { StoreImage } from './image.ts';

/** Checks pieces from `first` on. @returns one byte a piece, and the first error of the disk itself */
export function checkPart(
  disk: SimDisk,
  image: StoreImage,
  first: number,
  expect: readonly PieceExpectation[],
): { good: Uint8Array; error: BtError | undefined } {
  const good = new Uint8Array(expect.length);
  let error: BtError | undefined;
  expect.forEach((expected, i) => {
    const piece = first + i;
    const length = image.geometry.pieceBytes(piece);
    image.lookAgain(piece);
    const trouble = image.trouble(image.geometry.pieceStart(piece), length, 'read');
    if (trouble !== undefined) {
      // A file that is not there, or too short, only lacks the piece.
      if (trouble.code === 'disk/not-found') good[i] = PieceCheck.missing;
      if (trouble.code !== 'disk/io') return;
      error ??= trouble;
      good[i] = PieceCheck.unknown;
      return;
    }
    if (image.isAbsent(piece)) return;
    const bytes = () => {
      const all = new Uint8Array(length);
      image.read(piece, 0, all);
      return all;
    };
    const isContent = image.content === undefined ? undefined : image.isWhole(piece);
    const options = { expect: expected, truth: disk.truthOf(image.info), isContent, bytes };
    if (disk.verifier.judge(image, piece, options) === 'ok') good[i] = 1;
  });
  return { good, error };
}

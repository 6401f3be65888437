import { type CryptoPort, toHex } from '../../base/index.ts';
import { FileHashes, Merkle } from '../../metainfo/index.ts';
import type { HashRange } from '../../wire/index.ts';
import type { SimTorrent } from '../torrents.ts';

/** What a scripted peer answers to hash requests (BEP 52): ranges of piece layers, by the root of their file. */
export class HashAnswers {
  readonly #trees = new Map<string, FileHashes>();

  constructor(crypto: CryptoPort, { torrent }: SimTorrent) {
    const merkle = new Merkle(crypto);
    const { files, pieceLength } = torrent.info;
    for (const { piecesRoot: root, length } of files) {
      if (root === undefined || length <= pieceLength) continue;
      const tree = new FileHashes(merkle, { root, length, pieceLength });
      const layer = torrent.pieceLayers.get(toHex(root));
      if (layer !== undefined && tree.acceptLayer(layer)) this.#trees.set(toHex(root), tree);
    }
  }

  /** @returns the hashes, a copy; undefined where it has none such */
  answer(range: HashRange): Uint8Array | undefined {
    const tree = this.#trees.get(toHex(range.root));
    // Leaves below the piece layer nobody needs who has pieces to check.
    return tree === undefined || tree.leavesNeeded(range) !== undefined ? undefined : tree.serve(range);
  }
}

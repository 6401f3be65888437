import { type CryptoPort, type InfoHash, seededRng, swarmKeyBytes } from '../base/index.ts';
import {
  BLOCK_LENGTH,
  buildTorrent,
  Geometry,
  HASH_BYTES,
  leafCount,
  Merkle,
  nextPow2,
  parseTorrentFile,
  planTorrent,
  type TorrentFile,
  type TorrentFormat,
  type TorrentPlan,
  v1PieceHash,
  v2PieceHash,
} from '../metainfo/index.ts';
import type { PieceExpectation } from '../swarm/index.ts';
import { Content } from './disk/content.ts';
import { type KnownTorrent, torrentKey } from './disk/disk.ts';
import type { PieceTruth } from './disk/verify.ts';

export interface MadeUpTorrent {
  /** Content and made-up hashes follow from it. */
  readonly seed: number;
  readonly name?: string;
  /** Bytes of the only file, or of each of several (then named `file-0000`, `file-0001`, …). */
  readonly files: number | readonly number[];
  readonly pieceLength: number;
  readonly format?: TorrentFormat;
  readonly trackers?: readonly string[];
  readonly isPrivate?: boolean;
  /** Hashes are made up and believed by SimDisk: for torrents too large to be hashed. */
  readonly isPretended?: boolean;
}

/** A made-up torrent: its .torrent file is real, and its content can be made and recognised anywhere. */
export interface SimTorrent extends KnownTorrent {
  readonly key: string;
  readonly torrent: TorrentFile;
  /** The .torrent file. */
  readonly bytes: Uint8Array;
  readonly geometry: Geometry;
  /** The 20 bytes that handshakes and trackers carry: v1 where there is one. */
  readonly swarmKey: Uint8Array;
}

/** Makes a torrent; `crypto` hashes all of its content, unless it is pretended. */
export function makeTorrent(crypto: CryptoPort, made: MadeUpTorrent): SimTorrent {
  const { files, format = 'v1', name = `content-${made.seed}` } = made;
  const sources =
    typeof files === 'number'
      ? [{ path: [], length: files }]
      : files.map((length, i) => ({ path: [`file-${String(i).padStart(4, '0')}`], length }));
  const plan = planTorrent({ files: sources, format, pieceLength: made.pieceLength });
  const content = new Content(made.seed);
  content.layOut({
    files: plan.entries.filter((entry) => entry.file !== undefined),
    pieceCount: plan.pieceCount,
    pieceLength: plan.pieceLength,
  });
  const hashes = made.isPretended === true ? pretendHashes(made.seed, plan) : hashContent(crypto, content, plan);
  const { trackers = [], isPrivate = false } = made;
  const bytes = buildTorrent({ plan, name, isPrivate, trackers: trackers.map((url) => [url]), ...hashes }, crypto);
  const torrent = parseTorrentFile(bytes, crypto);
  const geometry = new Geometry(torrent.info);
  return {
    key: torrentKey(torrent.info),
    torrent,
    bytes,
    content,
    geometry,
    truth: new Truth(torrent, geometry, made.isPretended === true),
    swarmKey: swarmKeyBytes((torrent.info.hashV1 ?? torrent.info.hashV2) as InfoHash),
  };
}

/** Reads a block of a torrent's content as peers see it. */
export function readBlock(torrent: SimTorrent, piece: number, begin: number, length: number): Uint8Array {
  const bytes = new Uint8Array(length);
  torrent.content.read(torrent.geometry.pieceStart(piece) + begin, bytes);
  return bytes;
}

class Truth implements PieceTruth {
  readonly isPretended: boolean;
  readonly #torrent: TorrentFile;
  readonly #geometry: Geometry;

  constructor(torrent: TorrentFile, geometry: Geometry, isPretended: boolean) {
    this.#torrent = torrent;
    this.#geometry = geometry;
    this.isPretended = isPretended;
  }

  expectation(piece: number): PieceExpectation {
    const v1 = v1PieceHash(this.#torrent.info, piece);
    const v2 = v2PieceHash(this.#geometry, this.#torrent.pieceLayers, piece);
    return { ...(v1 === undefined ? {} : { v1 }), ...(v2 === undefined ? {} : { v2 }) };
  }
}

interface PieceHashes {
  readonly sha1?: Uint8Array;
  readonly sha256?: Uint8Array;
}

function pretendHashes(seed: number, { format, pieceCount }: TorrentPlan): PieceHashes {
  const rng = seededRng(seed);
  return {
    ...(format === 'v2' ? {} : { sha1: rng.fork('v1').bytes(pieceCount * 20) }),
    ...(format === 'v1' ? {} : { sha256: rng.fork('v2').bytes(pieceCount * HASH_BYTES) }),
  };
}

function hashContent(crypto: CryptoPort, content: Content, plan: TorrentPlan): PieceHashes {
  return {
    ...(plan.format === 'v2' ? {} : { sha1: hashV1(crypto, content, plan) }),
    ...(plan.format === 'v1' ? {} : { sha256: hashV2(crypto, content, plan) }),
  };
}

function hashV1(crypto: CryptoPort, content: Content, plan: TorrentPlan): Uint8Array {
  const { pieceLength, pieceCount, spaceLength } = plan;
  const out = new Uint8Array(pieceCount * 20);
  const whole = new Uint8Array(pieceLength);
  for (let piece = 0; piece < pieceCount; piece++) {
    const bytes = whole.subarray(0, Math.min(pieceLength, spaceLength - piece * pieceLength));
    content.read(piece * pieceLength, bytes);
    out.set(crypto.sha1(bytes), piece * 20);
  }
  return out;
}

/** One hash a piece: piece layers of long files, roots of short ones. */
function hashV2(crypto: CryptoPort, content: Content, plan: TorrentPlan): Uint8Array {
  const merkle = new Merkle(crypto);
  const { pieceLength } = plan;
  const out = new Uint8Array(plan.pieceCount * HASH_BYTES);
  const block = new Uint8Array(BLOCK_LENGTH);
  for (const { file, offset, length } of plan.entries) {
    if (file === undefined) continue;
    const width = length > pieceLength ? pieceLength / BLOCK_LENGTH : nextPow2(leafCount(length));
    for (let at = 0; at < length; at += pieceLength) {
      const leaves = new Uint8Array(leafCount(Math.min(pieceLength, length - at)) * HASH_BYTES);
      for (let i = 0; i < leaves.length / HASH_BYTES; i++) {
        const begin = at + i * BLOCK_LENGTH;
        const bytes = block.subarray(0, Math.min(BLOCK_LENGTH, length - begin));
        content.read(offset + begin, bytes);
        leaves.set(crypto.sha256(bytes), i * HASH_BYTES);
      }
      out.set(merkle.root(leaves, 0, width), ((offset + at) / pieceLength) * HASH_BYTES);
    }
  }
  return out;
}

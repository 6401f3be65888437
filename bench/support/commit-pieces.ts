import { createHash } from 'node:crypto';
import type { InfoHash, Millis, TorrentId } from '#base';
import type { Info } from '#metainfo';
import { type Disk, DiskPool, deliverReply, InlineDisk } from '#node';
import { type DiskInputs, limits } from '#swarm';

const MIB = 1024 * 1024;
/** Bytes at the disk at a time, as a fast download has them. */
const inFlightBytes = 8 * MIB;
const torrent = 1 as TorrentId;

export interface CommitOrder {
  readonly where: 'inline' | 'worker';
  readonly folder: string;
  readonly file: string;
  readonly pieceBytes: number;
  readonly mib: number;
  readonly writeStepBytes?: number;
  /** Keeps a journal of what was written, as clients do. */
  readonly stateDir?: string;
}

/** CPU-seconds a GiB, of this process. */
export interface CommitCost {
  readonly user: number;
  readonly system: number;
  readonly wall: number;
  /** Seconds that the main thread was not idle. */
  readonly main: number;
}

/** Has a disk take the pieces of one file, hash and store them: large ones in segments, as they come in. */
export async function commitPieces(order: CommitOrder): Promise<CommitCost> {
  const { folder, pieceBytes, mib, where, writeStepBytes, stateDir } = order;
  const pieceCount = (mib * MIB) / pieceBytes;
  const options = {
    folderOf: () => folder,
    ...(writeStepBytes === undefined ? {} : { limits: { writeStepBytes } }),
    ...(stateDir === undefined ? {} : { stateDir }),
  };
  const disk: Disk = where === 'inline' ? new InlineDisk(options) : new DiskPool(options);
  const segmentBytes = pieceBytes <= limits.pool.wholePieceBytesMax ? pieceBytes : limits.pool.segmentBytes;
  const perPiece = pieceBytes / segmentBytes;
  const segment = new Uint8Array(segmentBytes);
  for (let i = 0; i < segment.length; i++) segment[i] = Math.imul(i, 2_654_435_761) >>> 24;
  const sha1 = createHash('sha1');
  for (let i = 0; i < perPiece; i++) sha1.update(segment);
  const v1 = new Uint8Array(sha1.digest());
  const free: Uint8Array[] = Array.from({ length: Math.max(1, Math.floor(inFlightBytes / segmentBytes)) }, () =>
    segment.slice(),
  );
  let piece = 0;
  let stored = 0;
  let atDisk = 0;
  let done = 0;
  let finish: () => void = () => {};
  const commit = (last: Uint8Array): void => {
    const segments = [...new Array<undefined>(perPiece - 1).fill(undefined), last];
    disk.commit({ torrent, piece, segments, segmentBytes, expect: { v1 }, blockHashes: false });
    piece++;
    stored = 0;
  };
  const pump = (): void => {
    while (free.length > 0 && piece < pieceCount) {
      // The last one goes with the piece, when all before it are stored.
      if (stored === perPiece - 1) {
        if (atDisk > 0) return;
        commit(free.pop() as Uint8Array);
      } else {
        atDisk++;
        disk.storeSegment(torrent, piece, stored++ * segmentBytes, free.pop() as Uint8Array);
      }
    }
  };
  const inputs: Partial<DiskInputs> = {
    onStoreOpened: () => pump(),
    onSegmentStored: (_now, _torrent, _piece, _offset, bytes, error) => {
      if (error !== undefined) throw error;
      atDisk--;
      free.push(bytes);
      pump();
    },
    onCommitted: (_now, _torrent, _piece, outcome, segments) => {
      if (outcome.kind !== 'ok') throw new Error(JSON.stringify(outcome));
      free.push(segments.at(-1) as Uint8Array);
      if (++done === pieceCount) finish();
      else pump();
    },
  };
  disk.attach((reply) => deliverReply(inputs as DiskInputs, 0 as Millis, reply));
  const cpu = process.cpuUsage();
  const startedAt = performance.now();
  const idle = performance.eventLoopUtilization();
  await new Promise<void>((resolve) => {
    finish = resolve;
    disk.openStore(torrent, { info: infoOf(order, pieceCount), wanted: [true] });
  });
  const used = process.cpuUsage(cpu);
  const scale = mib / 1024;
  const cost = {
    user: used.user / 1e6 / scale,
    system: used.system / 1e6 / scale,
    wall: (performance.now() - startedAt) / 1000,
    main: performance.eventLoopUtilization(idle).active / 1000,
  };
  await disk.close();
  return cost;
}

function infoOf({ file, pieceBytes, mib }: CommitOrder, pieceCount: number): Info {
  return {
    format: 'v1',
    bytes: new Uint8Array(0),
    hashV1: '00'.repeat(20) as InfoHash,
    name: file,
    pieceLength: pieceBytes,
    singleFile: true,
    files: [{ index: 0, path: [file], length: mib * MIB, offset: 0, executable: false, hidden: false }],
    spaceLength: mib * MIB,
    pieceCount,
    totalLength: mib * MIB,
    isPrivate: false,
  };
}

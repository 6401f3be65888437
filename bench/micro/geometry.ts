/**
 * Cost of piece arithmetic where it is dearest: a hybrid of 50,000 small files, so that every call searches. A downloader asks for
 * `blockBytes` once a block, 65,536 times a GiB.
 */
import { Bench } from 'tinybench';
import type { InfoHash } from '#base';
import { FileMap, Geometry, type Info } from '#metainfo';

const fileCount = 50_000;
const pieceLength = 65_536;

function madeInfo(): Info {
  const files = Array.from({ length: fileCount }, (_, index) => ({
    index,
    path: ['x', `${index}`],
    length: 20_000 + (index % 20_000),
    offset: index * pieceLength,
    executable: false,
    hidden: false,
  }));
  return {
    format: 'hybrid',
    bytes: new Uint8Array(),
    hashV1: '00'.repeat(20) as InfoHash,
    name: 'x',
    pieceLength,
    singleFile: false,
    files,
    spaceLength: fileCount * pieceLength,
    pieceCount: fileCount,
    totalLength: files.reduce((sum, f) => sum + f.length, 0),
    isPrivate: false,
  };
}

export async function run(): Promise<void> {
  const info = madeInfo();
  const geometry = new Geometry(info);
  const map = new FileMap(info);
  let sum = 0;
  const bench = new Bench({ name: 'geometry, 50,000 files', time: 500 });
  bench.add('build Geometry', () => void (sum += new Geometry(info).pieceCount));
  bench.add('blockBytes of 65,536 blocks', () => {
    for (let i = 0; i < 65_536; i++) sum += geometry.blockBytes((i * 7919) % fileCount, i & 3);
  });
  bench.add('dataBytes of all pieces', () => {
    for (let piece = 0; piece < fileCount; piece++) sum += geometry.dataBytes(piece);
  });
  bench.add('spans of 1,000 pieces', () => {
    for (let i = 0; i < 1000; i++) sum += map.spans(((i * 7919) % fileCount) * pieceLength, pieceLength).length;
  });
  await bench.run();
  console.table(bench.table());
  if (sum === 0) throw new Error('nothing was computed');
}

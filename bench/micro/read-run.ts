import { mkdtempSync, openSync, rmSync, writeSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import type { InfoHash, Millis, TorrentId } from '#base';
import type { Info } from '#metainfo';
import { type Disk, DiskPool, deliverReply, InlineDisk } from '#node';
import { type DiskInputs, framedLength } from '#swarm';
import { readCountsInOrder } from '../support/arguments.ts';

const MIB = 1024 * 1024;
const inFlight = 8;
const torrent = 1 as TorrentId;

/**
 * What it costs to read stored pieces as ready-made messages, from the page cache: CPU-seconds a GiB by length of run and by where it
 * is done; in one file, and in files of 40 KB, where a run is gathered from several.
 *
 *     npm run bench -- read-run [MIB]
 */
export async function run(args: readonly string[]): Promise<void> {
  const [mib] = readCountsInOrder(args, [1024]);
  const rows: Record<string, Record<string, number>> = {};
  for (const fileBytes of [mib * MIB, 40_000]) {
    const total = fileBytes > MIB ? mib * MIB : 64 * MIB;
    const folder = mkdtempSync(join(tmpdir(), 'eider-bench-'));
    try {
      const info = makeFiles(folder, fileBytes, total);
      for (const runBytes of [16_384, 262_144, MIB]) {
        for (const where of ['inline', 'worker'] as const) {
          const what = `${fileBytes > MIB ? 'one file' : 'files of 40 KB'}, runs of ${runBytes / 1024} KiB, ${where}`;
          const options = { folderOf: () => folder };
          const disk = where === 'inline' ? new InlineDisk(options) : new DiskPool(options);
          const readAll = await openReader(disk, info, runBytes);
          await readAll();
          rows[what] = await measure(total, readAll);
          await disk.close();
        }
      }
    } finally {
      rmSync(folder, { recursive: true, force: true });
    }
  }
  console.table(rows);
}

async function measure(bytes: number, work: () => Promise<void>): Promise<Record<string, number>> {
  let best: Record<string, number> = { 'CPU-s/GiB': Number.POSITIVE_INFINITY };
  for (let i = 0; i < 3; i++) {
    const cpu = process.cpuUsage();
    const startedAt = performance.now();
    await work();
    const used = process.cpuUsage(cpu);
    const perGib = 2 ** 30 / bytes;
    const round = (n: number): number => Math.round(n * 1000) / 1000;
    const row = {
      'CPU-s/GiB': round(((used.user + used.system) / 1e6) * perGib),
      system: round((used.system / 1e6) * perGib),
      'wall s/GiB': round(((performance.now() - startedAt) / 1000) * perGib),
    };
    if (row['CPU-s/GiB'] < (best['CPU-s/GiB'] as number)) best = row;
  }
  return best;
}

/** Opens the store. @returns a function that reads everything once */
async function openReader(disk: Disk, info: Info, runBytes: number): Promise<() => Promise<void>> {
  let onOpened: () => void = () => {};
  let onRun: (bytes: Uint8Array) => void = () => {};
  const inputs: Partial<DiskInputs> = {
    onStoreOpened: () => onOpened(),
    onRun: (_now, _torrent, _run, bytes, error) => {
      if (error !== undefined) throw error;
      onRun(bytes);
    },
  };
  disk.attach((reply) => deliverReply(inputs as DiskInputs, 0 as Millis, reply));
  await new Promise<void>((resolve) => {
    onOpened = resolve;
    disk.openStore(torrent, { info, wanted: info.files.map(() => true) });
  });
  const buffers: Uint8Array[] = Array.from({ length: inFlight }, () => new Uint8Array(framedLength(runBytes)));
  return () => {
    let next = 0;
    let done = 0;
    const count = Math.floor(info.spaceLength / runBytes);
    return new Promise<void>((resolve) => {
      const ask = (into: Uint8Array): void => {
        if (next >= count) return;
        const at = next++ * runBytes;
        disk.readRun(torrent, 0, Math.floor(at / info.pieceLength), at % info.pieceLength, runBytes, into);
      };
      onRun = (bytes) => {
        buffers.push(bytes);
        if (++done === count) resolve();
        else ask(buffers.pop() as Uint8Array);
      };
      for (const buffer of buffers.splice(0)) ask(buffer);
    });
  };
}

function makeFiles(folder: string, fileBytes: number, total: number): Info {
  const block = Buffer.alloc(MIB, 7);
  const files: Info['files'][number][] = [];
  for (let offset = 0; offset < total; offset += fileBytes) {
    const length = Math.min(fileBytes, total - offset);
    const index = files.length;
    const fd = openSync(join(folder, `${index}`), 'w');
    for (let at = 0; at < length; ) at += writeSync(fd, block, 0, Math.min(MIB, length - at));
    files.push({ index, path: [`${index}`], length, offset, executable: false, hidden: false });
  }
  return {
    format: 'v1',
    bytes: new Uint8Array(0),
    hashV1: '00'.repeat(20) as InfoHash,
    name: 'x',
    pieceLength: MIB,
    singleFile: false,
    files,
    spaceLength: total,
    pieceCount: Math.ceil(total / MIB),
    totalLength: total,
    isPrivate: false,
  };
}

import assert from 'node:assert/strict';
import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import { equalBytes, type TorrentId } from '#base';
import { FileMap, Geometry, type Info, v1PieceHash } from '#metainfo';
import { DiskHost } from '#room/node/disk/disk-host';
import type { DiskReply, DiskRequest } from '#room/node/disk/protocol';
import { type SystemCalls, systemCalls } from '#room/node/disk/system-calls';
import { decodeResume } from '#room/swarm/resume';
import { type FileVerdict, judgeResume } from '#room/swarm/resume-judge';
import { nodeCrypto } from './node-crypto.ts';

const id = 1 as TorrentId;

/** What lies on a disk of a torrent, and where it is remembered. */
export interface DownloadPlace {
  readonly info: Info;
  readonly wanted: readonly boolean[];
  readonly folder: string;
  readonly stateDir: string;
}

export interface Believed {
  /** Pieces that the next process takes for stored without hashing them. */
  readonly trusted: readonly number[];
  /** Pieces that it will hash. */
  readonly recheck: readonly number[];
  readonly hadRecord: boolean;
  /** Why, file by file. */
  readonly notes: readonly FileVerdict[];
}

/** The disk's side of a process, one request after the other. */
export class HostProbe {
  readonly #host: DiskHost;
  #last: DiskReply | undefined;
  readonly #steps: (() => void)[] = [];

  constructor(stateDir: string, calls: SystemCalls = systemCalls) {
    const later = (step: () => void) => this.#steps.push(step);
    this.#host = new DiskHost({ stateDir, calls, reply: (r) => (this.#last = r), later });
  }

  /** Does what is to be done in the background. @returns the last answer */
  finish(): DiskReply {
    for (let step = this.#steps.shift(); step !== undefined; step = this.#steps.shift()) step();
    return this.#last as DiskReply;
  }

  ask(request: DiskRequest): DiskReply {
    this.#host.handle(request);
    return this.#last as DiskReply;
  }
}

/**
 * Asks what the next process would believe of a v1 torrent, and hashes every piece of it: from the files themselves where they have all of
 * it, through the store where a share lies in the part file.
 */
export function readBelieved(place: DownloadPlace, calls: SystemCalls = systemCalls): Believed {
  const { info, wanted } = place;
  const probe = new HostProbe(place.stateDir, calls);
  const reply = probe.ask({ verb: 'open', torrent: id, info, wanted, folder: place.folder });
  assert.ok(reply.verb === 'open' && reply.result.kind === 'ok', JSON.stringify(reply));
  const { resume, files, partFile, wallMs } = reply.result;
  let believed: Believed = { trusted: [], recheck: [], hadRecord: false, notes: [] };
  if (resume !== undefined) {
    const data = decodeResume(resume.bytes);
    const verdict = judgeResume({ saved: resume, data, info, files, partFile, wanted, wallMs });
    const recheck = verdict.recheck.flatMap((r) => Array.from({ length: r.end - r.first }, (_, i) => r.first + i));
    believed = { trusted: [...verdict.trusted], recheck, hadRecord: true, notes: verdict.notes };
  }
  for (const piece of believed.trusted) {
    const bytes = readFromFiles(place, piece) ?? readFromStore(probe, new Geometry(info), piece);
    const expected = v1PieceHash(info, piece) as Uint8Array;
    assert.ok(equalBytes(nodeCrypto.sha1(bytes), expected), `piece ${piece} is believed, and bad`);
  }
  probe.ask({ verb: 'close', torrent: id });
  return believed;
}

function readFromFiles({ info, wanted, folder }: DownloadPlace, piece: number): Uint8Array | undefined {
  const start = piece * info.pieceLength;
  const out = new Uint8Array(Math.min(info.pieceLength, info.spaceLength - start));
  let at = 0;
  for (const span of new FileMap(info).spans(start, out.length)) {
    if (span.file < 0) {
      at += span.length;
      continue;
    }
    if (wanted[span.file] === false) return undefined;
    const bytes = readFileSync(join(folder, ...(info.files[span.file]?.path ?? [])));
    out.set(bytes.subarray(span.fileOffset, span.fileOffset + span.length), at);
    at += span.length;
  }
  return out;
}

function readFromStore(probe: HostProbe, geometry: Geometry, piece: number): Uint8Array {
  const length = geometry.pieceBytes(piece);
  const into = new Uint8Array(length + Math.ceil(length / 16_384) * 13);
  const run = probe.ask({ verb: 'run', torrent: id, run: 1, piece, begin: 0, length, into });
  assert.ok(run.verb === 'run' && run.error === undefined, `piece ${piece} cannot be read: ${JSON.stringify(run)}`);
  const out = new Uint8Array(length);
  for (let at = 0, from = 13; at < length; at += 16_384, from += 16_384 + 13) {
    out.set(run.into.subarray(from, from + Math.min(16_384, length - at)), at);
  }
  return out;
}

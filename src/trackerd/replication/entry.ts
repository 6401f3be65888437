import { BtError, readU32, writeU32 } from '../../base/index.ts';

/**
 * One entry of a stream of deltas, big-endian:
 *
 *      0  u8 version (1)     1  u8 kind     2  u16 0
 *      4  u32 sequence number: 1, 2, 3 … of this node in this stream
 *      8  u32 age in milliseconds of the oldest delta when the entry was sent
 *     12  node[8], random for every start of a tracker
 *     20  body: deltas (kind 0), or the JSON of a `SnapshotNotice` (kind 1)
 *
 * Age and not time: the only clock that all trackers share is that of Redis, which puts its own time into the entry's id. Sequence
 * numbers make an entry that was sent twice count once, and an entry that is missing known.
 */
export const entryHeaderBytes = 20;
const VERSION = 1;

export type EntryKind = 'deltas' | 'snapshot';

export interface EntryHeader {
  readonly kind: EntryKind;
  readonly sequence: number;
  readonly ageMs: number;
  /** 16 hex digits. */
  readonly node: string;
}

/** Writes the header in front of a body that is in its place. */
export function writeEntryHeader(entry: Uint8Array, h: EntryHeader): void {
  entry[0] = VERSION;
  entry[1] = h.kind === 'deltas' ? 0 : 1;
  entry[2] = 0;
  entry[3] = 0;
  writeU32(entry, 4, h.sequence);
  writeU32(entry, 8, Math.min(Math.max(0, Math.round(h.ageMs)), 0xffff_ffff));
  for (let i = 0; i < 8; i++) entry[12 + i] = Number.parseInt(h.node.slice(i * 2, i * 2 + 2), 16);
}

/** @throws BtError `wire/truncated`, `wire/invalid` */
export function readEntryHeader(entry: Uint8Array): EntryHeader {
  const message = 'entry of a stream of deltas';
  if (entry.length < entryHeaderBytes) {
    throw new BtError('wire/truncated', { message, neededBytes: entryHeaderBytes, gotBytes: entry.length });
  }
  if (entry[0] !== VERSION) throw new BtError('wire/invalid', { message, what: `version ${entry[0]}` });
  const kind = entry[1] as number;
  if (kind > 1) throw new BtError('wire/invalid', { message, what: `kind ${kind}` });
  const sequence = readU32(entry, 4);
  if (sequence === 0) throw new BtError('wire/invalid', { message, what: 'sequence number 0' });
  let node = '';
  for (let i = 12; i < 20; i++) node += (entry[i] as number).toString(16).padStart(2, '0');
  return { kind: kind === 0 ? 'deltas' : 'snapshot', sequence, ageMs: readU32(entry, 8), node };
}

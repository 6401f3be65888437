import assert from 'node:assert/strict';
import { type Millis, toHex } from '#base';
import { entryHeaderBytes, readEntryHeader, writeEntryHeader } from '#room/trackerd/replication/entry';
import { parseMember } from '#room/trackerd/replication/members';
import { parseNotice, toPosition } from '#room/trackerd/replication/snapshots';
import { compareStreamIds, formatStreamId, parseStreamId } from '#room/trackerd/replication/stream-id';
import { AnnounceCall, checkDeltas, DeltaLog, DeltaReader } from '#tracker';
import { type FuzzTarget, magnitude, refusal, textOf, utf8 } from '../support/target.ts';

/** Tells the batch again, as another tracker would that heard it as announces. */
function tellAgain(bytes: Uint8Array): number {
  const reader = new DeltaReader();
  const call = new AnnounceCall();
  const batches: Uint8Array[] = [];
  const log = new DeltaLog({ streamCount: 1, batchBytesMax: 60_000, onBatch: (batch) => batches.push(batch.bytes) });
  let count = 0;
  reader.open(bytes, 0);
  for (let end = 0; reader.next(); count++) {
    assert.equal(reader.deltaAt, end, 'one after the other');
    end = reader.deltaEnd;
    const { hashBytes, hashAt, peerBytes, peerAt, network, port, isSeeder, event } = reader;
    Object.assign(call, { hashBytes, hashAt, peerBytes, peerAt, network, port, event });
    call.left = isSeeder ? 0 : 1;
    log.postAnnounce(call, 1 as Millis);
  }
  log.flush(1e6 as Millis, 0);
  const told = batches.reduce((sum, batch) => sum + checkDeltas(batch), 0);
  assert.ok(told <= count);
  return count;
}

function readTexts(text: string): string {
  const id = parseStreamId(text);
  if (id !== undefined) assert.equal(compareStreamIds(parseStreamId(formatStreamId(id))!, id), 0);
  const notice = parseNotice(text);
  if (notice !== undefined) {
    assert.deepEqual(parseNotice(JSON.stringify(notice)), notice);
    assert.equal(toPosition(notice).ids.length, notice.ids.length);
  }
  const member = parseMember(text);
  if (member !== undefined) {
    assert.ok(member.name.length <= 200);
    assert.deepEqual(parseMember(JSON.stringify(member)), member);
  }
  return `${id !== undefined} ${notice !== undefined} ${member !== undefined}`;
}

function readEntry(entry: Uint8Array): string {
  try {
    const header = readEntryHeader(entry);
    const again = entry.slice();
    writeEntryHeader(again, header);
    again.set(entry.subarray(2, 4), 2);
    assert.equal(toHex(again), toHex(entry));
    return header.kind;
  } catch (error) {
    return refusal(error, 'wire/truncated', 'wire/invalid');
  }
}

export const target: FuzzTarget = {
  about:
    'what trackers tell each other: entries, batches of deltas, notices, members; passed or refused, nothing else thrown',
  form: 'bytes',
  files: ['tracker/deltas', 'trackerd/replication/entry', 'trackerd/replication/stream-id'],
  parsers: [
    'tracker/deltas DeltaReader',
    'trackerd/replication/stream-id parseStreamId',
    'trackerd/replication/members parseMember',
    'trackerd/replication/members parseJson',
    'trackerd/replication/snapshots parseNotice',
  ],
  bytesMax: 1_000,
  tokens: [
    new Uint8Array(entryHeaderBytes).fill(1),
    '"ids":[',
    '"sequences":{',
    '"0123456789abcdef"',
    '{"toString":1}',
    '"state":"live"',
    '"name":"x"',
    '1-2',
  ],
  seeds: () => [
    utf8('17-3'),
    utf8(
      JSON.stringify({
        id: '0123456789abcdef',
        node: 'n',
        takenMs: 5,
        chunkCount: 1,
        ids: ['1-2', 'x'],
        sequences: { '0123456789abcdef': [1, 2] },
      }),
    ),
    utf8(
      JSON.stringify({
        name: 'n',
        state: 'live',
        atMs: 1,
        startedMs: 2,
        lagMs: 3,
        swarmCount: 4,
        peerCount: 5,
        isTold: true,
      }),
    ),
    Uint8Array.of(2, ...new Uint8Array(24).fill(9), 0, 80, 1, ...new Uint8Array(36).fill(8), 0, 80),
  ],
  make(rng) {
    const deltas = Array.from({ length: rng.below(6) }, () => {
      const flags = [0, 1, 2, 3, 4, 5, 6, 7, 10, 11, 8, 16][rng.below(12)]!;
      const bytes = rng.bytes(flags & 1 ? 39 : 27);
      bytes.fill(rng.below(3), 1, 25);
      bytes[0] = flags;
      return bytes;
    });
    return new Uint8Array(Buffer.concat(deltas));
  },
  run(input) {
    const texts = readTexts(textOf(input));
    let deltas: string;
    try {
      const count = checkDeltas(input);
      assert.equal(tellAgain(input), count);
      deltas = magnitude(count);
    } catch (error) {
      deltas = refusal(error, 'wire/truncated', 'wire/invalid');
    }
    return `${texts} ${deltas} ${readEntry(input)}`;
  },
};

import assert from 'node:assert/strict';
import { test } from 'node:test';
import { BtError, type ConnId, type Millis, type TorrentId } from '#base';
import type { SwarmContext } from '#room/swarm/context';
import { limits } from '#room/swarm/limits';
import { Peer } from '#room/swarm/peer';
import type { SwarmPorts } from '#room/swarm/ports';
import { framedLength, type Run, RunCache, runLength, unframe } from '#room/swarm/run-cache';
import { Uploader } from '#room/swarm/uploader';
import { sceneTorrent } from '../../support/scene.ts';

const torrent = 1 as TorrentId;
const other = 2 as TorrentId;
const conn = 1 as ConnId;
const frame = framedLength(runLength);
const pieceBytes = 1_048_576;

interface Reading {
  readonly id: number;
  readonly torrent: TorrentId;
  readonly length: number;
  readonly bytes: Uint8Array;
}

/** A cache of so many buffers, whose disk answers when it is told to. */
function makeCache(buffers: number) {
  const reading: Reading[] = [];
  const written: { conn: ConnId; bytes: Uint8Array; ticket: number }[] = [];
  const ports = {
    readRun: (id: TorrentId, run: number, _piece: number, _begin: number, length: number, into: Uint8Array) =>
      reading.push({ id: run, torrent: id, length, bytes: into }),
    writePayload: (to: ConnId, bytes: Uint8Array, ticket: number) => written.push({ conn: to, bytes, ticket }),
    write: () => {},
  } as unknown as SwarmPorts;
  const cache = new RunCache(ports, buffers * frame);
  /** The disk has read the oldest: every block full of its number. */
  const answer = (error?: BtError) => {
    const { id, length, bytes } = reading.shift() as Reading;
    for (let block = 0; block * 16_384 < length; block++) {
      bytes.fill(block + 1, framedLength(block * 16_384) + 13, framedLength(Math.min(length, (block + 1) * 16_384)));
    }
    cache.onRun(id, bytes, error);
  };
  const read = (piece: number, begin = 0, of = torrent) => cache.read(of, { piece, begin, pieceBytes });
  return { cache, reading, written, answer, read };
}

test('a run is read once, from its border on, and is found by every byte in it', () => {
  const { cache, reading, answer, read } = makeCache(4);
  const run = read(3, runLength + 5) as Run;
  assert.deepEqual([run.begin, run.length, reading[0]?.length], [runLength, runLength, runLength]);
  assert.equal(cache.find(torrent, 3, runLength), run);
  assert.equal(cache.find(torrent, 3, 2 * runLength - 1), run);
  assert.equal(cache.find(torrent, 3, 2 * runLength), undefined);
  assert.equal(cache.find(other, 3, runLength), undefined);
  const isHere = () => run.bytes?.length === frame;
  assert.equal(isHere(), false);
  answer();
  assert.equal(isHere(), true);
});

test('the last run of a piece is as long as what is left', () => {
  const { cache, reading } = makeCache(4);
  cache.read(torrent, { piece: 0, begin: 3 * runLength, pieceBytes: 3 * runLength + 20_000 });
  assert.equal(reading[0]?.length, 20_000);
});

test('blocks are sent as they lie, each with its header; without headers they are the payload', () => {
  const { cache, written, answer, read } = makeCache(4);
  const run = read(0) as Run;
  answer();
  const { ticket, framed } = cache.send(conn, run, 16_384, 3 * 16_384);
  assert.equal(framed, 2 * (16_384 + 13));
  const view = written[0]?.bytes as Uint8Array;
  assert.deepEqual([view.length, view[13], view[13 + 16_384 + 13]], [framed, 2, 3]);
  const header = (begin: number) => [0, 0, 0x40, 9, 7, 0, 0, 0, 0, 0, 0, begin >> 8, 0];
  assert.deepEqual([...view.subarray(0, 13)], header(16_384));
  assert.deepEqual([...view.subarray(16_397, 16_410)], header(32_768));
  assert.equal(view.buffer, run.bytes?.buffer);
  const payload = unframe(run);
  assert.deepEqual([payload.length, payload[0], payload[16_384], payload[runLength - 1]], [runLength, 1, 2, 16]);
  assert.equal(cache.release(ticket), framed);
  assert.throws(() => cache.release(ticket), /comes back once/);
});

test('the run not used for longest makes way, one at a socket or being read never', () => {
  const { cache, answer, read } = makeCache(3);
  for (const piece of [0, 1, 2]) read(piece);
  assert.equal(read(3), undefined, 'all are being read');
  for (let i = 0; i < 3; i++) answer();
  const { ticket } = cache.send(conn, cache.find(torrent, 0, 0) as Run, 0, 16_384);
  cache.find(torrent, 1, 0);
  assert.ok(read(3));
  answer();
  assert.equal(cache.find(torrent, 2, 0), undefined);
  assert.ok(cache.find(torrent, 0, 0) && cache.find(torrent, 1, 0));
  cache.release(ticket);
  // Touched last: 1, then 0 before it.
  cache.find(torrent, 3, 0);
  cache.find(torrent, 1, 0);
  assert.ok(read(4));
  assert.equal(cache.find(torrent, 0, 0), undefined);
});

test('no more than so many reads are under way at once', () => {
  const { answer, read } = makeCache(100);
  for (let piece = 0; piece < limits.upload.runReadsMax; piece++) assert.ok(read(piece));
  assert.equal(read(99), undefined);
  answer();
  assert.ok(read(99));
});

test('who waits for room is told once, when something has come back', () => {
  const { cache, answer, read } = makeCache(1);
  read(0);
  let told = 0;
  cache.whenRoom(() => told++);
  answer();
  assert.equal(told, 1);
  const { ticket } = cache.send(conn, cache.find(torrent, 0, 0) as Run, 0, 16_384);
  cache.whenRoom(() => told++);
  cache.release(ticket);
  cache.whenRoom(() => {});
  assert.equal(told, 2);
});

test('who waits for a run hears of it, and of an error', () => {
  const { cache, answer, read } = makeCache(2);
  const heard: (string | undefined)[] = [];
  (read(0) as Run).waiting.push((error) => heard.push(error?.code));
  (read(1) as Run).waiting.push((error) => heard.push(error?.code));
  answer();
  answer(new BtError('disk/io', { path: 'x', what: 'no' }));
  assert.deepEqual(heard, [undefined, 'disk/io']);
  assert.ok(cache.find(torrent, 0, 0));
  assert.equal(cache.find(torrent, 1, 0), undefined);
  assert.ok(read(1) && read(2), 'its buffer is free again');
});

test('what is forgotten while it is read or lent gives its buffer back when it returns', () => {
  const { cache, answer, read } = makeCache(3);
  read(0);
  answer();
  read(1);
  answer();
  const { ticket } = cache.send(conn, cache.find(torrent, 1, 0) as Run, 0, 16_384);
  read(2);
  assert.equal(cache.lentBytes, 3 * frame);
  cache.forget(torrent);
  assert.equal(cache.lentBytes, 2 * frame);
  for (const piece of [0, 1, 2]) assert.equal(cache.find(torrent, piece, 0), undefined);
  answer();
  cache.release(ticket);
  assert.equal(cache.lentBytes, 0);
  assert.equal(cache.lentViews, 0);
});

test('one torrent’s runs, or one piece’s, are forgotten alone', () => {
  const { cache, answer, read } = makeCache(3);
  for (const [piece, of] of [
    [0, torrent],
    [1, torrent],
    [0, other],
  ] as const) {
    read(piece, 0, of);
    answer();
  }
  cache.forgetPiece(torrent, 0);
  assert.equal(cache.find(torrent, 0, 0), undefined);
  assert.ok(cache.find(torrent, 1, 0) && cache.find(other, 0, 0));
  cache.forget(other);
  assert.ok(cache.find(torrent, 1, 0));
  assert.equal(cache.find(other, 0, 0), undefined);
});

test('one connection holds a few runs; of others it gets copies', () => {
  const { cache, written, answer, read } = makeCache(10);
  const tickets: number[] = [];
  for (let piece = 0; piece < 8; piece++) {
    const run = read(piece) as Run;
    answer();
    for (const begin of [0, 16_384]) tickets.push(cache.send(conn, run, begin, begin + 16_384).ticket);
  }
  const isCopy = (i: number) => (written[i]?.bytes.buffer.byteLength as number) < frame;
  assert.deepEqual(
    written.map((_, i) => isCopy(i)),
    [...new Array(8).fill(false), ...new Array(8).fill(true)],
  );
  assert.equal(written[15]?.bytes[13], 2);
  cache.send(2 as ConnId, cache.find(torrent, 7, 0) as Run, 0, 16_384);
  assert.equal(isCopy(16), false);
  for (const ticket of tickets) cache.release(ticket);
  cache.send(conn, cache.find(torrent, 7, 0) as Run, 0, 16_384);
  assert.equal(isCopy(17), false);
});

test('what is read ahead does not push out what is to be sent', () => {
  const { cache, written, answer, reading } = makeCache(2);
  const { geometry } = sceneTorrent({ files: 8 * 262_144, pieceLength: 262_144, isPretended: true });
  const serving = new Set<Peer>();
  const ctx = {
    now: 0 as Millis,
    torrent,
    host: {
      runs: cache,
      uploadAllowance: () => Number.POSITIVE_INFINITY,
      tookUpload: () => {},
      inTorrent: (_: unknown, run: () => void) => run(),
    },
    serve: (peer: Peer) => serving.add(peer),
    flush: () => {},
  };
  const uploader = new Uploader(ctx as unknown as SwarmContext, { geometry, have: { has: () => true } as never });
  const peer = new Peer({
    conn,
    address: { host: '10.0.0.1', port: 1 },
    incoming: true,
    id: new Uint8Array(20),
    client: '',
    flags: { extensions: false, fast: false, dht: false, v2: false },
    key: '10.0.0.1',
    now: 0 as Millis,
    pieceCount: geometry.pieceCount,
  });
  peer.amChoking = false;
  for (let piece = 0; piece < 8; piece++) uploader.onRequest(peer, { piece, begin: 0, length: 16_384 });
  for (let turn = 0; turn < 100 && written.length < 8; turn++) {
    for (const hungry of [...serving]) {
      serving.delete(hungry);
      uploader.serve(hungry);
    }
    if (reading.length > 0) answer();
    // The socket is fast.
    for (const { ticket } of written) if (peer.lent.has(ticket)) uploader.onWritten(peer, ticket);
  }
  assert.equal(written.length, 8);
});

test('copies at sockets have one budget, and whoever waits for it is told when one has left', () => {
  const { cache, written, answer, read } = makeCache(limits.upload.heldRunsMax + 1);
  const runs: Run[] = [];
  for (let i = 0; i <= limits.upload.heldRunsMax; i++) {
    runs.push(read(0, i * runLength) as Run);
    answer();
  }
  const last = runs.pop() as Run;
  for (const run of runs) cache.send(conn, run, run.begin, run.begin + run.length);
  const copy = new Uint8Array(1_048_576);
  for (let i = 0; i * copy.length < limits.upload.copyBytesMax; i++) {
    assert.equal(cache.maySend(conn, undefined), true);
    cache.sendCopy(conn, copy);
  }
  assert.equal(cache.maySend(conn, undefined), false);
  // A run that it has views of already may go, one more would be a copy; another connection may have it as a view.
  assert.equal(cache.maySend(conn, runs[0]), true);
  assert.equal(cache.maySend(conn, last), false);
  assert.equal(cache.maySend(2 as ConnId, last), true);
  let told = 0;
  cache.whenRoom(() => told++);
  cache.release(written.at(-1)?.ticket as number);
  assert.equal(told, 1);
  assert.equal(cache.maySend(conn, undefined), true);
});

import assert from 'node:assert/strict';
import { Bitfield, type ConnId, concatBytes, type Millis, seededRng, toHex } from '#base';
import { HASH_BYTES } from '#metainfo';
import { HashBook } from '#room/swarm/hash-book';
import { HashServer, type LateAnswer } from '#room/swarm/hash-server';
import { readBlock } from '#sim';
import { type HashRange, isSoundHashRange } from '#wire';
import { nodeCrypto } from '../../test/support/node-crypto.ts';
import { sceneTorrent } from '../../test/support/scene.ts';
import { Tape } from '../support/tape.ts';
import { type FuzzTarget, magnitude } from '../support/target.ts';

const made = sceneTorrent({ files: [900_000, 0, 20_000, 266_000, 66_000], format: 'v2', pieceLength: 32_768 });
const { torrent, geometry } = made;
const { info } = torrent;
const leaves = Array.from({ length: geometry.pieceCount }, (_, piece) => leavesOf(piece));

function leavesOf(piece: number): Uint8Array {
  const blocks: Uint8Array[] = [];
  for (let b = 0; b < geometry.blockCount(piece); b++) {
    const bytes = geometry.blockBytes(piece, b);
    if (bytes > 0) blocks.push(nodeCrypto.sha256(readBlock(made, piece, b * 16_384, bytes)));
  }
  return concatBytes(blocks);
}

/** One side that has everything, and one that has nothing and asks several peers, some of whom lie. */
class Play {
  readonly #tape: Tape;
  readonly #server = new HashServer({
    book: new HashBook({ info, geometry, crypto: nodeCrypto, layers: torrent.pieceLayers }),
    geometry,
  });
  readonly #book = new HashBook({ info, geometry, crypto: nodeCrypto });
  readonly #have = Bitfield.full(geometry.pieceCount);
  readonly #rng;
  readonly #asked: { conn: ConnId; range: HashRange }[] = [];
  readonly #reading = new Set<number>();
  readonly seen = new Set<string>();
  #now = 0;
  #waiting = 0;

  constructor(tape: Tape) {
    this.#tape = tape;
    this.#rng = seededRng(tape.byte());
  }

  move(): void {
    const tape = this.#tape;
    const conn = (1 + tape.below(3)) as ConnId;
    switch (tape.below(8)) {
      case 0:
      case 1: {
        const ranges = this.#book.nextRequests(this.#now as Millis, conn, () => true);
        for (const range of ranges) {
          assert.ok(isSoundHashRange(range), 'we ask for what may be asked for');
          this.#asked.push({ conn, range });
        }
        return;
      }
      case 2:
      case 3:
        return this.#answer();
      case 4:
        return this.#request(conn);
      case 5:
        return this.#readLeaves();
      case 6:
        this.#now += tape.pick([1, 1_000, 61_000]);
        return;
      default:
        this.#server.onClosed(conn);
        this.#book.onClosed(conn);
        for (let i = this.#asked.length - 1; i >= 0; i--) if (this.#asked[i]!.conn === conn) this.#asked.splice(i, 1);
        return;
    }
  }

  /** To one of our own requests: honestly, with a wrong bit, too short, or not at all. */
  #answer(): void {
    const tape = this.#tape;
    const [asked] = this.#asked.splice(tape.below(4), 1);
    if (asked === undefined) return;
    const { conn, range } = asked;
    const answer = this.#server.onRequest(9 as ConnId, range, this.#have);
    assert.equal(answer.kind, 'hashes', 'piece layers need no leaves');
    if (answer.kind !== 'hashes') return;
    const how = tape.below(4);
    if (how === 0) {
      this.#book.onReject(this.#now as Millis, conn, range);
      this.seen.add('rejected');
      return;
    }
    const hashes = how === 1 ? answer.hashes.slice(0, -HASH_BYTES * tape.below(3)) : answer.hashes.slice();
    if (how === 2) hashes[tape.below(hashes.length)]! ^= 1 << tape.below(8);
    const isSame = toHex(hashes) === toHex(answer.hashes);
    const outcome = this.#book.onHashes(conn, range, hashes);
    // Who takes too long is asked no more: another was, or it is known by now.
    if (outcome.kind !== 'unasked') assert.equal(outcome.kind === 'accepted', isSame, 'only the truth is believed');
    this.seen.add(outcome.kind);
  }

  /** Of a peer to us: anything. */
  #request(conn: ConnId): void {
    const tape = this.#tape;
    const roots = info.files.flatMap(({ piecesRoot }) => (piecesRoot === undefined ? [] : [piecesRoot]));
    const range: HashRange = {
      root: tape.below(8) === 0 ? this.#rng.bytes(32) : tape.pick(roots),
      baseLayer: tape.below(8),
      index: tape.below(3) === 0 ? tape.u32() : tape.below(64),
      length: tape.pick([0, 1, 2, 4, 8, 16, 32, 64, 512, 1_024, 0xffff_ffff]),
      proofLayers: tape.below(10) === 0 ? tape.u32() : tape.below(8),
    };
    const answer = this.#server.onRequest(conn, range, this.#have);
    this.seen.add(answer.kind);
    if (answer.kind === 'hashes') this.#check(range, answer.hashes);
    if (answer.kind !== 'wait') return;
    this.#waiting++;
    for (const piece of answer.hashLeavesOf) {
      assert.ok(!this.#reading.has(piece), 'a piece is read once for all who wait');
      this.#reading.add(piece);
    }
  }

  #readLeaves(): void {
    const piece = [...this.#reading][this.#tape.below(3)];
    if (piece !== undefined) this.#give(piece, this.#tape.below(4));
  }

  #give(piece: number, how: number): void {
    this.#reading.delete(piece);
    const bytes = leaves[piece]!.slice();
    if (how === 1) bytes[3]! ^= 4;
    const late: LateAnswer[] = this.#server.onLeaves(piece, how === 0 ? undefined : bytes);
    for (const { range, hashes } of late) {
      this.#waiting--;
      if (hashes !== undefined) this.#check(range, hashes);
      this.seen.add(hashes === undefined ? 'late reject' : 'late');
    }
  }

  /** A whole layer of a file must lead to its root. */
  #check(range: HashRange, hashes: Uint8Array): void {
    assert.ok(isSoundHashRange(range));
    assert.equal(hashes.length % HASH_BYTES, 0);
    assert.ok(hashes.length <= (range.length + range.proofLayers) * HASH_BYTES);
  }

  end(): string {
    for (const piece of [...this.#reading]) this.#give(piece, 2);
    for (const conn of [1, 2, 3]) this.#server.onClosed(conn as ConnId);
    // Asked honestly, it comes to an end.
    for (let i = 0; i < 200 && !this.#book.isComplete; i++) {
      this.#now += 61_000;
      for (const range of this.#book.nextRequests(this.#now as Millis, (50 + i) as ConnId, () => true)) {
        const answer = this.#server.onRequest(9 as ConnId, range, this.#have);
        assert.ok(answer.kind === 'hashes');
        assert.equal(this.#book.onHashes((50 + i) as ConnId, range, answer.hashes).kind, 'accepted');
      }
    }
    assert.ok(this.#book.isComplete);
    const layers = this.#book.layers();
    for (const [root, layer] of torrent.pieceLayers) assert.equal(toHex(layers.get(root)!), toHex(layer));
    return `${magnitude(this.#waiting)} ${[...this.seen].sort().join(' ')}`;
  }
}

export const target: FuzzTarget = {
  about:
    'hash trees of v2: only the truth is believed, leaves are read once, any request is answered or rejected, it comes to an end',
  form: 'choices',
  files: ['swarm/hash-book', 'swarm/hash-server', 'metainfo/file-hashes', 'metainfo/merkle'],
  parsers: [],
  bytesMax: 500,
  testRuns: 300,
  msMax: 300,
  run(input) {
    const tape = new Tape(input);
    const play = new Play(tape);
    tape.moves(80, () => play.move());
    return play.end();
  },
};

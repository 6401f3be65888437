/**
 * Random words of three peers to a real session, some sound, some not, with time, chance, trouble and a user in between. Nothing may break an
 * invariant, what it calls its own is really there, and in the end it must still be able to stop with nothing left.
 */
import assert from 'node:assert/strict';
import { Bitfield, BtError, type Millis, type TorrentId, toHex } from '#base';
import type { Session } from '#session';
import type { MadeUpTorrent } from '#sim';
import {
  dontHaveIn,
  hello,
  metadataIn,
  metadataPiece,
  pexIn,
  uploadOnlyIn,
} from '../../test/support/extension-lines.ts';
import { Scene, type SceneOptions } from '../../test/support/scene.ts';
import { Tape } from '../support/tape.ts';
import { type FuzzTarget, magnitude } from '../support/target.ts';

const names = ['A', 'B', 'C'] as const;
const torrents: readonly Partial<MadeUpTorrent>[] = [
  {},
  { files: [100_000, 20_000, 66_000], format: 'hybrid' },
  { files: [100_000, 0, 20_000, 66_000], format: 'v2' },
  { files: 30 * 16_384 - 5, pieceLength: 16_384 },
];
const oddPieces = [29, 30, 0x7fff_ffff, 0xffff_ffff];
const oddBegins = [1, 16_383, 65_535, 65_536, 131_072, 0xffff_ffff];
const oddLengths = [0, 1, 3_616, 6_784, 16_383, 32_768, 131_072, 131_073, 0xffff_ffff];
const bitfields = ['fe', 'c0', '00', 'f0', 'ff', 'fffffffc'];
const oddWords = ['choke', 'unchoke', 'interested', 'not-interested', 'keep-alive', 'have-all', 'have-none'];

/** Numbers near every border there is. */
class Words {
  readonly #tape: Tape;
  constructor(tape: Tape) {
    this.#tape = tape;
  }
  get piece(): number {
    return this.#tape.below(8) < 7 ? this.#tape.below(9) : this.#tape.pick(oddPieces);
  }
  get begin(): number {
    return this.#tape.below(8) < 7 ? this.#tape.below(5) * 16_384 : this.#tape.pick(oddBegins);
  }
  get length(): number {
    return this.#tape.below(8) < 7 ? 16_384 : this.#tape.pick(oddLengths);
  }
  hex(max: number): string {
    return toHex(this.#tape.bytes(this.#tape.below(max)));
  }
  get hello(): string {
    const tape = this.#tape;
    const port = tape.pick([undefined, 6_881, 7_000]);
    const metadataSize = tape.pick([undefined, 1, 200, 16_777_216]);
    const uploadOnly = tape.pick([undefined, true, false]);
    return hello({ port, metadataSize, uploadOnly, reqq: tape.pick([undefined, 1, 50]) });
  }
  get next(): string {
    const tape = this.#tape;
    switch (tape.below(12)) {
      case 0:
      case 1:
        return tape.pick(oddWords);
      case 2:
        return `bitfield ${tape.pick(bitfields)}`;
      case 3:
        return `${tape.pick(['have', 'allowed-fast', 'suggest'])} ${this.piece}`;
      case 4:
        return `${tape.pick(['request', 'request', 'cancel', 'reject'])} ${this.piece} ${this.begin} ${this.length}`;
      case 5:
        return `bitfield ${this.hex(13)}`;
      case 6:
        return `extended ${tape.below(6)} ${this.hex(31)}`;
      case 7:
        return this.hello;
      case 8:
        return dontHaveIn(this.piece);
      case 9:
        return uploadOnlyIn(tape.isTrue());
      case 10:
        return pexIn(Array.from({ length: tape.below(4) }, () => ({ host: `60.0.${tape.below(4)}.1`, port: 7 })));
      default:
        if (tape.isTrue()) return tape.pick(['unknown 99', 'port 1']);
        return metadataIn({ kind: tape.isTrue() ? 'request' : 'reject', piece: tape.below(4) });
    }
  }
}

/** Connects; A and B begin like honest peers that have everything. */
function join(scene: Scene, name: string): void {
  scene.join(name);
  if (name === 'C') return;
  const have = Bitfield.full(scene.torrent.geometry.pieceCount);
  scene.peer(name).send({ kind: 'bitfield', bits: have.toBytes() }, 'unchoke', 'interested');
  scene.world.runFor(5);
}

function answerRequests(scene: Scene, name: string, count: number, how: string): void {
  const { geometry } = scene.torrent;
  const all = scene.peer(name).received.splice(0);
  const requests = all.flatMap((m) =>
    m.kind === 'request' && geometry.isValidRequest(m.piece, m.begin, m.length) ? [m] : [],
  );
  for (const [i, m] of requests.slice(0, count).entries()) {
    const block = `${m.piece} ${m.begin} ${m.length}`;
    if (how === 'refuse') scene.peer(name).send(`reject ${block}`);
    else if (how === 'half') return void scene.play([`${name} half ${block}`]);
    else scene.play([`${name}${how === 'lie' && i === 0 ? ' bad' : '< piece'} ${block}`]);
  }
}

/** Metadata as an honest peer would give it. */
function giveMetadata(scene: Scene, name: string): void {
  const { bytes } = scene.torrent.torrent.info;
  const peer = scene.peer(name);
  peer.send(hello({ metadataSize: bytes.length }));
  scene.world.runFor(20);
  for (const m of peer.received) if (m.kind === 'extended' && m.id === 7) peer.send(metadataPiece(bytes, 0));
}

function sayHashes(scene: Scene, name: string, tape: Tape): void {
  const root = scene.torrent.torrent.info.files[0]?.piecesRoot ?? new Uint8Array(32);
  const kind = tape.pick(['hash-request', 'hash-reject', 'hashes'] as const);
  const range = {
    root,
    baseLayer: tape.below(4),
    index: tape.below(9),
    length: tape.pick([0, 1, 2, 4, 8, 512]),
    proofLayers: tape.below(5),
  };
  scene.peer(name).send(kind === 'hashes' ? { kind, ...range, hashes: new Uint8Array(64) } : { kind, ...range });
}

function setDisk(scene: Scene, fault: string): void {
  const { disk } = scene.client;
  disk.capacityBytes = fault === 'full' ? 70_000 : Number.POSITIVE_INFINITY;
  disk.faults.writeErrorRate = fault === 'io' ? 0.5 : 0;
  disk.faults.readErrorRate = fault === 'read' ? 0.5 : 0;
}

const rates = [Number.POSITIVE_INFINITY, 100_000, 5_000, 0];

/** What a user may want in between. */
function askAsUser(session: Session, id: TorrentId, now: Millis, tape: Tape): unknown {
  switch (tape.below(9)) {
    case 0:
    case 1:
      return session.pause(now, id);
    case 2:
    case 3:
      return session.unpause(now, id);
    case 4:
      return session.wake(now, id);
    case 5:
      return session.setActiveLimits(now, { downloads: tape.below(2), seeds: tape.below(2) });
    case 6: {
      const of = { upload: tape.pick(rates), download: tape.pick(rates) };
      return tape.isTrue() ? session.setRates(now, of) : session.setRates(now, of, id);
    }
    case 7:
      return session.addPeers(now, id, [{ host: `60.0.0.${tape.below(5)}`, port: 6_881 }]);
    default:
      return tape.isTrue() ? session.scrape(now, id) : session.moveInQueue(now, id, tape.below(3));
  }
}

function play(scene: Scene, tape: Tape): void {
  const words = new Words(tape);
  const name = tape.pick(names);
  const peer = scene.peer(name);
  const kind = tape.below(25);
  // Whoever has been let go comes again, so that there is somebody to talk to.
  if (peer.link?.isOpen !== true && kind < 18) join(scene, name);
  if (kind < 8) return peer.send(words.next);
  if (kind < 13) {
    const how = tape.pick(['serve', 'serve', 'lie', 'half', 'refuse']);
    return answerRequests(scene, name, 1 + tape.below(40), how);
  }
  switch (kind) {
    case 13:
    case 14:
      return peer.sendBlock(words.piece, words.begin, new Uint8Array(tape.pick([0, 1, 3_616, 6_784, 16_384])));
    case 15:
      return sayHashes(scene, name, tape);
    case 16:
      // Bytes that are no message of any kind, too.
      if (tape.below(3) === 1) return peer.sendBytes(tape.bytes(1 + tape.below(40)));
      return giveMetadata(scene, name);
    case 17:
      return tape.isTrue() ? peer.close() : peer.link?.setReading(false);
    case 18:
    case 19:
    case 20:
      return void scene.world.runFor(tape.pick([1, 20, 300, 2_000, 21_000, 70_000]));
    case 21:
      return scene.client.ask((session, id, now) => session.recheck(now, id));
    case 22: {
      const pieces = Array.from({ length: tape.below(5) }, () => words.piece);
      return scene.client.ask((session, id, now) => session.setUrgent(now, id, pieces));
    }
    case 23:
      return scene.client.ask((session, id, now) => askAsUser(session, id, now, tape));
    default:
      if (tape.isTrue()) return setDisk(scene, tape.pick(['full', 'io', 'read', 'well', 'well']));
      return scene.client.ask((session, id, now) => session.read(now, id, 0, 0, () => {}));
  }
}

/** What it calls its own is really there, and what it gives up on has a reason. */
function checkHonest(scene: Scene): string {
  const image = scene.client.disk.image(scene.torrent.torrent.info);
  for (const n of scene.have) assert.ok(image.isWhole(n), `piece ${n} is not what it should be`);
  const { phase, error } = scene.snapshot;
  assert.ok(phase !== 'error' || BtError.is(error));
  return `${phase} ${error?.code} ${magnitude(scene.have.length)} ${Object.keys(scene.closed).sort().join(' ')}`;
}

function readOptions(tape: Tape): SceneOptions {
  const none = Number.POSITIVE_INFINITY;
  return {
    seed: tape.byte(),
    torrent: tape.pick(torrents),
    has: tape.pick<NonNullable<SceneOptions['has']>>([[], [0], [1, 2, 3], 'all']),
    client: {
      isMagnet: tape.below(4) === 1,
      isKept: tape.below(6) === 1,
      pieceBytesMax: tape.pick([10_000_000, 200_000, 1]),
      uploadLimit: tape.pick([none, none, 20_000]),
      downloadLimit: tape.pick([none, none, 50_000]),
    },
    lacksLayers: tape.below(3) === 1,
  };
}

export const target: FuzzTarget = {
  about: 'a whole session among three peers who say anything: invariants hold, nothing it has is wrong, it can stop',
  form: 'choices',
  files: [
    ...['session', 'handshakes', 'held-torrent', 'queue', 'bandwidth'].map((name) => `session/${name}`),
    ...['downloader', 'exchange', 'hash-book', 'hash-server', 'messages', 'peering', 'piece-desk', 'piece-ledger'].map(
      (name) => `swarm/${name}`,
    ),
    ...['picker', 'requests', 'storage', 'torrent', 'uploader', 'content', 'connections'].map(
      (name) => `swarm/${name}`,
    ),
    ...['extensions/metadata', 'extensions/pex', 'extensions/registry'].map((name) => `swarm/${name}`),
  ],
  parsers: [],
  bytesMax: 600,
  testRuns: 80,
  share: 6,
  msMax: 2_000,
  run(input) {
    const tape = new Tape(input);
    const scene = new Scene(readOptions(tape)).start();
    for (const [i, name] of names.entries()) {
      scene.cast(name, { fast: i < 2, extensions: i > 0, v2: i > 0 });
      join(scene, name);
    }
    tape.moves(80, () => play(scene, tape));
    scene.run('3s');
    const outcome = checkHonest(scene);
    // A user who cannot make up his mind.
    if ((input[0] ?? 0) % 4 === 3) {
      scene.client.ask((session, id, now) => {
        session.stop(now, id);
        session.pause(now, id);
        session.unpause(now, id);
      });
    }
    assert.deepEqual(scene.stop(), []);
    return outcome;
  },
};

/**
 * Cost of the decisions that a torrent makes all the time: which block to ask a peer for (a whole torrent of 2,048 pieces of 16
 * blocks, asked of 40 peers of which each has half of it), and who has an upload slot (a round over 80 peers, and what
 * somebody's interest costs when all slots are taken); whom to dial (a full book), whether a limit lets a block through, and what two sets of
 * pieces share.
 */
import { Bench } from 'tinybench';
import { Bitfield, type ConnId, type Millis, type PeerAddress, seededRng, type TorrentId } from '#base';
import { Geometry } from '#metainfo';
import { Bandwidth } from '#room/session/bandwidth';
import type { ChokerPeer } from '#room/swarm/choke-policy';
import { ChokeChanges, Choker } from '#room/swarm/choker';
import { PeerBook } from '#room/swarm/peer-book';
import { type Pick, Picker, type PickerPeer } from '#room/swarm/picker';
import type { ActivePiece } from '#room/swarm/piece-ledger';
import { PieceLedger } from '#room/swarm/piece-ledger';

const PIECES = 2_048;
const PIECE_LENGTH = 262_144;
const PEERS = 40;
const CHOKER_PEERS = 80;

const geometry = new Geometry({
  pieceLength: PIECE_LENGTH,
  pieceCount: PIECES,
  totalLength: PIECES * PIECE_LENGTH,
  spaceLength: PIECES * PIECE_LENGTH,
  format: 'v1',
  files: [{ index: 0, path: ['a'], length: PIECES * PIECE_LENGTH, offset: 0 }],
} as unknown as ConstructorParameters<typeof Geometry>[0]);

const haves = (() => {
  const rng = seededRng(7);
  return Array.from({ length: PEERS }, () => {
    const have = new Bitfield(PIECES);
    for (let piece = 0; piece < PIECES; piece++) if (rng.below(2) === 0) have.set(piece);
    return have;
  });
})();

/** Picks until nobody has anything more to be asked for. @returns how many blocks were picked */
function pickAll(): number {
  const ledger = new PieceLedger(geometry);
  const picker: Picker = new Picker({
    ledger,
    rng: seededRng(1),
    isVerifiable: () => true,
    mayStart: () => true,
    start: (piece) => {
      const active = ledger.start(piece, PIECE_LENGTH);
      picker.pieceMoved(piece);
      return active;
    },
    onParole: () => false,
    policy: { order: 'rarest', randomFirstPieces: 4 },
    endGameAskersMax: 2,
  });
  const peers: PickerPeer[] = haves.map((have, i) => {
    for (const piece of have) picker.order.increment(piece);
    return {
      conn: i as ConnId,
      key: `${i}`,
      have,
      refused: undefined,
      peerChoking: false,
      allowedFast: undefined,
      current: undefined,
      hasAsked: () => false,
    };
  });
  const pick: Pick = { active: undefined, block: 0, reason: 'rarest', rarity: 0, candidates: 0 };
  let count = 0;
  for (let isIdle = false; !isIdle; ) {
    isIdle = true;
    for (const peer of peers) {
      // As many as a batch of requests.
      for (let i = 0; i < 8 && picker.pick(peer, pick); i++) {
        const active = pick.active as ActivePiece;
        ledger.ask(active, pick.block, 0 as Millis);
        peer.current = active;
        isIdle = false;
        count++;
      }
    }
  }
  return count;
}

function chokerRounds(seeding: boolean): () => void {
  const rng = seededRng(3);
  const choker = new Choker({ slots: 20, rng: seededRng(1) });
  const out = new ChokeChanges();
  const peers = Array.from({ length: CHOKER_PEERS }, (_, i) => ({
    conn: i as ConnId,
    interested: true,
    uploadOnly: false,
    downBytesPerSec: 0,
    upBytesPerSec: 0,
    snubbed: false,
    openedAt: 0 as Millis,
  }));
  let now = 0;
  return () => {
    now += 10_000;
    for (const peer of peers) {
      peer.downBytesPerSec = rng.below(1_000_000);
      peer.upBytesPerSec = rng.below(1_000_000);
    }
    choker.round(now as Millis, peers as ChokerPeer[], seeding, out);
  };
}

/** All slots have somebody: what a peer's interest costs then. */
function chokerSettled(): () => void {
  const choker = new Choker({ slots: 20, rng: seededRng(1) });
  const peers = Array.from({ length: CHOKER_PEERS }, (_, i) => ({
    conn: i as ConnId,
    interested: true,
    uploadOnly: false,
    downBytesPerSec: i,
    upBytesPerSec: 0,
    snubbed: false,
    openedAt: 0 as Millis,
  }));
  choker.round(0 as Millis, peers, false, new ChokeChanges());
  const wantsOf = (conn: ConnId) => peers[conn]?.interested === true;
  return () => {
    if (!choker.isSettled(false, wantsOf)) throw new Error('a slot is free');
  };
}

const BOOK_SIZE = 2_000;
const DIALS = 80;

/** A full book: the best are dialled, all fail, and each time it is asked for the next one. */
function dialAll(): void {
  const book = new PeerBook({ rng: seededRng(1) });
  for (let n = 0; n < BOOK_SIZE; n++) {
    book.add(0 as Millis, { host: `9.0.${n >> 8}.${n & 255}`, port: 6881 }, 'tracker');
  }
  const dialled: PeerAddress[] = [];
  for (const address of book.candidates(0 as Millis, false)) {
    book.onDial(address);
    if (dialled.push(address) === DIALS) break;
  }
  for (const address of dialled) {
    book.onDialFailed(0 as Millis, address);
    book.nextAt(0 as Millis, false);
  }
}

const TAKES = 1_000;

function limitBlocks(): () => void {
  const torrent = 1 as TorrentId;
  const bandwidth = new Bandwidth({ now: 0 as Millis, upload: 10e6, download: Number.POSITIVE_INFINITY });
  bandwidth.addTorrent(0 as Millis, torrent, { upload: 5e6, download: Number.POSITIVE_INFINITY });
  let now = 0;
  return () => {
    for (let i = 0; i < TAKES; i++) {
      now += 2;
      if (bandwidth.uploadAllowance(now as Millis, torrent) > 0) bandwidth.tookUpload(now as Millis, torrent, 16_384);
    }
  };
}

function shareSets(): void {
  const [a, b] = haves as [Bitfield, Bitfield];
  let count = 0;
  for (let piece = a.nextShared(b, 0); piece >= 0; piece = a.nextShared(b, piece + 1)) count++;
  if (count === 0 || !a.meets(b)) throw new Error('they share nothing');
}

export async function run(): Promise<void> {
  const blockCount = pickAll();
  const tasks = [
    { name: `pick: ${blockCount} blocks of ${PEERS} peers`, each: blockCount, act: () => void pickAll() },
    { name: `choke while downloading: ${CHOKER_PEERS} peers`, each: CHOKER_PEERS, act: chokerRounds(false) },
    { name: `choke while seeding: ${CHOKER_PEERS} peers`, each: CHOKER_PEERS, act: chokerRounds(true) },
    { name: 'interest while all slots are taken', each: 1, act: chokerSettled() },
    { name: `dial ${DIALS} of ${BOOK_SIZE} addresses, all fail`, each: DIALS, act: dialAll },
    { name: `upload limits: ${TAKES} blocks`, each: TAKES, act: limitBlocks() },
    { name: `pieces in both of two sets of ${PIECES}`, each: PIECES, act: shareSets },
  ];
  const bench = new Bench({ time: 1000, warmupTime: 200 });
  for (const { name, act } of tasks) bench.add(name, act);
  await bench.run();
  bench.tasks.forEach((task, i) => {
    if (task.result.state !== 'completed') throw new Error(`${task.name}: ${task.result.state}`);
    const { p50, min } = task.result.latency;
    const each = (ms: number) => ((ms * 1e6) / (tasks[i]?.each ?? 1)).toFixed(0);
    process.stdout.write(
      `${task.name.padEnd(40)} ${p50.toFixed(4).padStart(9)} ms median  ${each(p50).padStart(5)} ns each (best ${each(min)})\n`,
    );
  });
}

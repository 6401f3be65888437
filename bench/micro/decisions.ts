/**
 * Cost of the two decisions that a torrent makes all the time: which block to ask a peer for (a whole torrent of 2,048 pieces of 16
 * blocks, asked of 40 peers of which each has half of it), and who has an upload slot (a round over 80 peers).
 */
import { Bench } from 'tinybench';
import { Bitfield, type ConnId, type Millis, seededRng } from '#base';
import { Geometry } from '#metainfo';
import type { ChokerPeer } from '#room/swarm/choke-policy';
import { ChokeChanges, Choker } from '#room/swarm/choker';
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

export async function run(): Promise<void> {
  const blockCount = pickAll();
  const bench = new Bench({ time: 2000, warmupTime: 500 });
  bench.add(`pick: ${blockCount} blocks of ${PEERS} peers`, () => void pickAll());
  bench.add(`choke while downloading: ${CHOKER_PEERS} peers`, chokerRounds(false));
  bench.add(`choke while seeding: ${CHOKER_PEERS} peers`, chokerRounds(true));
  await bench.run();
  for (const task of bench.tasks) {
    if (task.result.state !== 'completed') throw new Error(`${task.name}: ${task.result.state}`);
    const { p50, min } = task.result.latency;
    const per = task.name.startsWith('pick') ? blockCount : CHOKER_PEERS;
    const each = (ms: number) => ((ms * 1e6) / per).toFixed(0);
    process.stdout.write(
      `${task.name.padEnd(40)} ${p50.toFixed(4).padStart(9)} ms median  ${each(p50).padStart(5)} ns each (best ${each(min)})\n`,
    );
  }
}

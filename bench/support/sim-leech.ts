/**
 * A session that downloads from a simulated swarm, as a process of its own: `TORRENT-BYTES PIECE-BYTES FETCH-BYTES`. Content is made from
 * its position and not kept, so what grows is the brain. Says how much heap and external memory it took at most, garbage collected.
 */
import { nodeCrypto } from '#hash';
import { FakePeer, lines, makeTorrent, SimClient, SimNet, SimTrackers, SimWorld } from '#sim';

const [totalBytes = 0, pieceLength = 0, fetchBytes = 0] = process.argv.slice(2).map(Number);
/** What is on its way from them is the simulator's memory, not the brain's: many slow ones keep little under way. */
const peerCount = 8;
const say = (fields: Record<string, unknown>) => process.stdout.write(`${JSON.stringify(fields)}\n`);

function held(): number {
  globalThis.gc?.();
  const { heapUsed, external } = process.memoryUsage();
  return heapUsed + external;
}

const before = held();
const world = new SimWorld(1);
const net = new SimNet(world);
const torrent = makeTorrent(nodeCrypto, { seed: 1, files: totalBytes, pieceLength, isPretended: true });
const madeBytes = held() - before;
const client = new SimClient(
  'leech',
  {
    world,
    net: net.addHost({ line: lines.ideal }),
    trackers: new SimTrackers(),
    torrent,
    crypto: nodeCrypto,
    disk: {
      transfer: (buffer) => structuredClone(buffer, { transfer: [buffer] }),
      speed: { latencyMs: 0.1, reorderMs: 0, bytesPerSec: 10_000 * 1_048_576 },
    },
  },
  { isTrackerless: true, checkEvery: 0 },
);
client.start();
world.runFor(1_000);
const block = new Uint8Array(16_384);
for (let i = 0; i < peerCount; i++) {
  const line = { ...lines.ideal, upBytesPerSec: 8 * 1_048_576 };
  const peer = new FakePeer({ world, net: net.addHost({ line }), infoHash: torrent.swarmKey, flags: { fast: true } });
  peer.onMessage = (_link, m) => {
    if (m.kind !== 'request') return;
    torrent.content.read(torrent.geometry.pieceStart(m.piece) + m.begin, block);
    peer.sendBlock(m.piece, m.begin, block);
  };
  peer.dial(client.address);
  peer.send('have-all', 'unchoke');
}
let most = 0;
let ledger = 0;
while (client.snapshot().downloaded < fetchBytes && !client.isDone) {
  world.runFor(500);
  most = Math.max(most, held() - before - madeBytes);
  ledger = Math.max(
    ledger,
    client.session.holders.reduce((sum, one) => sum + one.bytes, 0),
  );
}
const { downloaded, piecesHave } = client.snapshot();
say({
  event: 'result',
  mostBytes: most,
  ledgerBytes: ledger,
  madeBytes,
  downloaded,
  piecesHave,
  pieceCount: torrent.geometry.pieceCount,
});

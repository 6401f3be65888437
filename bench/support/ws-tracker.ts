/** A tracker with the WebSocket front end alone, for the memory of idle connections: reports its memory for each line of input. */
import { createServer } from 'node:http';
import type { AddressInfo } from 'node:net';
import { createInterface } from 'node:readline';
import { type Millis, seededRng } from '#base';
import { WsFront, zeroWsCounts } from '#room/trackerd/ws/front';
import { DenseStore, relayLimits, TrackerLogic, toTrackerLimits, WebRelay, zeroRelayCounts } from '#tracker';

const now = (): Millis => performance.now() as Millis;
const limits = toTrackerLimits();
const store = DenseStore.create({ limits, rng: seededRng(1) });
const logic = new TrackerLogic({ store, limits, rng: seededRng(2) });
const counts = zeroRelayCounts();
const relay = new WebRelay({ logic, store, limits: relayLimits, counts });
const front = new WsFront({
  relay,
  now,
  counts: zeroWsCounts(),
  limits: { connectionsMax: 1_000_000, connectionsPerAddressMax: 1_000_000 },
  onBug: (error) => {
    throw error;
  },
});
const server = createServer((_, response) => response.writeHead(404).end());
server.on('upgrade', (request, socket, head) => front.handleUpgrade(request, socket, head));
server.listen({ host: '127.0.0.1', port: 0, backlog: 511 }, () => say({ event: 'ready' }));

createInterface({ input: process.stdin })
  .on('line', () => {
    // Garbage is no cost of a connection.
    for (let i = 0; i < 3; i++) globalThis.gc?.();
    const { rss, heapUsed, external } = process.memoryUsage();
    say({ event: 'memory', rss, heapUsed, external, connections: front.connectionCount, announces: counts.announces });
  })
  .on('close', () => {
    server.close();
    void front.close().then(() => process.exit(0));
  });

function say(line: Record<string, unknown>): void {
  process.stdout.write(`${JSON.stringify({ port: (server.address() as AddressInfo).port, ...line })}\n`);
}

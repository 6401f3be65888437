/** The HTTP and WebSocket side of a tracker, for the memory of idle connections: reports its memory for each line of input. */
import { createInterface } from 'node:readline';
import { type Millis, seededRng } from '#base';
import { HttpFront } from '#room/trackerd/http/front';
import { HttpRoutes } from '#room/trackerd/http/routes';
import { frontLimits } from '#room/trackerd/limits';
import { WebServer } from '#room/trackerd/web/server';
import { WsFront } from '#room/trackerd/ws/front';
import { CounterTable, counter, DenseStore, relayLimits, TrackerLogic, toTrackerLimits, WebRelay } from '#tracker';

const now = (): Millis => performance.now() as Millis;
const onBug = (error: unknown): void => {
  throw error;
};
const limits = toTrackerLimits();
const store = DenseStore.create({ limits, rng: seededRng(1) });
const logic = new TrackerLogic({ store, limits, rng: seededRng(2) });
const counts = new CounterTable(1).row(0);
const relay = new WebRelay({ logic, store, limits: relayLimits, counts });
const front = new WsFront({
  relay,
  now,
  counts,
  limits: { connectionsMax: 1_000_000, connectionsPerAddressMax: 1_000_000 },
  onBug,
});
const web = new WebServer({
  web: { fetch: () => new Response(null, { status: 404 }) },
  onUpgrade: (request, socket, head) => front.handleUpgrade(request, socket, head),
  headBytesMax: frontLimits.httpHeadBytesMax,
});
const http = new HttpFront({
  routes: new HttpRoutes({ logic, counts, peersMax: limits.numWantMax, onBug }),
  counts,
  limits: { ...frontLimits, httpConnectionsMax: 1_000_000, httpConnectionsPerAddressMax: 1_000_000 },
  other: web,
  now,
});
const { port } = await http.listen({ host: '127.0.0.1', port: 0 });
say({ event: 'ready', port });

createInterface({ input: process.stdin })
  .on('line', () => {
    // Garbage is no cost of a connection.
    for (let i = 0; i < 3; i++) globalThis.gc?.();
    const { rss, heapUsed, external } = process.memoryUsage();
    say({
      event: 'memory',
      rss,
      heapUsed,
      external,
      connections: front.connectionCount,
      announces: counts[counter.wsAnnounces],
    });
  })
  .on('close', () => {
    void Promise.all([front.close(), http.close()]).then(() => process.exit(0));
  });

function say(line: Record<string, unknown>): void {
  process.stdout.write(`${JSON.stringify(line)}\n`);
}

/**
 * A session that remembers many torrents, as a process of its own: `STATE-DIR`. Speaks JSON lines on stdout; a line on its standard input
 * asks for figures (`gc`: after a forced collection), its end for an orderly stop.
 */
import { createInterface } from 'node:readline';
import { createSession } from 'eider';

const [stateDir] = process.argv.slice(2) as [string];
const say = (fields: Record<string, unknown>) => process.stdout.write(`${JSON.stringify(fields)}\n`);

const loadedMs = performance.now();
const session = await createSession({ stateDir, remember: true, listen: { host: '127.0.0.1', port: 0 } });
say({
  event: 'listening',
  port: session.addresses[0]?.port,
  torrents: session.torrents.length,
  loadedMs,
  listeningMs: performance.now(),
  cpuMs: (process.cpuUsage().user + process.cpuUsage().system) / 1e3,
});

function report(): void {
  const { user, system } = process.cpuUsage();
  const { rss, heapUsed } = process.memoryUsage();
  const phases: Record<string, number> = {};
  for (const { state } of session.torrents) phases[state.phase] = (phases[state.phase] ?? 0) + 1;
  say({ event: 'figures', rssMiB: rss / 2 ** 20, heapMiB: heapUsed / 2 ** 20, cpuSec: (user + system) / 1e6, phases });
}

const lines = createInterface({ input: process.stdin });
lines.on('line', (line) => {
  if (line === 'gc') (globalThis as { gc?: () => void }).gc?.();
  report();
});
lines.on('close', () => {
  const startedAt = performance.now();
  void session.close().then(() => say({ event: 'stopped', stopMs: performance.now() - startedAt }));
});

/**
 * A simulated swarm as a process of its own: `PEERS [SEED]`, one seeder in fifty. Everybody has 30 connections at most, so that each has the
 * same to do whatever the size of the swarm. Says what it cost as a JSON line.
 */
import { nodeCrypto } from 'eider/create';
import { SimSwarm } from '#sim';

const [count = 10, seed = 1] = process.argv.slice(2).map(Number);
const seeders = Math.ceil(count / 50);
// Small pieces, made from their position: memory of the simulated disks is none of the brains'.
const torrent = { files: 32 * 16_384, pieceLength: 16_384, isPretended: true };
const transfer = (buffer: ArrayBuffer) => structuredClone(buffer, { transfer: [buffer] });

const cpu = process.cpuUsage();
const startedAt = performance.now();
const w = new SimSwarm({ seed, crypto: nodeCrypto, torrent, transfer, checkEvery: 0 });
const options = { line: 'fibre', connsMax: 30, pieceBytesMax: 8 * 16_384 } as const;
w.seeders(seeders, options);
w.leechers(count - seeders, options);
w.until(w.done, '30m');
const { user, system } = process.cpuUsage(cpu);
const result = {
  event: 'result',
  wallSec: (performance.now() - startedAt) / 1000,
  cpuSec: (user + system) / 1e6,
  virtualSec: w.world.now / 1000,
  eventCount: w.world.eventCount,
  rssMib: process.memoryUsage().rss / 2 ** 20,
};
process.stdout.write(`${JSON.stringify(result)}\n`);

import { parentPort, workerData } from 'node:worker_threads';
import { assert } from '../../base/index.ts';
import { HashThreads } from '../../hash/index.ts';
import { DiskHost } from './disk-host.ts';
import type { DiskLimits } from './limits.ts';
import { type DiskRequest, transfersOf } from './protocol.ts';

/** What `DiskPool` starts a worker with. */
export interface DiskWorkerData {
  readonly limits: Partial<DiskLimits>;
  readonly stateDir: string | undefined;
}

const port = parentPort;
assert(port !== null, 'this module is started as a worker');
const { limits, stateDir } = workerData as DiskWorkerData;

const host = new DiskHost({
  limits,
  stateDir,
  reply: (reply) => port.postMessage(reply, transfersOf(reply)),
  later: (step) => setImmediate(step),
  makeThreads: () => new HashThreads(),
});

port.on('message', (request: DiskRequest | 'end') => {
  if (request !== 'end') {
    host.handle(request);
    return;
  }
  host.close();
  port.close();
});

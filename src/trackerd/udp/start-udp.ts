import { BtError } from '../../base/index.ts';
import { loadUdpBatches } from '../../node/index.ts';
import { DgramFront } from './dgram-front.ts';
import type { UdpFront, UdpHere, UdpServing, UdpThreading } from './types.ts';
import { UdpWorkers } from './udp-workers.ts';

export interface UdpStart extends UdpServing, UdpHere {
  /** Worker threads over a shared store; or, for people, why everything must be done on this thread. */
  readonly threading: UdpThreading | string;
  /** `on`: fails rather than doing without batches. Default `auto`. */
  readonly batch?: 'auto' | 'on' | 'off';
}

/**
 * Starts the UDP listeners of a tracker in the best way there is, and tells by an event `udp.mode` which: worker threads with batched
 * system calls, or `node:dgram` on this thread.
 *
 * @throws BtError `net/port-in-use`, `net/listen`, `config/invalid`; nothing is left listening then
 */
export async function startUdp(options: UdpStart): Promise<UdpFront> {
  const { threading, batch = 'auto' } = options;
  const batches = await loadUdpBatches();
  if (batch !== 'off' && batches.isAvailable && typeof threading !== 'string') {
    const workers = await startOrClose(new UdpWorkers(batches, { ...options, ...threading }));
    const { receiveBufferBytes } = workers;
    const { threads } = threading;
    options.onEvent({ type: 'udp.mode', mode: 'batched', threads, reason: '', receiveBufferBytes });
    return workers;
  }
  const unavailable = batches.isAvailable ? '' : batches.reason;
  const reason = batch === 'off' ? 'switched off' : typeof threading === 'string' ? threading : unavailable;
  if (batch === 'on') throw new BtError('config/invalid', { problems: [`no batched UDP: ${reason}`] });
  const front = await startOrClose(new DgramFront(options));
  options.onEvent({ type: 'udp.mode', mode: 'dgram', threads: 1, reason, receiveBufferBytes: undefined });
  return front;
}

async function startOrClose<T extends UdpFront & { start(): Promise<void> }>(front: T): Promise<T> {
  try {
    await front.start();
  } catch (error) {
    await front.close();
    throw error;
  }
  return front;
}

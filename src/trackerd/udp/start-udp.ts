import { BtError } from '../../base/index.ts';
import { loadUdpBatches } from '../../node/index.ts';
import { DgramFront } from './dgram-front.ts';
import type { UdpEvent, UdpFront, UdpHere, UdpServing, UdpThreading } from './types.ts';
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
  let front: DgramFront | UdpWorkers;
  let mode: UdpEvent;
  if (batch !== 'off' && batches.isAvailable && typeof threading !== 'string') {
    front = new UdpWorkers(batches, { ...options, ...threading });
    mode = { type: 'udp.mode', mode: 'batched', threads: threading.threads, reason: '' };
  } else {
    const reason = typeof threading === 'string' ? threading : batches.isAvailable ? 'switched off' : batches.reason;
    if (batch === 'on') throw new BtError('config/invalid', { problems: [`no batched UDP: ${reason}`] });
    front = new DgramFront(options);
    mode = { type: 'udp.mode', mode: 'dgram', threads: 1, reason };
  }
  try {
    await front.start();
  } catch (error) {
    await front.close();
    throw error;
  }
  options.onEvent(mode);
  return front;
}

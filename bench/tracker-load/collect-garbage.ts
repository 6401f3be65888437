/**
 * Loaded before a program on Node whose memory is to be measured (`--expose-gc --import`): SIGUSR2 collects the garbage of all its
 * threads.
 */
import { BroadcastChannel, isMainThread } from 'node:worker_threads';

const { gc } = globalThis;
const channel = new BroadcastChannel('collect-garbage');
channel.unref();
channel.onmessage = () => gc?.();
if (isMainThread) {
  process.on('SIGUSR2', () => {
    gc?.();
    channel.postMessage('now');
  });
}

import { createSocket } from 'node:dgram';
import { once } from 'node:events';
import { Agent, get } from 'node:http';
import type { PeerAddress } from '#base';
import { decodeUdpResponse, encodeUdpConnectRequest, encodeUdpScrapeRequest } from '#wire';

const PAUSE_MS = 1;
/** Of loopback: a datagram that is lost counts as this. */
const LOST_MS = 1_000;

/** How long single requests take, one after the other. */
export class Latencies {
  readonly #ms: number[] = [];

  add(ms: number): void {
    this.#ms.push(ms);
  }

  get count(): number {
    return this.#ms.length;
  }

  get max(): number {
    return this.#ms.reduce((max, ms) => Math.max(max, ms), 0);
  }

  /** @param share 0.5 is the median */
  quantile(share: number): number {
    const sorted = this.#ms.slice().sort((a, b) => a - b);
    return sorted[Math.min(sorted.length - 1, Math.floor(sorted.length * share))] ?? 0;
  }

  /** How many took longer. */
  above(ms: number): number {
    return this.#ms.filter((x) => x > ms).length;
  }
}

/** Scrapes one torrent by UDP again and again, a millisecond apart: a thread that stands still shows as one slow answer. */
export async function probeUdp(tracker: PeerAddress, infoHash: Uint8Array, isOver: () => boolean): Promise<Latencies> {
  const latencies = new Latencies();
  const socket = createSocket('udp4');
  socket.connect(tracker.port, tracker.host);
  await once(socket, 'connect');
  const ask = (request: Uint8Array): Promise<Uint8Array | undefined> =>
    new Promise((resolve) => {
      const timer = setTimeout(() => resolve(undefined), LOST_MS);
      socket.removeAllListeners('message');
      socket.once('message', (bytes) => {
        clearTimeout(timer);
        resolve(bytes);
      });
      socket.send(request);
    });
  let connectedAt = Number.NEGATIVE_INFINITY;
  let connectionId = new Uint8Array(8);
  for (let transactionId = 1; !isOver(); transactionId++) {
    if (performance.now() - connectedAt > 60_000) {
      const answer = await ask(encodeUdpConnectRequest(transactionId));
      const decoded = answer === undefined ? undefined : decodeUdpResponse(answer, 4);
      if (decoded?.kind !== 'connect') continue;
      connectionId = decoded.connectionId.slice();
      connectedAt = performance.now();
    }
    const sentAt = performance.now();
    const answer = await ask(encodeUdpScrapeRequest({ connectionId, transactionId, infoHashes: [infoHash] }));
    latencies.add(answer === undefined ? LOST_MS : performance.now() - sentAt);
    if (answer !== undefined && decodeUdpResponse(answer, 4).kind !== 'scrape')
      throw new Error('no answer to a scrape');
    await pause();
  }
  socket.close();
  return latencies;
}

/** The same over one HTTP connection that is kept. */
export async function probeHttp(tracker: PeerAddress, query: string, isOver: () => boolean): Promise<Latencies> {
  const latencies = new Latencies();
  const agent = new Agent({ keepAlive: true, maxSockets: 1 });
  while (!isOver()) {
    const sentAt = performance.now();
    const request = get({ ...tracker, agent, path: `/scrape?${query}` });
    const [response] = await once(request, 'response');
    response.resume();
    await once(response, 'end');
    latencies.add(performance.now() - sentAt);
    await pause();
  }
  agent.destroy();
  return latencies;
}

function pause(): Promise<void> {
  return new Promise((resolve) => setTimeout(resolve, PAUSE_MS));
}

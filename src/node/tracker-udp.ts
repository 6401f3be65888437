import { randomBytes } from 'node:crypto';
import { formatAddress, isIpv6, type Millis, type PeerAddress } from '../base/index.ts';
import { type IpFamily, type UdpOutcome, type UdpQuery, type UdpRequestId, UdpTrackerClient } from '../wire/index.ts';
import { openUdp, type UdpSocket } from './udp.ts';

/** How one UDP request ended; `unreachable`: the system would not even send it. */
export type UdpResult = UdpOutcome | { readonly kind: 'unreachable'; readonly what: string };

interface Pending {
  readonly to: string;
  readonly resolve: (result: UdpResult) => void;
}

/** All UDP trackers of a client over one socket a family, opened when first needed. */
export class UdpTrackers {
  readonly #client: UdpTrackerClient;
  readonly #pending = new Map<UdpRequestId, Pending>();
  readonly #sockets = new Map<IpFamily, Promise<UdpSocket>>();
  #timer: NodeJS.Timeout | undefined;
  #isClosed = false;

  constructor() {
    this.#client = new UdpTrackerClient({
      random32: () => randomBytes(4).readUInt32BE(),
      ports: {
        send: (datagram, to) => this.#send(datagram, to),
        done: (id, outcome) => this.#settle(id, outcome),
      },
    });
  }

  /** Datagrams that answered nothing we asked. */
  get droppedCount(): number {
    return this.#client.droppedCount;
  }

  /**
   * Asks the tracker at a numeric address.
   *
   * @throws the signal's reason; BtError `net/listen` where no socket can be had
   */
  async ask(to: PeerAddress, query: UdpQuery, signal: AbortSignal): Promise<UdpResult> {
    if (this.#isClosed) return { kind: 'unreachable', what: 'closed' };
    await this.#socketFor(to);
    signal.throwIfAborted();
    const id = this.#client.start(now(), to, query);
    const result = new Promise<UdpResult>((resolve) => this.#pending.set(id, { to: formatAddress(to), resolve }));
    const onAbort = (): void => {
      this.#client.cancel(id);
      this.#settle(id, { kind: 'timeout' });
    };
    signal.addEventListener('abort', onAbort, { once: true });
    this.#schedule();
    try {
      const settled = await result;
      signal.throwIfAborted();
      return settled;
    } finally {
      signal.removeEventListener('abort', onAbort);
      this.#schedule();
    }
  }

  async close(): Promise<void> {
    this.#isClosed = true;
    clearTimeout(this.#timer);
    for (const id of [...this.#pending.keys()]) {
      this.#client.cancel(id);
      this.#settle(id, { kind: 'unreachable', what: 'closed' });
    }
    const opened = await Promise.allSettled(this.#sockets.values());
    await Promise.all(opened.map((socket) => (socket.status === 'fulfilled' ? socket.value.close() : undefined)));
  }

  #socketFor(to: PeerAddress): Promise<UdpSocket> {
    const family: IpFamily = isIpv6(to.host) ? 6 : 4;
    let socket = this.#sockets.get(family);
    if (socket === undefined) {
      socket = openUdp({
        host: family === 6 ? '::' : '0.0.0.0',
        port: 0,
        ipv6Only: family === 6,
        // The timer of a pending request does; between requests nothing should.
        keepsAlive: false,
        handlers: {
          onDatagram: (bytes, from) => {
            this.#client.onDatagram(now(), from, bytes);
            this.#schedule();
          },
          onSendFailed: (address, what) => this.#failAll(address, what),
        },
      });
      this.#sockets.set(family, socket);
      // The next request may have better luck (descriptors come free).
      socket.catch(() => this.#sockets.delete(family));
    }
    return socket;
  }

  #send(datagram: Uint8Array, to: PeerAddress): void {
    this.#socketFor(to).then(
      (socket) => socket.send(datagram, to),
      () => this.#failAll(to, 'no socket'),
    );
  }

  /** Waiting for a time-out would tell nothing that the system has not told us. */
  #failAll(to: PeerAddress, what: string): void {
    const key = formatAddress(to);
    for (const [id, pending] of [...this.#pending]) {
      if (pending.to !== key) continue;
      this.#client.cancel(id);
      this.#settle(id, { kind: 'unreachable', what });
    }
    this.#schedule();
  }

  #settle(id: UdpRequestId, result: UdpResult): void {
    const pending = this.#pending.get(id);
    this.#pending.delete(id);
    pending?.resolve(result);
  }

  #schedule(): void {
    clearTimeout(this.#timer);
    this.#timer = undefined;
    const at = this.#client.nextDeadline();
    if (this.#isClosed || !Number.isFinite(at)) return;
    this.#timer = setTimeout(
      () => {
        this.#client.onWake(now());
        this.#schedule();
      },
      Math.max(1, Math.ceil(at - now())),
    );
  }
}

function now(): Millis {
  return performance.now() as Millis;
}

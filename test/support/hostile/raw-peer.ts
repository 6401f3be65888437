import { randomBytes } from 'node:crypto';
import { connect, createServer, type Server, type Socket } from 'node:net';
import type { PeerAddress } from '#base';

export interface RawMessage {
  readonly id: number;
  readonly body: Buffer;
}

/**
 * One end of a real TCP connection that says what a test wants it to say. Reads just enough of the protocol to know what the other side
 * asks for.
 */
export class RawPeer {
  readonly socket: Socket;
  readonly peerId: Buffer = Buffer.concat([Buffer.from('-XX0001-'), randomBytes(12)]);
  /** Resolves when the connection is over, whoever ended it. */
  readonly closed: Promise<void>;
  /** Messages by id. */
  readonly seen: Map<number, number> = new Map();
  #handshake: Buffer | undefined;
  #buffer: Buffer = Buffer.alloc(0);
  #isClosed = false;
  readonly #listeners = new Set<(m: RawMessage) => void>();
  readonly #onHandshake = new Set<(bytes: Buffer) => void>();

  constructor(socket: Socket) {
    this.socket = socket;
    socket.setNoDelay(true);
    // A victim that cuts us off is what most tests want to see.
    socket.on('error', () => {});
    socket.on('data', (bytes: Buffer) => this.#onData(bytes));
    this.closed = new Promise((resolve) => {
      socket.once('close', () => {
        this.#isClosed = true;
        resolve();
      });
    });
  }

  /** @param from a loopback address of its own: on Linux all of 127.0.0.0/8 is this machine */
  static connect(to: PeerAddress, from: string): Promise<RawPeer> {
    return new Promise((resolve, reject) => {
      const socket = connect({ host: to.host, port: to.port, localAddress: from });
      socket.once('error', reject);
      socket.once('connect', () => {
        socket.off('error', reject);
        resolve(new RawPeer(socket));
      });
    });
  }

  get isClosed(): boolean {
    return this.#isClosed;
  }
  /** Bytes that the victim has not taken. */
  get queuedBytes(): number {
    return this.socket.writableLength;
  }
  count(id: number): number {
    return this.seen.get(id) ?? 0;
  }

  send(...parts: readonly Uint8Array[]): void {
    if (this.#isClosed || this.socket.writableEnded) return;
    this.socket.write(parts.length === 1 ? (parts[0] as Uint8Array) : Buffer.concat(parts));
  }

  /** Resolves when the bytes are with the kernel, or the connection is over. */
  async sendAll(bytes: Uint8Array): Promise<void> {
    if (this.#isClosed || this.socket.writableEnded) return;
    await Promise.race([new Promise<void>((resolve) => this.socket.write(bytes, () => resolve())), this.closed]);
  }

  /** In packets of `size`, each a turn of its own. */
  async sendInPieces(bytes: Uint8Array, size = 1): Promise<void> {
    for (let at = 0; at < bytes.length && !this.#isClosed; at += size) {
      await this.sendAll(bytes.subarray(at, at + size));
      await nextTurn();
    }
  }

  /** The same bytes again and again, as fast as the victim takes them, until it ends the connection or `until` does. */
  async flood(
    bytes: Uint8Array,
    until: { readonly times?: number; readonly stop?: () => boolean } = {},
  ): Promise<number> {
    let sent = 0;
    while (!this.#isClosed && sent < (until.times ?? Number.POSITIVE_INFINITY) && until.stop?.() !== true) {
      await this.sendAll(bytes);
      // What the kernel takes at once is written without a turn of the loop, and nobody else would have one.
      await nextTurn();
      sent++;
    }
    return sent;
  }

  onMessage(listener: (m: RawMessage) => void): void {
    this.#listeners.add(listener);
  }

  /** The next message that is accepted; never, where the connection ends before. */
  next(accept: (m: RawMessage) => boolean): Promise<RawMessage> {
    return new Promise((resolve) => {
      const listener = (m: RawMessage) => {
        if (!accept(m)) return;
        this.#listeners.delete(listener);
        resolve({ id: m.id, body: Buffer.from(m.body) });
      };
      this.#listeners.add(listener);
    });
  }

  /** The victim's 68 bytes. */
  get greeting(): Promise<Buffer> {
    if (this.#handshake !== undefined) return Promise.resolve(this.#handshake);
    return new Promise((resolve) => this.#onHandshake.add(resolve));
  }

  reading(on: boolean): void {
    if (on) this.socket.resume();
    else this.socket.pause();
  }
  /** Says that it will say no more. */
  end(): void {
    this.socket.end();
  }
  /**
   * Ends the connection with a reset at once, or plainly where it is ending already. Node's `resetAndDestroy` shuts its half down first,
   * and where the victim's own end comes meanwhile, libuv refuses the reset: no 'close' is told then and the handle keeps the loop busy
   * for good. So the flag that it would set is set here, and nothing is shut down.
   */
  reset(): void {
    if (!this.socket.writableEnded) Object.assign(this.socket, { resetAndClosing: true });
    this.socket.destroy();
  }
  destroy(): void {
    this.socket.destroy();
  }

  #onData(bytes: Buffer): void {
    this.#buffer = this.#buffer.length === 0 ? bytes : Buffer.concat([this.#buffer, bytes]);
    if (this.#handshake === undefined) {
      if (this.#buffer.length < 68) return;
      this.#handshake = Buffer.from(this.#buffer.subarray(0, 68));
      this.#buffer = this.#buffer.subarray(68);
      for (const tell of this.#onHandshake) tell(this.#handshake);
    }
    let at = 0;
    while (this.#buffer.length - at >= 4) {
      const length = this.#buffer.readUInt32BE(at);
      if (this.#buffer.length - at < 4 + length) break;
      if (length > 0) this.#onFrame(this.#buffer[at + 4] as number, this.#buffer.subarray(at + 5, at + 4 + length));
      at += 4 + length;
    }
    this.#buffer = this.#buffer.subarray(at);
  }

  #onFrame(id: number, body: Buffer): void {
    this.seen.set(id, this.count(id) + 1);
    for (const listener of [...this.#listeners]) listener({ id, body });
  }
}

/** A place where the victim can dial an attacker. */
export class RawListener {
  readonly address: PeerAddress;
  readonly #server: Server;
  readonly #open = new Set<RawPeer>();

  private constructor(server: Server, host: string) {
    this.#server = server;
    this.address = { host, port: (server.address() as { port: number }).port };
  }

  static listen(host: string, onPeer: (peer: RawPeer) => void): Promise<RawListener> {
    return new Promise((resolve, reject) => {
      const server = createServer({ noDelay: true }, (socket) => {
        const peer = new RawPeer(socket);
        listener.#open.add(peer);
        void peer.closed.then(() => listener.#open.delete(peer));
        onPeer(peer);
      });
      let listener: RawListener;
      server.once('error', reject);
      server.listen({ host, port: 0 }, () => {
        listener = new RawListener(server, host);
        resolve(listener);
      });
    });
  }

  async close(): Promise<void> {
    await new Promise<void>((resolve) => {
      this.#server.close(() => resolve());
      for (const peer of this.#open) peer.destroy();
    });
  }
}

function nextTurn(): Promise<void> {
  return new Promise((resolve) => setImmediate(resolve));
}

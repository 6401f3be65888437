import {
  addMs,
  assert,
  BtError,
  type ConnId,
  equalBytes,
  type Millis,
  NEVER,
  type PeerAddress,
  type PeerId,
  toHex,
} from '../base/index.ts';
import type { AddPeer, SwarmPorts } from '../swarm/index.ts';
import {
  type CloseReason,
  encodeHandshake,
  type Handshake,
  HandshakeDecoder,
  type HandshakeStart,
  handshakeBytes,
} from '../wire/index.ts';
import type { HeldTorrent } from './held-torrent.ts';
import { limits } from './limits.ts';

interface Pending {
  readonly conn: ConnId;
  readonly address: PeerAddress;
  readonly incoming: boolean;
  /** Known from the start for dials, after 48 bytes for others. */
  torrent: HeldTorrent | undefined;
  readonly decoder: HandshakeDecoder;
  /** Our handshake has been sent. */
  greeted: boolean;
  deadline: Millis;
}

export interface HandshakesOptions {
  readonly ports: SwarmPorts;
  readonly peerId: PeerId;
  /** @param swarmKey the 20 bytes of a handshake as 40 hex digits */
  readonly find: (swarmKey: string) => HeldTorrent | undefined;
  /** Whether the torrent takes one more connection from outside. */
  readonly admits: (torrent: HeldTorrent) => boolean;
  /** Both handshakes are complete and fit. `rest` follows in the same chunk. */
  readonly onOpen: (torrent: HeldTorrent, peer: AddPeer, rest: Uint8Array) => void;
  /** It came to nothing; for dials the torrent learns it. */
  readonly onFailed: (failed: {
    conn: ConnId;
    address: PeerAddress;
    torrent: HeldTorrent | undefined;
    incoming: boolean;
    reason: CloseReason;
  }) => void;
}

/**
 * Connections before they belong to a torrent: dials on their way, and incoming ones of which the info-hash is not known yet. Bounded in
 * number and time: whoever says nothing is let go.
 */
export class Handshakes {
  readonly #o: HandshakesOptions;
  readonly #pending = new Map<ConnId, Pending>();
  #incoming = 0;
  /** The same by host. */
  readonly #incomingOf = new Map<string, number>();
  #nextDeadline: Millis = NEVER;

  constructor(options: HandshakesOptions) {
    this.#o = options;
  }

  get count(): number {
    return this.#pending.size;
  }
  get dialing(): number {
    return this.#pending.size - this.#incoming;
  }
  /** Bytes kept of handshakes that are not whole, and most that they can be. */
  get held(): { readonly bytes: number; readonly max: number } {
    const max = (limits.incomingPendingMax + limits.dialingMax) * handshakeBytes;
    return { bytes: this.#pending.size * handshakeBytes, max };
  }
  has(conn: ConnId): boolean {
    return this.#pending.has(conn);
  }

  /** In simulation after every event. */
  assertInvariants(): void {
    let incoming = 0;
    for (const p of this.#pending.values()) {
      if (p.incoming) incoming++;
      assert(p.deadline >= this.#nextDeadline, 'no handshake is forgotten');
    }
    assert(incoming === this.#incoming, 'incoming handshakes are counted right');
    assert(incoming <= limits.incomingPendingMax, 'incoming handshakes stay within the limit');
    assert(this.dialing <= limits.dialingMax, 'dials stay within the limit');
  }

  accept(now: Millis, conn: ConnId, from: PeerAddress): void {
    if (this.#incoming >= limits.incomingPendingMax) this.makeRoom();
    this.#incoming++;
    this.#incomingOf.set(from.host, (this.#incomingOf.get(from.host) ?? 0) + 1);
    this.#add(now, { conn, address: from, incoming: true, torrent: undefined });
  }

  /**
   * Silence must not keep others out: of the host that has most connections like that, the first one gives way. Where many connect from
   * one place, those who come from elsewhere have their time.
   * @returns false where there is nobody like that
   */
  makeRoom(): boolean {
    let most = 0;
    let crowded: string | undefined;
    for (const [host, count] of this.#incomingOf) {
      if (count <= most) continue;
      most = count;
      crowded = host;
    }
    for (const p of this.#pending.values()) {
      if (!p.incoming || p.address.host !== crowded) continue;
      this.#fail(p, { code: 'session/too-many-handshakes' });
      return true;
    }
    return false;
  }

  dial(now: Millis, conn: ConnId, to: PeerAddress, torrent: HeldTorrent): void {
    this.#add(now, { conn, address: to, incoming: false, torrent });
    this.#o.ports.dial(conn, to);
  }

  onConnected(now: Millis, conn: ConnId): void {
    const p = this.#pending.get(conn);
    if (p === undefined || p.torrent === undefined) return;
    p.deadline = addMs(now, limits.handshakeMs);
    if (p.deadline < this.#nextDeadline) this.#nextDeadline = p.deadline;
    this.#greet(p, p.torrent);
  }

  onBytes(conn: ConnId, bytes: Uint8Array): void {
    const p = this.#pending.get(conn);
    if (p === undefined) return;
    try {
      const done = p.decoder.push(bytes);
      if (!this.#identify(p) || done === undefined) return;
      this.#finish(p, done.handshake, done.rest);
    } catch (error) {
      if (!BtError.is(error)) throw error;
      this.#fail(p, { code: 'peer/bad-handshake', detail: error.message });
    }
  }

  onClosed(conn: ConnId, reason: CloseReason): void {
    const p = this.#pending.get(conn);
    if (p === undefined) return;
    this.#remove(p);
    this.#o.onFailed({ conn, address: p.address, torrent: p.torrent, incoming: p.incoming, reason });
  }

  /** Ends what belongs to a torrent that stops. */
  forget(torrent: HeldTorrent): void {
    for (const p of [...this.#pending.values()]) {
      if (p.torrent === torrent) this.#fail(p, { code: 'session/stopped' });
    }
  }

  closeAll(): void {
    for (const p of [...this.#pending.values()]) this.#fail(p, { code: 'session/stopped' });
  }

  get nextAt(): Millis {
    return this.#pending.size === 0 ? NEVER : this.#nextDeadline;
  }

  onTimer(now: Millis): void {
    if (now < this.#nextDeadline) return;
    let next: number = NEVER;
    for (const p of [...this.#pending.values()]) {
      if (p.deadline <= now) this.#fail(p, { code: 'peer/handshake-timeout' });
      else next = Math.min(next, p.deadline);
    }
    this.#nextDeadline = next as Millis;
  }

  #add(now: Millis, p: Pick<Pending, 'conn' | 'address' | 'incoming' | 'torrent'>): void {
    // A dial has the time to connect and the time to shake hands.
    const deadline = addMs(now, p.incoming ? limits.handshakeMs : limits.handshakeMs * 2);
    this.#pending.set(p.conn, { ...p, decoder: new HandshakeDecoder(), greeted: false, deadline });
    if (deadline < this.#nextDeadline) this.#nextDeadline = deadline;
  }

  /** An incoming connection is answered as soon as it is known which torrent it wants. @returns false where it was closed */
  #identify(p: Pending): boolean {
    const asked = p.decoder.start;
    if (p.greeted || asked === undefined) return true;
    const key = toHex(asked.infoHash);
    const torrent = this.#o.find(key);
    if (torrent === undefined || !this.#o.admits(torrent)) {
      const code = torrent === undefined ? 'peer/unknown-info-hash' : 'session/no-place';
      this.#fail(p, { code, detail: key });
      return false;
    }
    p.torrent = torrent;
    this.#greet(p, torrent, asked);
    return true;
  }

  #greet(p: Pending, torrent: HeldTorrent, asked?: HandshakeStart): void {
    p.greeted = true;
    const { infoHash, flags } = torrent.handshake(asked);
    this.#o.ports.write(p.conn, encodeHandshake({ infoHash, peerId: this.#o.peerId, flags }));
  }

  #finish(p: Pending, handshake: Handshake, rest: Uint8Array): void {
    const torrent = p.torrent as HeldTorrent;
    if (!torrent.swarmKeys.includes(toHex(handshake.infoHash))) {
      this.#fail(p, { code: 'peer/wrong-info-hash', detail: toHex(handshake.infoHash) });
      return;
    }
    if (equalBytes(handshake.peerId, this.#o.peerId)) {
      if (!p.incoming) torrent.onOwnAddress(p.address);
      this.#fail(p, { code: 'peer/self' });
      return;
    }
    if (torrent.hasEnded) {
      this.#fail(p, { code: 'session/stopped' });
      return;
    }
    this.#remove(p);
    this.#o.onOpen(torrent, { conn: p.conn, address: p.address, incoming: p.incoming, handshake }, rest);
  }

  #fail(p: Pending, reason: CloseReason): void {
    this.#remove(p);
    this.#o.ports.close(p.conn, reason);
    this.#o.onFailed({ conn: p.conn, address: p.address, torrent: p.torrent, incoming: p.incoming, reason });
  }

  #remove(p: Pending): void {
    if (!this.#pending.delete(p.conn) || !p.incoming) return;
    this.#incoming--;
    const { host } = p.address;
    const left = (this.#incomingOf.get(host) as number) - 1;
    if (left === 0) this.#incomingOf.delete(host);
    else this.#incomingOf.set(host, left);
  }
}

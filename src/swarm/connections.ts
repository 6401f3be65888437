import {
  assert,
  type BtError,
  type ConnId,
  concatBytes,
  type Millis,
  type Rng,
  readU32,
  type TorrentId,
} from '../base/index.ts';
import { directions, type Tracer, wireKinds } from '../trace/index.ts';
import type { CloseReason } from '../wire/index.ts';
import type { SwarmContext, SwarmHost } from './context.ts';
import { limits } from './limits.ts';
import type { PeerMessages } from './messages.ts';
import type { Peer } from './peer.ts';

/**
 * The open connections of a torrent and what waits to be sent on them. A turn (one input) queues messages; they leave at its end, one
 * write a connection. Also remembers which peers must be looked at before the turn ends.
 */
export class Connections implements SwarmContext {
  readonly host: SwarmHost;
  readonly torrent: TorrentId;
  readonly rng: Rng;
  readonly tracer: Tracer | undefined;
  now: Millis;
  readonly peers: Map<ConnId, Peer> = new Map<ConnId, Peer>();
  readonly sinks: Map<ConnId, PeerMessages> = new Map<ConnId, PeerMessages>();
  /** By peer id: two connections to one peer are rare, and looked for at each new one. */
  readonly #ofId = new Map<string, Set<Peer>>();
  #incomingCount = 0;
  #hungry = new Set<Peer>();
  /** Every peer is to be looked at: said once a turn, however often there is a reason. */
  #isAllHungry = false;
  #serve = new Set<Peer>();
  #dirty = new Set<Peer>();
  readonly #onDrop: (peer: Peer, reason: CloseReason, byUs: boolean) => void;
  readonly #onFail: (error: BtError) => void;

  constructor(options: {
    host: SwarmHost;
    torrent: TorrentId;
    rng: Rng;
    tracer: Tracer | undefined;
    now: Millis;
    onDrop: (peer: Peer, reason: CloseReason, byUs: boolean) => void;
    onFail: (error: BtError) => void;
  }) {
    this.host = options.host;
    this.torrent = options.torrent;
    this.rng = options.rng;
    this.tracer = options.tracer;
    this.now = options.now;
    this.#onDrop = options.onDrop;
    this.#onFail = options.onFail;
  }

  add(peer: Peer, sink: PeerMessages): void {
    this.peers.set(peer.conn, peer);
    this.sinks.set(peer.conn, sink);
    const same = this.#ofId.get(peer.id);
    if (same === undefined) this.#ofId.set(peer.id, new Set([peer]));
    else same.add(peer);
    if (peer.incoming) this.#incomingCount++;
  }

  /** Those that others have opened. */
  get incomingCount(): number {
    return this.#incomingCount;
  }

  /** Connections to peers of this id. */
  withId(id: string): readonly Peer[] {
    return [...(this.#ofId.get(id) ?? [])];
  }

  send(peer: Peer, bytes: Uint8Array): void {
    if (peer.isClosed) return;
    if (this.tracer?.wire !== undefined) this.#trace(peer, bytes);
    peer.out.push(bytes);
    peer.outBytes += bytes.length;
    this.#dirty.add(peer);
    if (peer.outBytes > limits.peer.outBytesMax) this.flush(peer);
  }

  flush(peer: Peer): void {
    const first = peer.out[0];
    if (first === undefined || peer.isClosed) return;
    const bytes = peer.out.length === 1 ? first : concatBytes(peer.out);
    peer.out.length = 0;
    peer.outBytes = 0;
    peer.lastSentAt = this.now;
    peer.unwrittenBytes += bytes.length;
    if (peer.mark !== undefined || peer.unwrittenBytes < limits.peer.markBytes) {
      this.host.ports.write(peer.conn, bytes);
      return;
    }
    peer.mark = this.host.runs.sendControl(peer.conn, bytes);
    peer.markedBytes = peer.unwrittenBytes;
    if (peer.lent.size === 0) peer.lastWrittenAt = this.now;
    peer.lend(peer.mark);
  }

  /** A watched write has left, and all before it. @returns false: it is none of control messages */
  onWritten(peer: Peer, ticket: number): boolean {
    if (peer.mark !== ticket) return false;
    peer.lent.delete(ticket);
    peer.lastWrittenAt = this.now;
    this.host.runs.release(ticket);
    peer.unwrittenBytes -= peer.markedBytes;
    peer.mark = undefined;
    return true;
  }

  isBackedUp(peer: Peer): boolean {
    return peer.unwrittenBytes + peer.outBytes > limits.peer.answerBytesMax;
  }

  /** We end the connection. */
  drop(peer: Peer, reason: CloseReason): void {
    if (peer.isClosed) return;
    this.flush(peer);
    this.#remove(peer, reason, true);
    this.host.closeConn(peer.conn, reason);
  }

  /** The connection has ended. */
  closed(peer: Peer, reason: CloseReason): void {
    if (!peer.isClosed) this.#remove(peer, reason, false);
  }

  hungry(peer: Peer): void {
    this.#hungry.add(peer);
  }
  allHungry(): void {
    this.#isAllHungry = true;
  }
  serve(peer: Peer): void {
    this.#serve.add(peer);
  }
  fail(error: BtError): void {
    this.#onFail(error);
  }

  /** What was written before the mark is its peer's good right; what has gathered since shows that it does not read. */
  #dropDeaf(): void {
    const most = this.host.runs.isControlTight ? limits.peer.markBytes : limits.peer.outBytesMax;
    for (const peer of this.#dirty) {
      if (peer.mark === undefined) continue;
      const waiting = peer.unwrittenBytes - peer.markedBytes + peer.outBytes;
      if (waiting > most) this.drop(peer, { code: 'peer/not-reading', detail: `${waiting} bytes wait` });
    }
  }

  /** In simulation after every event: nothing is left over between turns, and what waits at sockets is bounded and accounted for. */
  assertInvariants(): void {
    assert(this.#dirty.size === 0, 'nothing waits to be sent between turns');
    assert(this.sinks.size === this.peers.size, 'closed peers are forgotten');
    let sameCount = 0;
    let incomingCount = 0;
    for (const same of this.#ofId.values()) sameCount += same.size;
    for (const peer of this.peers.values()) if (peer.incoming) incomingCount++;
    assert(sameCount === this.peers.size, 'every connection is found by the id of its peer');
    assert(incomingCount === this.#incomingCount, 'incoming connections are counted right');
    for (const peer of this.peers.values()) {
      assert(this.#ofId.get(peer.id)?.has(peer) === true, 'every connection is found by the id of its peer');
      assert(!peer.isClosed && this.sinks.has(peer.conn), 'closed peers are forgotten');
      assert(peer.out.length === 0 && peer.outBytes === 0, 'nothing waits to be sent between turns');
      assert(peer.requests.length <= limits.upload.queueMax, 'upload queues stay within the limit');
      assert(peer.unwrittenBytes <= 3 * limits.peer.outBytesMax, 'control bytes at a socket stay within the limit');
      let lent = 0;
      for (const ticket of peer.lent) {
        const view = this.host.runs.lent(ticket);
        assert(view !== undefined && view.conn === peer.conn, 'a view that a peer counts is lent to it');
        if (ticket !== peer.mark) lent += view.bytes;
      }
      assert(lent === peer.lentBytes, 'bytes at a socket are counted right');
      assert(peer.mark === undefined || peer.lent.has(peer.mark), 'a mark is at the socket');
      const isWithin = lent <= limits.upload.windowBytes + 2 * limits.upload.requestBytesMax;
      assert(isWithin, 'payload at a socket stays within the window');
    }
  }

  /** Hands out what the turn left to do, until nothing is left, then writes. */
  endTurn(work: { fill: (peer: Peer) => void; serve: (peer: Peer) => void }): void {
    this.#dropDeaf();
    for (let round = 0; round < 4; round++) {
      if (this.#isAllHungry) this.#addAllHungry();
      if (this.#hungry.size === 0 && this.#serve.size === 0) break;
      const hungry = this.#hungry;
      const serve = this.#serve;
      this.#hungry = new Set();
      this.#serve = new Set();
      for (const peer of hungry) if (!peer.isClosed) work.fill(peer);
      for (const peer of serve) if (!peer.isClosed) work.serve(peer);
    }
    if (this.#dirty.size === 0) return;
    const dirty = this.#dirty;
    this.#dirty = new Set();
    for (const peer of dirty) this.flush(peer);
  }

  #addAllHungry(): void {
    this.#isAllHungry = false;
    this.#hungry.clear();
    for (const peer of this.peers.values()) if (!peer.snubbed) this.#hungry.add(peer);
    for (const peer of this.peers.values()) if (peer.snubbed) this.#hungry.add(peer);
  }

  /** Reads what is sent back from its bytes: nobody who sends has to think of it. Many requests in one array are one event each. */
  #trace(peer: Peer, bytes: Uint8Array): void {
    for (let at = 0; at + 4 <= bytes.length; ) {
      const length = readU32(bytes, at);
      const word = (i: number) => (length >= 5 + i * 4 ? readU32(bytes, at + 5 + i * 4) : 0);
      const kind = length === 0 ? wireKinds['keep-alive'] : (bytes[at + 4] as number);
      const isExtended = kind === wireKinds.extended;
      const isBits = kind === wireKinds.bitfield;
      const a = isExtended ? (bytes[at + 5] as number) : isBits ? length - 1 : word(0);
      const b = isExtended ? length - 2 : isBits ? 0 : word(1);
      this.tracer?.wire?.(this.now, peer.conn, directions.out, kind, a, b, isExtended || isBits ? 0 : word(2));
      at += 4 + length;
    }
  }

  #remove(peer: Peer, reason: CloseReason, byUs: boolean): void {
    peer.isClosed = true;
    peer.decoder.stop();
    peer.out.length = 0;
    this.peers.delete(peer.conn);
    this.sinks.delete(peer.conn);
    const same = this.#ofId.get(peer.id);
    if (same?.delete(peer) === true && same.size === 0) this.#ofId.delete(peer.id);
    if (peer.incoming) this.#incomingCount--;
    this.tracer?.closed?.(this.now, peer.conn, reason.code, reason.detail);
    this.#onDrop(peer, reason, byUs);
  }
}

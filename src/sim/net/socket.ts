import { addMs, assert, type Millis, type PeerAddress } from '../../base/index.ts';
import type { CloseReason } from '../../wire/index.ts';
import type { SimEvent } from '../world.ts';
import { type Chunk, type Flow, POISON } from './link.ts';
import { type Socket, type SocketEvents, type SocketFabric, type SocketPlace, socketLimits } from './socket-types.ts';

interface Waiting {
  readonly bytes: Uint8Array;
  at: number;
  readonly ticket: number;
}

/** One end of a connection. */
export class SimSocket implements Flow, Socket {
  readonly id: number;
  readonly local: PeerAddress;
  readonly remote: PeerAddress;
  readonly place: SocketPlace;
  state: 'dialing' | 'open' | 'closing' | 'closed' = 'dialing';
  isQueued = false;
  /** True: everything this connection carries is lost in silence, in both directions. */
  isDark = false;
  sentBytes = 0;
  readBytes = 0;
  readonly #fabric: SocketFabric;
  readonly #events: SocketEvents;
  #peer: SimSocket | undefined;
  /** Written by the owner, not yet taken over. */
  readonly #waiting: Waiting[] = [];
  /** Taken over (copied), not yet on the line: what a kernel's send buffer holds. */
  readonly #buffered: Chunk[] = [];
  #bufferedBytes = 0;
  /** On the line or unread at the other end. */
  #underWay = 0;
  /**
   * What congestion control allows under way. Doubles every round trip at first, so that a new connection does not flood those that share
   * its way; halves with each loss, and from the first one on grows by one chunk a round trip.
   */
  #congestion: number = socketLimits.windowBytesMin;
  #hadLoss = false;
  #lastArrival = 0 as Millis;
  #isEndSent = false;
  readonly #written: number[] = [];
  #isWrittenCalled = false;
  #isReading = true;
  #isResumeCalled = false;
  readonly #unread: Chunk[] = [];
  /** Chunks that a cut swallowed; TCP repeats them when it has healed. */
  readonly #swallowed: Chunk[] = [];
  /** Chunks that arrived before others that a cut had swallowed. */
  readonly #early: Chunk[] = [];
  #launchedCount = 0;
  #arrivedCount = 0;
  #giveUp: SimEvent | undefined;
  #flush: SimEvent | undefined;

  constructor(options: {
    id: number;
    local: PeerAddress;
    remote: PeerAddress;
    place: SocketPlace;
    fabric: SocketFabric;
    events: SocketEvents;
  }) {
    this.id = options.id;
    this.local = options.local;
    this.remote = options.remote;
    this.place = options.place;
    this.#fabric = options.fabric;
    this.#events = options.events;
  }

  /** The other end, once there is one. */
  get peer(): SimSocket | undefined {
    return this.#peer;
  }
  get isReading(): boolean {
    return this.#isReading;
  }
  get queuedBytes(): number {
    return this.#waiting.reduce((sum, w) => sum + w.bytes.length - w.at, this.#bufferedBytes);
  }

  // --- what owners do ------------------------------------------------------------------------------------------------------------

  write(bytes: Uint8Array, ticket = -1): void {
    assert(this.state === 'open', `write to a socket that is ${this.state}`);
    this.#waiting.push({ bytes, at: 0, ticket });
    this.#wake();
  }

  setReading(on: boolean): void {
    this.#isReading = on;
    if (!on || this.#unread.length === 0 || this.#isResumeCalled) return;
    this.#isResumeCalled = true;
    this.#fabric.world.after(0, 'net.resume', () => {
      this.#isResumeCalled = false;
      this.#readOn();
    });
  }

  close(): void {
    if (this.state === 'dialing') this.#end();
    if (this.state !== 'open') return;
    this.state = 'closing';
    for (const chunk of this.#unread.splice(0)) this.#discard(chunk);
    this.#wake();
    this.#flush = this.#fabric.world.after(socketLimits.flushMs, 'net.flush-timeout', () => this.abort());
  }

  abort(): void {
    if (this.state === 'closed') return;
    const tickets = this.#waiting.map((w) => w.ticket);
    this.#end();
    this.#written.push(...tickets.filter((ticket) => ticket >= 0));
    this.#callWritten();
    this.#resetPeer();
  }

  // --- what the network does -----------------------------------------------------------------------------------------------------

  /** Two ends become one connection; `opensAt` is when the dialling end hears of it. */
  join(accepted: SimSocket, opensAt: Millis): void {
    this.#peer = accepted;
    accepted.#peer = this;
    accepted.state = 'open';
    accepted.#lastArrival = opensAt;
    this.#fabric.world.at(opensAt, 'net.connected', () => {
      if (this.state === 'closed') return this.#resetPeer();
      this.state = 'open';
      this.#events.onConnected(this);
    });
  }

  /** The owner is told that it is over. */
  fail(reason: CloseReason): void {
    if (this.state === 'closed') return;
    if (this.state === 'closing') return this.abort();
    this.#end();
    this.#written.length = 0;
    this.#events.onClosed(this, reason);
  }

  /** The owner died: nobody is told anything here. @param isSilent the other end is not told either, as after a power cut */
  vanish(isSilent: boolean): void {
    if (this.state === 'closed') return;
    this.#end();
    this.#written.length = 0;
    if (isSilent) this.isDark = true;
    else this.#resetPeer();
  }

  /** The cut is over: what was lost is sent again. */
  healed(): void {
    this.#giveUp?.cancel();
    this.#giveUp = undefined;
    for (const chunk of this.#swallowed.splice(0)) this.#travel(chunk);
    this.#wake();
  }

  /** A cut has begun. */
  cut(): void {
    if (this.#underWay > 0 || this.#waiting.length > 0) this.#armGiveUp();
  }

  isCut(): boolean {
    return this.isDark || this.#peer?.isDark === true || this.#peer?.place.group !== this.place.group;
  }

  // --- sending -------------------------------------------------------------------------------------------------------------------

  canSend(): boolean {
    if (this.state !== 'open' && this.state !== 'closing') return false;
    if (this.#buffered.length === 0 && this.#waiting.length === 0 && !this.#mustEnd()) return false;
    return this.#underWay < this.#window() && !this.isCut();
  }

  takeChunk(): Chunk | undefined {
    if (!this.canSend()) return undefined;
    this.#fill();
    const chunk = this.#buffered.shift();
    if (chunk !== undefined) {
      this.#bufferedBytes -= chunk.end;
      this.#fill();
      return chunk;
    }
    if (!this.#mustEnd()) return undefined;
    this.#isEndSent = true;
    const last = this.#fabric.pool.take(0);
    last.isLast = true;
    return last;
  }

  launch(chunk: Chunk): void {
    const length = chunk.end;
    chunk.order = this.#launchedCount++;
    this.sentBytes += length;
    this.#fabric.sentBytes += length;
    const peer = this.#peer as SimSocket;
    if (this.#underWay === 0 && length > 0) peer.place.down.flowCount++;
    this.#underWay += length;
    this.#travel(chunk);
  }

  #mustEnd(): boolean {
    return this.state === 'closing' && !this.#isEndSent;
  }

  #wake(): void {
    if (this.canSend()) this.place.up.enqueue(this);
    else if (this.isCut()) this.#armGiveUp();
  }

  /** Moves bytes from the owner's buffers into ours, as long as there is room. */
  #fill(): void {
    const { up } = this.place;
    const room = up.bufferBytes;
    while (this.#bufferedBytes < room && this.#waiting.length > 0) {
      const chunk = this.#fabric.pool.take(this.#queuedUpTo(up.quantum));
      const size = Math.min(up.quantum, chunk.bytes.length);
      while (chunk.end < size && this.#waiting.length > 0) {
        const next = this.#waiting[0] as Waiting;
        const length = Math.min(size - chunk.end, next.bytes.length - next.at);
        chunk.bytes.set(next.bytes.subarray(next.at, next.at + length), chunk.end);
        chunk.end += length;
        next.at += length;
        if (next.at < next.bytes.length) break;
        this.#waiting.shift();
        if (next.ticket >= 0) this.#written.push(next.ticket);
      }
      this.#bufferedBytes += chunk.end;
      this.#buffered.push(chunk);
    }
    this.#callWritten();
  }

  #queuedUpTo(limit: number): number {
    let sum = 0;
    for (const next of this.#waiting) {
      sum += next.bytes.length - next.at;
      if (sum >= limit) return limit;
    }
    return sum;
  }

  #callWritten(): void {
    if (this.#written.length === 0 || this.#isWrittenCalled) return;
    this.#isWrittenCalled = true;
    this.#fabric.world.after(0, 'net.written', () => {
      this.#isWrittenCalled = false;
      // One at a time: the owner may close or be told of the end in between.
      for (let ticket = this.#written.shift(); ticket !== undefined; ticket = this.#written.shift()) {
        this.#events.onWritten(this, ticket);
      }
    });
  }

  /** What TCP would keep under way: the receiver's fair share over the round trip and a short queue. */
  #window(): number {
    const peer = this.#peer as SimSocket;
    const rate = Math.min(
      this.place.up.bytesPerSec,
      peer.place.down.bytesPerSec / Math.max(1, peer.place.down.flowCount),
    );
    const rtt = 2 * (this.place.line.latencyMs + peer.place.line.latencyMs);
    const bytes = (rate * (rtt + socketLimits.queueMs)) / 1000;
    return Math.min(socketLimits.windowBytesMax, this.#congestion, Math.max(4096, bytes));
  }

  #travel(chunk: Chunk): void {
    const { world, rng } = this.#fabric;
    const peer = this.#peer as SimSocket;
    const [here, there] = [this.place.line, peer.place.line];
    let ms = here.latencyMs + there.latencyMs;
    const jitter = here.jitterMs + there.jitterMs;
    if (jitter > 0) ms += rng.unit() * jitter;
    const loss = here.lossRate + there.lossRate;
    if (loss > 0 && rng.unit() < loss) {
      ms += socketLimits.repeatMs + 2 * (here.latencyMs + there.latencyMs);
      this.#onLoss();
    }
    this.#lastArrival = Math.max(this.#lastArrival, addMs(world.now, ms)) as Millis;
    world.at(this.#lastArrival, 'net.arrival', () => this.#arrive(chunk, peer));
  }

  #onLoss(): void {
    this.#hadLoss = true;
    this.#congestion = Math.max(2 * this.place.up.quantum, this.#congestion / 2);
  }

  #arrive(chunk: Chunk, peer: SimSocket): void {
    if (this.isCut()) {
      // Nobody is left who would send it again.
      if (this.state === 'closed') return peer.#discard(chunk);
      this.#swallowed.push(chunk);
      this.#armGiveUp();
      return;
    }
    if (chunk.order !== this.#arrivedCount) {
      if (this.state === 'closed') peer.#discard(chunk);
      else this.#early.push(chunk);
      return;
    }
    this.#deliver(chunk, peer);
    if (this.#early.length === 0) return;
    const early = this.#early.sort((a, b) => a.order - b.order);
    while (early[0]?.order === this.#arrivedCount) this.#deliver(early.shift() as Chunk, peer);
  }

  #deliver(chunk: Chunk, peer: SimSocket): void {
    this.#arrivedCount++;
    const at = peer.place.down.reserve(chunk.end);
    if (at === this.#fabric.world.now) peer.#receive(chunk);
    else this.#fabric.world.at(at, 'net.received', () => peer.#receive(chunk));
  }

  #armGiveUp(): void {
    if (this.#giveUp !== undefined || this.state === 'closed') return;
    this.#giveUp = this.#fabric.world.after(socketLimits.giveUpMs, 'net.give-up', () => {
      this.#giveUp = undefined;
      if (this.isCut()) this.fail({ code: 'net/timeout' });
    });
  }

  // --- receiving -----------------------------------------------------------------------------------------------------------------

  #receive(chunk: Chunk): void {
    if (this.state === 'open' || this.state === 'dialing') {
      this.#unread.push(chunk);
      if (this.#isReading && this.#unread.length === 1) this.#readOn();
      return;
    }
    const wasLast = chunk.isLast;
    this.#discard(chunk);
    if (wasLast) this.#finish();
    // Data for a connection that is no more: a living host answers with a reset.
    else if (this.state === 'closed' && this.place.isUp) this.#resetPeer();
  }

  #readOn(): void {
    while (this.#isReading && this.#unread.length > 0 && this.state === 'open') {
      const chunk = this.#unread[0] as Chunk;
      if (chunk.isLast) {
        this.#finish();
        return;
      }
      this.#read(chunk);
      // A close inside the handler has thrown the queue away.
      if (this.#unread[0] !== chunk) return;
      if (chunk.at < chunk.end) return;
      this.#unread.shift();
      this.#fabric.pool.give(chunk);
    }
  }

  /** Hands a chunk over in one to four parts, cut at random: how streams are cut must never matter. */
  #read(chunk: Chunk): void {
    const { rng } = this.#fabric;
    const length = chunk.end - chunk.at;
    const dice = rng.u32();
    let cuts = length > 1 && ((dice & 7) === 0 || (length < 256 && (dice & 3) === 0)) ? 1 + ((dice >>> 8) % 3) : 0;
    while (chunk.at < chunk.end) {
      const left = Math.min(chunk.end - chunk.at, this.place.readBytesMax);
      const take = cuts-- > 0 && left > 1 ? 1 + rng.below(Math.min(left - 1, (dice & 16) === 0 ? 20 : left - 1)) : left;
      const view = chunk.bytes.subarray(chunk.at, chunk.at + take);
      chunk.at += take;
      this.readBytes += take;
      this.#fabric.readBytes += take;
      this.#events.onBytes(this, view);
      view.fill(POISON);
      if (this.state !== 'open') {
        // The rest has been discarded together with the queue, or the queue with us.
        this.#fabric.cutBytes += take;
        this.#creditPeer(take);
        return;
      }
      this.#creditPeer(take);
      if (!this.#isReading) return;
    }
  }

  /** The other end has closed, and all it wrote has been read. */
  #finish(): void {
    for (const chunk of this.#unread.splice(0)) this.#discard(chunk);
    const peer = this.#peer as SimSocket;
    if (this.state === 'closing') this.abort();
    else this.fail({ code: 'net/closed' });
    if (peer.state === 'closing') peer.#end();
  }

  #discard(chunk: Chunk): void {
    const length = chunk.end - chunk.at;
    this.#fabric.lostBytes += length;
    this.#fabric.pool.give(chunk);
    this.#creditPeer(length);
  }

  #creditPeer(length: number): void {
    if (this.#peer !== undefined) this.#peer.#credit(length);
  }

  #credit(length: number): void {
    if (length === 0) return;
    this.#underWay -= length;
    if (this.#congestion < socketLimits.windowBytesMax) {
      this.#congestion += this.#hadLoss ? (length * this.place.up.quantum) / this.#congestion : length;
    }
    if (this.#underWay === 0) (this.#peer as SimSocket).place.down.flowCount--;
    if (!this.isQueued && this.canSend()) this.place.up.enqueue(this);
  }

  // --- the end -------------------------------------------------------------------------------------------------------------------

  #end(): void {
    this.state = 'closed';
    this.#giveUp?.cancel();
    this.#flush?.cancel();
    this.#fabric.unsentBytes += this.queuedBytes;
    this.#waiting.length = 0;
    for (const chunk of this.#unread.splice(0)) this.#discard(chunk);
    for (const chunk of this.#buffered.splice(0)) this.#fabric.pool.give(chunk);
    for (const chunk of [...this.#swallowed.splice(0), ...this.#early.splice(0)])
      (this.#peer as SimSocket).#discard(chunk);
    this.#bufferedBytes = 0;
    this.place.forget(this);
  }

  #resetPeer(): void {
    const peer = this.#peer;
    if (peer === undefined || peer.state === 'closed' || this.isCut()) return;
    const ms = this.place.line.latencyMs + peer.place.line.latencyMs;
    this.#fabric.world.after(ms, 'net.reset', () => {
      if (!this.isCut()) peer.fail({ code: 'net/reset' });
    });
  }
}

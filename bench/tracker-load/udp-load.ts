import { type PeerAddress, type Rng, readU32, writeU16, writeU32 } from '#base';
import { loadUdpBatches, type UdpBatch, type UdpBatches, type UdpPoll } from '#node';
import { encodeUdpAnnounceRequest, encodeUdpConnectRequest, encodeUdpScrapeRequest, udpAction } from '#wire';
import { type Judge, ROWS_MAX, WrongAnswer } from './judge.ts';
import type { Population } from './population.ts';
import type { Workload } from './workload.ts';

/**
 * What is asked: `fill` lets every peer come once, `refresh` every second one announce again, `connect-announce` is two requests and
 * counts as two answers.
 */
export type UdpWork = 'fill' | 'refresh' | 'announce' | 'connect-announce' | 'scrape';

export interface UdpPhase {
  readonly work: UdpWork;
  /** Answers after which the phase ends; `fill` and `refresh` end with the last peer. */
  readonly answers: number;
  /** Torrents of a scrape. */
  readonly torrents?: number;
  /** Requests under way. */
  readonly window: number;
}

export interface LoadCounts {
  answers: number;
  /** Requests sent again because no answer came. */
  repeats: number;
  /** The longest that an answer took, requests that were sent again left out. */
  slowestMs: number;
}

export interface UdpLoadOptions {
  readonly tracker: PeerAddress;
  readonly population: Population;
  readonly workload: Workload;
  readonly judge: Judge;
  readonly rng: Rng;
  /** Slots that the judge has. */
  readonly slots: number;
  readonly numWant: number;
}

const CONNECT_BYTES = 16;
const ANNOUNCE_BYTES = 98;
const REPEAT_AFTER_MS = 1_000;
const REPEATS_MAX = 10;
/** Connection ids live two minutes (BEP 15). */
const RECONNECT_EVERY_MS = 45_000;
const GENERATIONS = 1 << 20;

/** What a slot waits for; the action of the answer. */
const FREE = 255;

/**
 * Asks a tracker by UDP, from all source addresses, with a bounded number of requests under way, and has every answer judged. Requests
 * are written by the codecs of `wire` once a slot, and only their fields change after that (layouts: `src/wire/tracker/udp.ts`).
 */
export class UdpLoad {
  readonly #o: UdpLoadOptions;
  readonly #batches: UdpBatch[] = [];
  readonly #udp: UdpBatches;
  readonly #poll: UdpPoll;
  readonly #destination: number[] = [];
  /** 8 bytes a source. */
  readonly #ids: Uint8Array;
  /** A slot's request as it was sent, `REQUEST_BYTES` each. */
  readonly #requests: Uint8Array;
  readonly #lengths: Uint16Array;
  readonly #waitsFor: Uint8Array;
  readonly #source: Uint8Array;
  readonly #generation: Uint32Array;
  readonly #sentAt: Float64Array;
  readonly #tries: Uint8Array;
  readonly #free: number[] = [];
  readonly #torrents = new Uint32Array(ROWS_MAX);
  /** Of work that ends with the last peer. */
  #hasMore = true;
  #phase: UdpPhase = { work: 'announce', answers: 0, window: 1 };
  #counts: LoadCounts = { answers: 0, repeats: 0, slowestMs: 0 };
  #now = 0;

  static async open(options: UdpLoadOptions): Promise<UdpLoad> {
    const udp = await loadUdpBatches();
    if (!udp.isAvailable) throw new Error(`no load without batched UDP: ${udp.reason}`);
    return new UdpLoad(udp, options);
  }

  private constructor(udp: UdpBatches, options: UdpLoadOptions) {
    const { population, slots, tracker } = options;
    this.#o = options;
    this.#udp = udp;
    for (let source = 0; source < population.sourceCount; source++) {
      const host = population.sourceHost(source);
      const { fd } = udp.openSocket({ host, port: 0, receiveBufferBytes: 4_194_304 });
      const batch = udp.batch(fd, { timeoutMs: 100, count: 64, destinations: 1 });
      this.#batches.push(batch);
      this.#destination.push(batch.addDestination(tracker));
    }
    this.#poll = udp.poll(this.#batches);
    this.#ids = new Uint8Array(population.sourceCount * 8);
    this.#requests = new Uint8Array(slots * REQUEST_BYTES);
    this.#lengths = new Uint16Array(slots);
    this.#waitsFor = new Uint8Array(slots).fill(FREE);
    this.#source = new Uint8Array(slots);
    this.#generation = new Uint32Array(slots);
    this.#sentAt = new Float64Array(slots);
    this.#tries = new Uint8Array(slots);
  }

  close(): void {
    for (const { fd } of this.#batches) this.#udp.closeSocket(fd);
  }

  /**
   * Runs until as many answers have come. Blocks the thread.
   *
   * @throws WrongAnswer
   */
  run(phase: UdpPhase): LoadCounts {
    const total: LoadCounts = { answers: 0, repeats: 0, slowestMs: 0 };
    // In parts, each with fresh connection ids.
    const isOnce = phase.work === 'fill' || phase.work === 'refresh';
    this.#hasMore = true;
    while (isOnce ? this.#hasMore : total.answers < phase.answers) {
      this.#connectAll();
      const part = this.#runPart({ ...phase, answers: phase.answers - total.answers });
      total.answers += part.answers;
      total.repeats += part.repeats;
      total.slowestMs = Math.max(total.slowestMs, part.slowestMs);
    }
    return total;
  }

  #connectAll(): void {
    this.#begin({ work: 'announce', answers: 0, window: this.#batches.length });
    this.#batches.forEach((_, source) => {
      this.#connect(this.#free.pop() as number, source);
    });
    while (this.#free.length < this.#phase.window) this.#turn();
  }

  #runPart(phase: UdpPhase): LoadCounts {
    this.#begin(phase);
    const { window } = phase;
    const deadline = this.#now + RECONNECT_EVERY_MS;
    let toSend =
      phase.work === 'fill' || phase.work === 'refresh'
        ? Infinity
        : Math.ceil(phase.answers / (phase.work === 'connect-announce' ? 2 : 1));
    for (;;) {
      const mayAsk = this.#now < deadline;
      while (mayAsk && this.#free.length > 0 && toSend > 0 && this.#ask(this.#free.at(-1) as number)) {
        this.#free.pop();
        toSend--;
      }
      if (this.#free.length === window) return this.#counts;
      this.#turn();
    }
  }

  #begin(phase: UdpPhase): void {
    if (phase.window > this.#o.slots) throw new Error('the window is larger than the judge has slots');
    this.#phase = phase;
    this.#counts = { answers: 0, repeats: 0, slowestMs: 0 };
    this.#now = performance.now();
    this.#free.length = 0;
    for (let slot = phase.window - 1; slot >= 0; slot--) this.#free.push(slot);
  }

  /** Sends what is queued, takes the answers that are there, waits for the first if there are none. */
  #turn(): void {
    const batches = this.#batches;
    for (let i = 0; i < batches.length; i++) (batches[i] as UdpBatch).flush();
    const isAny = this.#poll.wait(100);
    this.#now = performance.now();
    if (!isAny) {
      this.#repeatLate();
      return;
    }
    for (let source = 0; source < batches.length; source++) {
      if (!this.#poll.isReady(source)) continue;
      const batch = batches[source] as UdpBatch;
      const count = batch.receive(false);
      for (let i = 0; i < count; i++) this.#onAnswer(source, batch, batch.receivedAt(i), batch.lengthOf(i));
    }
  }

  // --- asking ----------------------------------------------------------------------------------------------------------------------

  /** @returns false where there is nothing left to ask */
  #ask(slot: number): boolean {
    const { work } = this.#phase;
    const { workload, rng, population } = this.#o;
    if (work === 'scrape') {
      this.#scrape(slot);
    } else if (work === 'connect-announce') {
      this.#connect(slot, rng.below(population.sourceCount));
    } else {
      if (work === 'announce') workload.nextAnnounce(-1);
      else if (!(work === 'fill' ? workload.nextOfFill() : workload.nextOfRefresh())) {
        this.#hasMore = false;
        return false;
      }
      this.#announce(slot);
    }
    return true;
  }

  #connect(slot: number, source: number): void {
    const at = slot * REQUEST_BYTES;
    this.#requests.set(CONNECT, at);
    this.#send(slot, { source, length: CONNECT_BYTES, action: udpAction.connect });
  }

  /** Announces what the workload has drawn. */
  #announce(slot: number): void {
    const { population, workload, judge, numWant } = this.#o;
    const { peer, event, isSeeder } = workload;
    const source = population.sourceOf(peer);
    const torrent = population.torrentOf[peer] as number;
    const requests = this.#requests;
    const at = slot * REQUEST_BYTES;
    requests.set(ANNOUNCE, at);
    copy(this.#ids, source * 8, requests, at, 8);
    copy(population.hashes, torrent * 20, requests, at + 16, 20);
    population.writePeerId(peer, requests, at + 36);
    if (!isSeeder) writeU32(requests, at + 68, LEFT_BYTES);
    writeU32(requests, at + 80, event);
    writeU32(requests, at + 92, numWant);
    writeU16(requests, at + 96, population.portOf(peer));
    judge.expectAnnounce(slot, peer, workload);
    this.#send(slot, { source, length: ANNOUNCE_BYTES, action: udpAction.announce });
  }

  #scrape(slot: number): void {
    const { population, judge, rng } = this.#o;
    const count = this.#phase.torrents ?? 1;
    const source = rng.below(population.sourceCount);
    const at = slot * REQUEST_BYTES;
    this.#requests.set(SCRAPE, at);
    copy(this.#ids, source * 8, this.#requests, at, 8);
    const torrents = this.#torrents.subarray(0, count);
    const { torrentCount } = population;
    // All different: a tracker may answer a torrent once however often it is asked for.
    const first = rng.below(torrentCount);
    const stride = 1 + rng.below(Math.max(1, Math.floor((torrentCount - 1) / count)));
    for (let i = 0; i < count; i++) {
      const torrent = (first + i * stride) % torrentCount;
      torrents[i] = torrent;
      copy(population.hashes, torrent * 20, this.#requests, at + 16 + i * 20, 20);
    }
    judge.expectScrape(slot, torrents);
    this.#send(slot, { source, length: 16 + count * 20, action: udpAction.scrape });
  }

  #send(slot: number, o: { source: number; length: number; action: number }): void {
    this.#source[slot] = o.source;
    this.#lengths[slot] = o.length;
    this.#waitsFor[slot] = o.action;
    this.#tries[slot] = 0;
    // What comes late for an earlier request of the slot has another number.
    const generation = ((this.#generation[slot] as number) + 1) % GENERATIONS;
    this.#generation[slot] = generation;
    writeU32(this.#requests, slot * REQUEST_BYTES + 12, generation * SLOTS_MAX + slot);
    this.#queue(slot);
  }

  #queue(slot: number): void {
    const source = this.#source[slot] as number;
    const batch = this.#batches[source] as UdpBatch;
    if (batch.queueRoom === 0) batch.flush();
    const length = this.#lengths[slot] as number;
    copy(this.#requests, slot * REQUEST_BYTES, batch.sendRoom, batch.sendAt, length);
    batch.queue(this.#destination[source] as number, length);
    this.#sentAt[slot] = this.#now;
  }

  #repeatLate(): void {
    for (let slot = 0; slot < this.#phase.window; slot++) {
      if (this.#waitsFor[slot] === FREE || this.#now - (this.#sentAt[slot] as number) < REPEAT_AFTER_MS) continue;
      const tries = (this.#tries[slot] as number) + 1;
      if (tries > REPEATS_MAX)
        throw new WrongAnswer(`no answer to action ${this.#waitsFor[slot]} after ${tries} requests`);
      this.#tries[slot] = tries;
      if (this.#waitsFor[slot] === udpAction.announce) this.#o.judge.onRepeat(slot);
      this.#counts.repeats++;
      this.#queue(slot);
    }
  }

  // --- answers ---------------------------------------------------------------------------------------------------------------------

  #onAnswer(source: number, batch: UdpBatch, at: number, length: number): void {
    const bytes = batch.received;
    if (length < 8) throw new WrongAnswer(`an answer of ${length} bytes`);
    const action = readU32(bytes, at);
    const transactionId = readU32(bytes, at + 4);
    const slot = transactionId % SLOTS_MAX;
    const isKnown = slot < this.#o.slots && Math.floor(transactionId / SLOTS_MAX) === this.#generation[slot];
    if (!isKnown) throw new WrongAnswer(`an answer with transaction id ${transactionId}, which was never sent`);
    // The second answer to a request that was sent twice.
    if (this.#waitsFor[slot] === FREE && (this.#tries[slot] as number) > 0) return;
    if (this.#source[slot] !== source) throw new WrongAnswer('an answer to another address than that of the asker');
    if (action !== this.#waitsFor[slot]) {
      const text = action === udpAction.error ? String.fromCharCode(...bytes.subarray(at + 8, at + length)) : '';
      throw new WrongAnswer(`action ${action} instead of ${this.#waitsFor[slot]}: ${text}`);
    }
    this.#counts.answers++;
    if (this.#tries[slot] === 0) {
      this.#counts.slowestMs = Math.max(this.#counts.slowestMs, this.#now - (this.#sentAt[slot] as number));
    }
    this.#waitsFor[slot] = FREE;
    if (action === udpAction.connect) this.#onConnected(slot, { source, bytes, at, length });
    else {
      this.#free.push(slot);
      if (action === udpAction.announce) this.#onAnnounced(slot, bytes, at, at + length);
      else this.#o.judge.judgeScrape(slot, { bytes, start: at + 8, end: at + length });
    }
  }

  #onConnected(slot: number, o: { source: number; bytes: Uint8Array; at: number; length: number }): void {
    if (o.length !== 16) throw new WrongAnswer(`a connect answer of ${o.length} bytes`);
    copy(o.bytes, o.at + 8, this.#ids, o.source * 8, 8);
    if (this.#phase.work !== 'connect-announce') {
      this.#free.push(slot);
      return;
    }
    this.#o.workload.nextAnnounce(o.source);
    this.#announce(slot);
  }

  #onAnnounced(slot: number, bytes: Uint8Array, at: number, end: number): void {
    if (end - at < 20 || (end - at - 20) % 6 !== 0) throw new WrongAnswer(`an announce answer of ${end - at} bytes`);
    if (readU32(bytes, at + 8) === 0) throw new WrongAnswer('an interval of 0');
    const counts = { incomplete: readU32(bytes, at + 12), complete: readU32(bytes, at + 16) };
    this.#o.judge.judgeAnnounce(slot, counts, { bytes, start: at + 20, end });
  }
}

/** Of a transaction id the part that names the slot. */
const SLOTS_MAX = 4_096;
const REQUEST_BYTES = 16 + ROWS_MAX * 20;
/** What a leecher has left. */
const LEFT_BYTES = 1_000_000;

const NO_ID = new Uint8Array(8);
const NO_HASH = new Uint8Array(20);
const CONNECT = encodeUdpConnectRequest(0);
const SCRAPE = encodeUdpScrapeRequest({ connectionId: NO_ID, transactionId: 0, infoHashes: [NO_HASH] });
const ANNOUNCE = encodeUdpAnnounceRequest({
  connectionId: NO_ID,
  transactionId: 0,
  request: {
    infoHash: NO_HASH,
    peerId: NO_HASH,
    port: 0,
    uploaded: 0,
    downloaded: 0,
    left: 0,
    event: 'none',
    numWant: 0,
    key: 0x1234_5678,
  },
});

/** `set` of a view would make the view first. */
function copy(from: Uint8Array, at: number, into: Uint8Array, intoAt: number, length: number): void {
  for (let i = 0; i < length; i++) into[intoAt + i] = from[at + i] as number;
}

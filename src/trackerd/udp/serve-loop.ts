// Hot path: tracker-udp
import type { Millis } from '../../base/index.ts';
import type { UdpBatch, UdpBatches, UdpPoll } from '../../node/index.ts';
import { type CounterRow, counter } from '../../tracker/index.ts';
import type { UdpAnswerer } from './answerer.ts';

/** How long a receive waits: a thread in a system call hears neither messages nor the stop flag. */
const RECEIVE_TIMEOUT_MS = 50;
/**
 * How long datagrams gather before they are taken, while many come. A datagram alone costs the thread a wake-up and two system calls,
 * several together cost the same once; nobody notices half a millisecond in an answer that is tens of milliseconds on its way.
 */
const GATHER_US = 500;
/** They gather as long as at least so many come in this time: some for each pause. */
const GATHER_FROM = 32;
const GATHER_LOOK_MS = 8;

/** One socket with its buffers and who answers in them. */
interface Serving {
  readonly batch: UdpBatch;
  readonly answerer: UdpAnswerer;
  /** Datagrams the system had lost when we last looked. */
  lostCount: number;
}

/** Receives, answers and sends by the batch, on the sockets of one thread. */
export class ServeLoop {
  readonly #batches: UdpBatches;
  readonly #counts: CounterRow;
  readonly #now: () => Millis;
  readonly #serving: readonly Serving[];
  readonly #poll: UdpPoll | undefined;
  #isGathering = false;
  /** Since the last look at how many come. */
  #lookedAt: Millis;
  #takenCount = 0;

  /** @param options.answererFor makes the answerer over a batch's buffers */
  constructor(options: {
    batches: UdpBatches;
    fds: readonly number[];
    counts: CounterRow;
    now: () => Millis;
    answererFor: (batch: UdpBatch) => UdpAnswerer;
  }) {
    this.#batches = options.batches;
    this.#counts = options.counts;
    this.#now = options.now;
    this.#lookedAt = options.now();
    this.#serving = options.fds.map((fd) => {
      const batch = options.batches.batch(fd, { timeoutMs: RECEIVE_TIMEOUT_MS });
      // A thread before this one has counted what was lost until now.
      return { batch, answerer: options.answererFor(batch), lostCount: batch.readLostCount() };
    });
    // With one socket its own time-out serves.
    const polled = this.#serving.map(({ batch }) => batch);
    this.#poll = polled.length === 1 ? undefined : options.batches.poll(polled);
  }

  /** Waits for datagrams, a bounded time, and answers what is there on each socket, a batch at most. @returns the time after it */
  round(): Millis {
    const isWaiting = !this.#isGathering;
    const poll = isWaiting ? this.#poll : undefined;
    let count = 0;
    let isFull = false;
    if (poll === undefined || poll.wait(RECEIVE_TIMEOUT_MS)) {
      for (let i = 0; i < this.#serving.length; i++) {
        const serving = this.#serving[i] as Serving;
        if (poll !== undefined && !poll.isReady(i)) continue;
        const taken = serving.batch.receive(isWaiting && poll === undefined);
        this.#answer(serving, taken);
        count += taken;
        isFull ||= taken === serving.batch.count;
      }
    }
    const at = this.#now();
    this.#look(at, count);
    // What is more than a batch has gathered enough.
    if (this.#isGathering && !isFull) this.#batches.pause(GATHER_US);
    return at;
  }

  /** @returns datagrams that the system has lost on our sockets since the last call: nobody took them in time */
  takeLostCount(): number {
    let sum = 0;
    for (const serving of this.#serving) {
      const lostCount = serving.batch.readLostCount();
      sum += (lostCount - serving.lostCount) >>> 0;
      serving.lostCount = lostCount;
    }
    return sum;
  }

  #look(at: Millis, count: number): void {
    this.#takenCount += count;
    const passedMs = at - this.#lookedAt;
    if (passedMs < GATHER_LOOK_MS) return;
    this.#isGathering = this.#takenCount * GATHER_LOOK_MS >= GATHER_FROM * passedMs;
    this.#takenCount = 0;
    this.#lookedAt = at;
  }

  #answer({ batch, answerer }: Serving, count: number): void {
    if (count === 0) return;
    const at = this.#now();
    for (let i = 0; i < count; i++) answerer.expect(batch.receivedAt(i), batch.lengthOf(i));
    answerer.lookAhead();
    for (let i = 0; i < count; i++) {
      if (batch.isCut(i)) {
        this.#counts[counter.udpMalformed]!++;
        continue;
      }
      const receivedAt = batch.receivedAt(i);
      const sourceAt = batch.sourceAt(i);
      const sourceLength = batch.sourceLength(i);
      const length = answerer.answer(at, receivedAt, batch.lengthOf(i), sourceAt, sourceLength, batch.sendAt);
      if (length > 0) batch.queue(i, length);
    }
    const failed = batch.failedCount;
    batch.flush();
    this.#counts[counter.udpUnsent]! += batch.failedCount - failed;
  }
}

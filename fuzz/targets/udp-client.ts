import assert from 'node:assert/strict';
import { addMs, type Millis, NEVER, type PeerAddress, readU32, writeU32 } from '#base';
import { type UdpRequestId, UdpTrackerClient, udpAction, udpClientLimits } from '#wire';
import { Tape } from '../support/tape.ts';
import { type FuzzTarget, magnitude } from '../support/target.ts';

const places: readonly PeerAddress[] = [
  { host: '192.0.2.1', port: 1 },
  { host: '2001:db8::1', port: 1 },
];
/** Nothing goes on longer than all tries of a request after all tries of its connect. */
const END_MS = 2 * udpClientLimits.retryBaseMs * 2 ** (udpClientLimits.attemptsMax + 1);

class Play {
  readonly #tape: Tape;
  readonly #outcomes = new Map<UdpRequestId, string>();
  readonly #open = new Set<UdpRequestId>();
  readonly #sent: { bytes: Uint8Array; to: PeerAddress }[] = [];
  readonly client: UdpTrackerClient;
  #now = 0 as Millis;
  #transaction = 0;

  constructor(tape: Tape) {
    this.#tape = tape;
    this.client = new UdpTrackerClient({
      // Few values, so that ids come again.
      random32: () => this.#transaction++ % 21,
      ports: {
        send: (bytes, to) => {
          this.#sent.push({ bytes, to });
        },
        done: (id, { kind }) => {
          assert.ok(this.#open.delete(id), 'one outcome, of a request that is open');
          this.#outcomes.set(id, kind);
        },
      },
    });
  }

  move(): void {
    const tape = this.#tape;
    const { client } = this;
    const at = tape.pick(places);
    switch (tape.below(7)) {
      case 0:
      case 1:
        if (client.pendingCount >= 8) return;
        this.#open.add(client.start(this.#now, at, { kind: 'scrape', infoHashes: [new Uint8Array(20)] }));
        return;
      case 2:
        return this.runTo(addMs(this.#now, tape.pick([1, 1_000, 15_000, 30_001, 61_000])));
      case 3: {
        const id = [...this.#open][tape.below(8)];
        if (id === undefined) return;
        client.cancel(id);
        this.#open.delete(id);
        return;
      }
      case 4: {
        const noise = tape.bytes(tape.below(24));
        return client.onDatagram(this.#now, at, noise);
      }
      default:
        return this.#answer();
    }
  }

  /** An answer to something that was sent, mostly right. */
  #answer(): void {
    const tape = this.#tape;
    const sent = this.#sent[Math.max(0, this.#sent.length - 1 - tape.below(4))];
    if (sent === undefined) return;
    const out = new Uint8Array(20);
    const isConnect = sent.bytes.length === 16;
    writeU32(out, 0, tape.pick([isConnect ? udpAction.connect : udpAction.scrape, udpAction.error, tape.below(4)]));
    writeU32(out, 4, readU32(sent.bytes, 12));
    this.client.onDatagram(this.#now, tape.below(5) === 0 ? tape.pick(places) : sent.to, out);
  }

  runTo(end: Millis): void {
    for (let next = this.client.nextDeadline(); next <= end; next = this.client.nextDeadline()) {
      assert.ok(next >= this.#now, 'time does not go back');
      this.#now = next;
      this.client.onWake(next);
      assert.ok(this.client.nextDeadline() > next, 'what was due has been done');
    }
    this.#now = end;
  }

  end(): string {
    assert.equal(this.client.pendingCount, this.#open.size);
    this.runTo(addMs(this.#now, END_MS));
    assert.equal(this.#open.size, 0, 'every request has had its outcome');
    assert.equal(this.client.pendingCount, 0);
    assert.equal(this.client.nextDeadline(), NEVER);
    return [magnitude(this.#sent.length), ...new Set(this.#outcomes.values())].sort().join(' ');
  }
}

export const target: FuzzTarget = {
  about: 'the UDP client under any answers, times and cancels: one outcome a request, nothing left',
  form: 'choices',
  files: ['wire/tracker/udp-client'],
  parsers: [],
  bytesMax: 300,
  run(input) {
    const tape = new Tape(input);
    const play = new Play(tape);
    tape.moves(80, () => play.move());
    return play.end();
  },
};

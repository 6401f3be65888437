import assert from 'node:assert/strict';
import type { Socket, SocketEvents } from '#sim';
import { encodeHandshake, encodeMessage, HandshakeDecoder, handshakeBytes } from '#wire';
import { Scene } from '../../test/support/scene.ts';
import { Tape } from '../support/tape.ts';
import { type FuzzTarget, magnitude } from '../support/target.ts';

/** A bare connection: what it says is bytes. */
class Raw implements SocketEvents {
  readonly received: number[] = [];
  readonly #hello: Uint8Array | undefined;
  isConnected = false;
  isClosing = false;
  ended: string | undefined;
  socket: Socket | undefined;

  constructor(hello: Uint8Array | undefined) {
    this.#hello = hello;
  }
  onConnected(socket: Socket): void {
    this.isConnected = true;
    if (this.#hello !== undefined) socket.write(this.#hello.slice());
  }
  onBytes(_: Socket, bytes: Uint8Array): void {
    this.received.push(...bytes.subarray(0, Math.max(0, 200 - this.received.length)));
  }
  onWritten(): void {}
  get mayWrite(): boolean {
    return this.isConnected && !this.isClosing && this.ended === undefined;
  }
  onClosed(_: Socket, reason: { code: string }): void {
    this.ended = reason.code;
  }
}

class Play {
  readonly #tape: Tape;
  readonly scene = new Scene({ has: [0] }).start();
  readonly #raws: Raw[] = [];

  constructor(tape: Tape) {
    this.#tape = tape;
  }

  move(): void {
    const tape = this.#tape;
    const raw = this.#raws[tape.below(4)];
    switch (tape.below(8)) {
      case 0:
      case 1:
        return this.#dial(tape.isTrue() ? this.#hello() : undefined);
      case 2:
      case 3: {
        if (raw?.mayWrite !== true) return;
        const hello = this.#hello();
        const from = tape.below(hello.length + 1);
        raw.socket?.write(hello.slice(tape.isTrue() ? 0 : from, Math.max(from, tape.below(hello.length + 1))));
        return;
      }
      case 4:
        if (raw?.mayWrite === true) raw.socket?.write(tape.bytes(tape.below(80)));
        return;
      case 5:
        if (raw?.mayWrite !== true) return;
        raw.isClosing = true;
        return raw.socket?.close();
      case 6:
        return void this.scene.world.runFor(tape.pick([1, 50, 1_000, 14_000, 16_000]));
      default:
        // To be dialled by it: nobody listens there, or somebody who says something else.
        return this.scene.client.ask((session, id, now) =>
          session.addPeers(now, id, [{ host: `60.0.0.${1 + tape.below(4)}`, port: 6_881 }]),
        );
    }
  }

  #dial(hello: Uint8Array | undefined): void {
    const raw = new Raw(hello);
    raw.socket = this.scene.net.addHost().dial(this.scene.client.address, raw);
    this.#raws.unshift(raw);
  }

  /** Of the right torrent or not, ours or another's, whole or with more behind it. */
  #hello(): Uint8Array {
    const tape = this.#tape;
    const infoHash = tape.below(4) === 1 ? new Uint8Array(20).fill(tape.byte()) : this.scene.torrent.swarmKey;
    const peerId = new Uint8Array(20).fill(tape.below(3));
    const [a, b, c, d] = [tape.isTrue(), tape.isTrue(), tape.isTrue(), tape.isTrue()];
    const hello = encodeHandshake({ infoHash, peerId, flags: { extensions: a, fast: b, dht: c, v2: d } });
    if (tape.below(6) === 1) hello[tape.below(20)]! ^= 1;
    const more = tape.isTrue() ? encodeMessage({ kind: 'interested' }) : new Uint8Array(0);
    return new Uint8Array([...hello, ...more]);
  }

  end(): string {
    // Fifteen seconds for whoever has not said who he is.
    this.scene.run('40s');
    for (const raw of this.#raws) {
      const decoder = new HandshakeDecoder();
      const received = Uint8Array.from(raw.received);
      // Nobody hears anything but a handshake first, of the torrent that he asked for.
      const greeted = decoder.push(received);
      if (greeted !== undefined) assert.deepEqual(greeted.handshake.infoHash, this.scene.torrent.swarmKey);
      else assert.ok(received.length < handshakeBytes);
    }
    const reasons = Object.keys(this.scene.closed).sort().join(' ');
    assert.deepEqual(this.scene.stop(), []);
    return `${magnitude(this.#raws.length)} ${reasons}`;
  }
}

export const target: FuzzTarget = {
  about: 'connections before they belong to a torrent: greeted with a handshake only, let go in time, nothing left',
  form: 'choices',
  files: ['session/handshakes', 'wire/peer/handshake'],
  parsers: [],
  bytesMax: 400,
  testRuns: 60,
  share: 2,
  msMax: 1_000,
  run(input) {
    const tape = new Tape(input);
    const play = new Play(tape);
    tape.moves(40, () => play.move());
    return play.end();
  },
};

import assert from 'node:assert/strict';
import { describe, test } from 'node:test';
import { type PeerAddress, seededRng } from '#base';
import type { ByteStream, Listener, StreamHandlers, Transport } from '#node';
import type { CloseReason } from '#wire';

/** What every transport must do, whatever carries the bytes. */
export interface TransportSuite {
  readonly name: string;
  readonly make: () => Transport;
  /** Addresses to listen on, port 0. */
  readonly hosts: readonly string[];
}

/** One end of a stream: collects what it is told, and lets a test wait for it. */
class End implements StreamHandlers {
  stream!: ByteStream;
  isOpen = false;
  readonly written: number[] = [];
  closed: CloseReason | undefined;
  length = 0;
  keeps = true;
  onChunk: ((bytes: Uint8Array) => void) | undefined;
  readonly #chunks: Uint8Array[] = [];
  #waiting: (() => void)[] = [];
  /** Set while the test's own code runs a call that must not call back. */
  isBusy = false;

  onOpen(): void {
    this.#note();
    this.isOpen = true;
  }
  onBytes(bytes: Uint8Array): void {
    this.#note();
    this.length += bytes.length;
    if (this.keeps) this.#chunks.push(Uint8Array.from(bytes));
    this.onChunk?.(bytes);
  }
  onWritten(ticket: number): void {
    this.#note();
    this.written.push(ticket);
  }
  onClosed(reason: CloseReason): void {
    this.#note();
    assert.equal(this.closed, undefined, 'closed twice');
    this.closed = reason;
  }

  get bytes(): Buffer {
    return Buffer.concat(this.#chunks);
  }

  /** Resolves once `condition` holds; it is looked at after every call to this end. */
  async until(condition: () => boolean): Promise<void> {
    while (!condition()) await new Promise<void>((resolve) => this.#waiting.push(resolve));
  }

  #note(): void {
    assert.equal(this.isBusy, false, 'called back while a call was running');
    assert.equal(this.closed, undefined, 'a call after onClosed');
    const waiting = this.#waiting;
    this.#waiting = [];
    // After the caller has updated the fields.
    for (const wake of waiting) queueMicrotask(wake);
  }
}

interface Pair {
  readonly near: End;
  readonly far: End;
  readonly listener: Listener;
}

async function connect(transport: Transport, host: string): Promise<Pair> {
  const far = new End();
  const listener = await transport.listen({ host, port: 0 }, (_from, stream) => {
    far.stream = stream;
    return far;
  });
  const near = new End();
  near.stream = transport.dial(listener.address, near);
  await near.until(() => near.isOpen || near.closed !== undefined);
  assert.equal(near.closed, undefined);
  return { near, far, listener };
}

export function transportContract(suite: TransportSuite): void {
  const check = (what: string, body: (transport: Transport) => Promise<void>): void => {
    test(what, { timeout: 20_000 }, async () => {
      const transport = suite.make();
      try {
        await body(transport);
      } finally {
        await transport.close();
      }
    });
  };
  const host = suite.hosts[0] as string;

  describe(`transport contract: ${suite.name}`, () => {
    for (const each of suite.hosts) {
      check(`carries bytes both ways over ${each}`, async (transport) => {
        const { near, far, listener } = await connect(transport, each);
        assert.notEqual(listener.address.port, 0);
        near.stream.write(Uint8Array.of(1, 2, 3));
        await far.until(() => far.length === 3);
        far.stream.write(Uint8Array.of(4, 5));
        await near.until(() => near.length === 2);
        assert.deepEqual([...far.bytes], [1, 2, 3]);
        assert.deepEqual([...near.bytes], [4, 5]);
      });
    }

    check('tells the address of the peer that connected', async (transport) => {
      const seen: PeerAddress[] = [];
      const end = new End();
      const listener = await transport.listen({ host, port: 0 }, (from, stream) => {
        seen.push(from);
        end.stream = stream;
        return end;
      });
      const near = new End();
      near.stream = transport.dial(listener.address, near);
      near.stream.write(Uint8Array.of(9));
      await end.until(() => end.length === 1);
      assert.equal(seen[0]?.host, host);
      assert.ok((seen[0]?.port ?? 0) > 0);
    });

    check('keeps the order of control and payload whatever the sizes', async (transport) => {
      const { near, far } = await connect(transport, host);
      const rng = seededRng(11);
      const parts: Buffer[] = [];
      let tickets = 0;
      for (let turn = 0; turn < 30; turn++) {
        for (let i = rng.below(6); i >= 0; i--) {
          const part = Buffer.from(rng.bytes(1 + rng.below(rng.below(2) === 0 ? 40 : 70_000)));
          parts.push(part);
          near.isBusy = true;
          if (rng.below(2) === 0) near.stream.write(part);
          else near.stream.writePayload(part, tickets++);
          near.isBusy = false;
        }
        await new Promise(setImmediate);
      }
      const whole = Buffer.concat(parts);
      await far.until(() => far.length === whole.length);
      assert.ok(far.bytes.equals(whole));
      await near.until(() => near.written.length === tickets);
      assert.deepEqual(
        near.written,
        Array.from({ length: tickets }, (_, i) => i),
      );
      assert.equal(near.stream.queuedBytes, 0);
    });

    check('carries a large payload, and returns its view when it may be used again', async (transport) => {
      const { near, far } = await connect(transport, host);
      const payload = Buffer.alloc(24 * 1024 * 1024, 'eider');
      near.stream.writePayload(payload, 77);
      await near.until(() => near.written.length === 1);
      await far.until(() => far.length === payload.length);
      assert.ok(far.bytes.equals(payload));
    });

    check('stops while the reader has paused, loses nothing, goes on afterwards', async (transport) => {
      const { near, far } = await connect(transport, host);
      near.stream.write(Uint8Array.of(0));
      await far.until(() => far.length === 1);
      far.stream.reading(false);
      const payload = Buffer.alloc(64 * 1024, 7);
      let sent = 0;
      // Written until the path is full: more than any socket buffer holds would wait for ever, so a queue is the sign.
      while (near.stream.queuedBytes === 0 && sent < 2000) {
        near.stream.writePayload(payload, sent++);
        await new Promise(setImmediate);
      }
      assert.ok(near.stream.queuedBytes > 0, 'a paused reader makes the writer wait');
      const before = far.length;
      assert.ok(before <= 1 + 2 * 256 * 1024, `read ${before} while paused`);
      far.stream.reading(true);
      await far.until(() => far.length === 1 + sent * payload.length);
      await near.until(() => near.written.length === sent);
    });

    check('may be paused and resumed from inside onBytes', async (transport) => {
      const { near, far } = await connect(transport, host);
      far.onChunk = () => {
        far.stream.reading(false);
        setImmediate(() => far.stream.reading(true));
      };
      const payload = Buffer.alloc(3 * 1024 * 1024, 1);
      near.stream.writePayload(payload, 1);
      await far.until(() => far.length === payload.length);
    });

    check('may be paused before it is open', async (transport) => {
      const far = new End();
      const listener = await transport.listen({ host, port: 0 }, (_from, stream) => {
        far.stream = stream;
        stream.write(Uint8Array.of(1, 2, 3));
        return far;
      });
      const near = new End();
      near.stream = transport.dial(listener.address, near);
      near.stream.reading(false);
      near.stream.write(Uint8Array.of(7));
      await far.until(() => far.length === 1);
      far.stream.write(Uint8Array.of(4));
      for (let i = 0; i < 5; i++) await new Promise(setImmediate);
      assert.equal(near.length, 0);
      near.stream.reading(true);
      await near.until(() => near.length === 4);
    });

    check('two streams at once do not mix their bytes', async (transport) => {
      const a = await connect(transport, host);
      const b = await connect(transport, host);
      const ones = Buffer.alloc(5_000_000, 1);
      const twos = Buffer.alloc(5_000_000, 2);
      a.near.stream.writePayload(ones, 1);
      b.near.stream.writePayload(twos, 1);
      await a.far.until(() => a.far.length === ones.length);
      await b.far.until(() => b.far.length === twos.length);
      assert.ok(a.far.bytes.equals(ones));
      assert.ok(b.far.bytes.equals(twos));
    });

    check('close sends what was written, although the other side is still talking', async (transport) => {
      const { near, far } = await connect(transport, host);
      far.stream.write(Buffer.alloc(300_000));
      const payload = Buffer.alloc(4 * 1024 * 1024, 3);
      near.stream.writePayload(payload, 5);
      near.stream.write(Uint8Array.of(1, 2));
      near.isBusy = true;
      near.stream.close();
      near.isBusy = false;
      await far.until(() => far.closed !== undefined);
      assert.equal(far.length, payload.length + 2);
      assert.equal(far.closed?.code, 'net/closed');
      assert.deepEqual(near.written, [5]);
      assert.equal(near.closed, undefined, 'who closes hears no onClosed');
    });

    check('after close nothing is delivered but views', async (transport) => {
      const { near, far } = await connect(transport, host);
      near.stream.close();
      far.stream.write(Uint8Array.of(1, 2, 3));
      await far.until(() => far.closed !== undefined);
      assert.equal(near.length, 0);
      assert.equal(near.closed, undefined);
    });

    check('close returns views that the other side never takes', async (transport) => {
      const { near, far } = await connect(transport, host);
      far.stream.reading(false);
      near.stream.writePayload(Buffer.alloc(30 * 1024 * 1024), 1);
      near.stream.writePayload(Buffer.alloc(1024), 2);
      await new Promise(setImmediate);
      near.stream.close();
      await transport.close();
      assert.deepEqual(near.written, [1, 2]);
    });

    check('a peer that goes away is told once, and its views are free', async (transport) => {
      const { near, far } = await connect(transport, host);
      near.stream.writePayload(Buffer.alloc(20 * 1024 * 1024), 1);
      far.stream.destroy();
      await near.until(() => near.closed !== undefined);
      assert.ok(['net/closed', 'net/reset'].includes(near.closed?.code ?? ''), near.closed?.code);
      near.stream.write(Uint8Array.of(1));
      near.stream.writePayload(Uint8Array.of(1), 2);
      near.stream.close();
      await new Promise(setImmediate);
      assert.deepEqual(near.written, []);
    });

    check('a refused peer is dropped', async (transport) => {
      const listener = await transport.listen({ host, port: 0 }, () => undefined);
      const near = new End();
      near.stream = transport.dial(listener.address, near);
      await near.until(() => near.closed !== undefined);
    });

    check('nobody there: the dial fails with a reason, on a later turn', async (transport) => {
      const listener = await transport.listen({ host, port: 0 }, () => undefined);
      await listener.close();
      const near = new End();
      near.isBusy = true;
      near.stream = transport.dial(listener.address, near);
      near.isBusy = false;
      await near.until(() => near.closed !== undefined);
      assert.equal(near.closed?.code, 'net/refused');
      assert.equal(near.isOpen, false);
    });

    check('a dial closed before it is open says nothing', async (transport) => {
      const listener = await transport.listen({ host, port: 0 }, () => undefined);
      const near = new End();
      near.stream = transport.dial(listener.address, near);
      near.stream.writePayload(Uint8Array.of(1), 4);
      near.stream.close();
      await transport.close();
      assert.equal(near.isOpen, false);
      assert.equal(near.closed, undefined);
      assert.deepEqual(near.written, [4]);
    });

    check('a port that is taken is an error with that name', async (transport) => {
      const listener = await transport.listen({ host, port: 0 }, () => undefined);
      await assert.rejects(
        transport.listen(listener.address, () => undefined),
        {
          code: 'net/port-in-use',
          detail: { host, port: listener.address.port },
        },
      );
    });

    check('several listeners serve side by side', async (transport) => {
      const a = await connect(transport, host);
      const b = await connect(transport, host);
      assert.notEqual(a.listener.address.port, b.listener.address.port);
      a.near.stream.write(Uint8Array.of(1));
      b.near.stream.write(Uint8Array.of(2));
      await a.far.until(() => a.far.length === 1);
      await b.far.until(() => b.far.length === 1);
      assert.equal(b.far.bytes[0], 2);
    });
  });
}

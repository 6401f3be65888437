// Hot path: tracker-http
import type { Socket } from 'node:net';
import { addMs, type Millis } from '../../base/index.ts';
import { type CounterRow, counter } from '../../tracker/index.ts';
import type { FrontLimits } from '../limits.ts';
import { findForwardedClient } from './forwarded.ts';
import type { Networks } from './networks.ts';
import { RequestHead } from './request-head.ts';
import type { HttpRoutes } from './routes.ts';

/** Who serves what is no announce and no scrape. */
export interface SocketTaker {
  /** Takes over a socket for good: what was read of it is given back by `unshift`, nobody else listens to it, it flows soon after. */
  give(socket: Socket): void;
}

/** What all connections of a listener share. */
export interface ConnectionSetting {
  readonly limits: FrontLimits;
  readonly now: () => Millis;
  readonly routes: HttpRoutes;
  readonly counts: CounterRow;
  /** Where a connection comes from one of these, what it says of its client is believed. */
  readonly trusted: Networks;
  /** Takes every connection with a request that is not ours. */
  readonly other: SocketTaker | undefined;
  /** Nothing is ours: announces come elsewhere. */
  readonly pagesOnly: boolean;
  /** What is written is still being read after `write` has returned, as TLS does. */
  readonly sendsLater: boolean;
}

/** A head is used up before the next one is read, so all connections share one. */
const head = new RequestHead();

/**
 * One client's connection: requests are answered in their order, pipelined ones in one write. Bytes waiting on either side are bounded:
 * while the client does not take its answers, nothing more is read from it. With the first request that is not ours the connection goes
 * to the server of pages for good; what remains here is the watch over its answers being taken.
 */
export class HttpConnection {
  readonly #socket: Socket;
  readonly #o: ConnectionSetting;
  /** 4 or 16 bytes that the connection came from. */
  readonly #source: Uint8Array;
  readonly #isProxied: boolean;
  /** The beginning of a request. */
  #unread: Buffer | undefined;
  /** When the connection is dropped unless a whole request comes, or answers are taken, before. */
  #deadline: Millis;
  #isEnding = false;
  #isHandedOver = false;
  /** Bytes that had passed, either way, at the last look at a connection handed over. */
  #passed = 0;
  /** Listened for from the first time on that too much waits to be sent. */
  #onDrain: (() => void) | undefined;

  /** @param source 4 or 16 bytes that the connection came from */
  constructor(socket: Socket, setting: ConnectionSetting, source: Uint8Array) {
    this.#socket = socket;
    this.#o = setting;
    this.#source = source;
    this.#isProxied = setting.trusted.has(source);
    // The first request has as long as any head: who only connects holds nothing for long.
    this.#deadline = addMs(setting.now(), setting.limits.httpHeadTimeoutMs);
    socket.on('error', onError);
  }

  /** Drops the connection where it is too slow. */
  check(now: Millis): void {
    if (this.#isHandedOver) this.#watch(now);
    if (now < this.#deadline) return;
    if (this.#unread !== undefined) this.#o.counts[counter.httpBad]!++;
    this.#socket.destroy();
  }

  close(): void {
    this.#socket.destroy();
  }

  /**
   * Takes bytes of the socket, which are borrowed for the call.
   *
   * @returns whether reading goes on
   */
  onBytes(bytes: Buffer): boolean {
    this.#o.counts[counter.httpBytesIn]! += bytes.length;
    if (this.#isHandedOver) return this.#socket.push(Buffer.from(bytes));
    if (this.#isEnding) return true;
    if (this.#o.pagesOnly) {
      this.#onForeign(bytes);
      return true;
    }
    const now = this.#o.now();
    if (this.#unread === undefined) {
      // The clock of a head starts with its first byte and is not reset by further ones.
      this.#deadline = addMs(now, this.#o.limits.httpHeadTimeoutMs);
      this.#work(now, bytes);
    } else this.#work(now, Buffer.concat([this.#unread, bytes]));
    return true;
  }

  #resume(): void {
    if (this.#isEnding) return;
    const now = this.#o.now();
    this.#deadline = addMs(now, this.#o.limits.httpIdleTimeoutMs);
    if (this.#unread !== undefined) this.#work(now, this.#unread);
    if (!this.#isBlocked && !this.#isHandedOver) this.#socket.resume();
  }

  get #isBlocked(): boolean {
    return this.#socket.writableLength > this.#o.limits.httpUnsentBytesMax;
  }

  /** Answers every whole request that is there, as long as answers are taken. */
  #work(now: Millis, bytes: Buffer): void {
    const { limits, routes } = this.#o;
    let at = 0;
    while (at < bytes.length) {
      if (!routes.out.hasRoom) this.#send();
      if (this.#isBlocked) break;
      const verdict = head.parse(bytes, at, bytes.length, limits, this.#isProxied);
      if (verdict === 'partial') break;
      if (verdict === 'foreign' || (verdict === 'ours' && this.#isSentApart(bytes))) {
        this.#send();
        this.#onForeign(bytes.subarray(at));
        return;
      }
      if (verdict === 'bad') {
        this.#refuse(head.status);
        return;
      }
      routes.answer(now, head, bytes, this.#isProxied && head.isForwarded ? this.#clientOf(bytes) : this.#source);
      at = head.end;
      if (!head.keepAlive) {
        this.#end();
        return;
      }
      this.#deadline = addMs(now, at < bytes.length ? limits.httpHeadTimeoutMs : limits.httpIdleTimeoutMs);
    }
    this.#send();
    // The bytes are borrowed: what waits for its rest is copied.
    this.#unread = at < bytes.length ? Buffer.from(bytes.subarray(at)) : undefined;
    if (!this.#isBlocked) return;
    this.#socket.pause();
    if (this.#onDrain === undefined) {
      this.#onDrain = () => this.#resume();
      this.#socket.on('drain', this.#onDrain);
    }
    this.#deadline = addMs(now, limits.httpIdleTimeoutMs);
  }

  /** Whether the answer is one that only the server of pages can send. */
  #isSentApart(bytes: Buffer): boolean {
    return head.kind === 'scrape' && this.#o.other !== undefined && this.#o.routes.wantsAll(head, bytes);
  }

  #clientOf(bytes: Buffer): Uint8Array {
    const headers = bytes.toString('latin1', head.headersFrom, head.end);
    return findForwardedClient(headers, this.#o.trusted) ?? this.#source;
  }

  #send(): void {
    const { out } = this.#o.routes;
    if (out.length === 0) return;
    this.#o.counts[counter.httpBytesOut]! += out.length;
    const socket = this.#socket;
    if (this.#o.sendsLater || socket.writableLength > 0) {
      socket.write(Buffer.from(out.take()));
      return;
    }
    socket.write(out.take());
    // The system did not take it all at once: the rest is sent from where it stands.
    if (socket.writableLength > 0) out.giveAway();
  }

  #refuse(status: number): void {
    this.#o.counts[counter.httpBad]!++;
    this.#o.routes.answerBad(status, { isOld: false, keepAlive: false, isHead: false });
    this.#end();
  }

  #end(): void {
    this.#send();
    this.#isEnding = true;
    this.#unread = undefined;
    this.#deadline = addMs(this.#o.now(), this.#o.limits.httpIdleTimeoutMs);
    this.#socket.end();
  }

  /** @param unread the request and all that came behind it, borrowed */
  #onForeign(unread: Buffer): void {
    const { other } = this.#o;
    if (other === undefined) {
      this.#refuse(404);
      return;
    }
    const socket = this.#socket;
    this.#isHandedOver = true;
    this.#unread = undefined;
    this.#deadline = Number.POSITIVE_INFINITY as Millis;
    socket.pause();
    if (this.#onDrain !== undefined) socket.off('drain', this.#onDrain);
    socket.removeAllListeners('data');
    socket.unshift(Buffer.from(unread));
    other.give(socket);
    // Paused by its own hand, a socket does not flow again by being listened to.
    process.nextTick(resume, socket);
  }

  /** Of a connection handed over: who does not take what waits for it is dropped. Idle ones are the business of who has it now. */
  #watch(now: Millis): void {
    const socket = this.#socket;
    const passed = socket.bytesRead + socket.bytesWritten - socket.writableLength;
    if (socket.writableLength === 0) this.#deadline = Number.POSITIVE_INFINITY as Millis;
    else if (passed !== this.#passed || this.#deadline === Number.POSITIVE_INFINITY)
      this.#deadline = addMs(now, this.#o.limits.httpIdleTimeoutMs);
    this.#passed = passed;
  }
}

function resume(socket: Socket): void {
  if (!socket.destroyed) socket.resume();
}

function onError(this: Socket): void {
  this.destroy();
}

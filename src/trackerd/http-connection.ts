import type { Socket } from 'node:net';
import { addMs, type Millis } from '../base/index.ts';
import { type HttpRequest, parseHttpRequest } from './http-parser.ts';
import { encodeHttpAnswer, type HttpAnswer, textAnswer } from './http-routes.ts';
import type { FrontLimits } from './limits.ts';

export interface HttpConnectionOptions {
  readonly limits: FrontLimits;
  readonly now: () => Millis;
  readonly answer: (request: HttpRequest) => HttpAnswer;
  readonly onBad: () => void;
  /** Exactly once. */
  readonly onClosed: () => void;
}

/**
 * One client's connection: requests are answered in their order, pipelined ones too. Bytes waiting on either side are bounded: while
 * the client does not take its answers, nothing more is read from it.
 */
export class HttpConnection {
  readonly #socket: Socket;
  readonly #o: HttpConnectionOptions;
  #unread: Buffer = Buffer.alloc(0);
  /** When the connection is dropped unless a whole request comes, or answers are taken, before. */
  #deadline: Millis;
  #isEnding = false;

  constructor(socket: Socket, options: HttpConnectionOptions) {
    this.#socket = socket;
    this.#o = options;
    // The first request has as long as any head: who only connects holds nothing for long.
    this.#deadline = addMs(options.now(), options.limits.httpHeadTimeoutMs);
    socket.on('data', (bytes) => this.#onBytes(bytes));
    socket.on('drain', () => this.#onDrain());
    socket.on('error', () => socket.destroy());
    socket.once('close', options.onClosed);
  }

  dropIfSlow(now: Millis): void {
    if (now < this.#deadline) return;
    if (this.#unread.length > 0) this.#o.onBad();
    this.#socket.destroy();
  }

  close(): void {
    this.#socket.destroy();
  }

  #onBytes(bytes: Buffer): void {
    if (this.#isEnding) return;
    const hadPartial = this.#unread.length > 0;
    this.#unread = hadPartial ? Buffer.concat([this.#unread, bytes]) : bytes;
    // The clock of a head starts with its first byte and is not reset by further ones.
    if (!hadPartial) this.#deadline = addMs(this.#o.now(), this.#o.limits.httpHeadTimeoutMs);
    this.#work();
  }

  #onDrain(): void {
    if (this.#isEnding) return;
    this.#deadline = addMs(this.#o.now(), this.#o.limits.httpIdleTimeoutMs);
    this.#work();
    if (!this.#isBlocked()) this.#socket.resume();
  }

  #isBlocked(): boolean {
    return this.#socket.writableLength > this.#o.limits.httpUnsentBytesMax;
  }

  /** Answers every whole request that is there, as long as answers are taken. */
  #work(): void {
    const { limits, now } = this.#o;
    let at = 0;
    this.#socket.cork();
    while (at < this.#unread.length && !this.#isEnding && !this.#isBlocked()) {
      const parsed = parseHttpRequest(this.#unread, {
        at,
        headBytesMax: limits.httpHeadBytesMax,
        targetBytesMax: limits.httpTargetBytesMax,
      });
      if (parsed.kind === 'partial') break;
      if (parsed.kind === 'bad') {
        this.#o.onBad();
        this.#send(textAnswer(parsed.status, 'bad request\n'), false);
        break;
      }
      at = parsed.request.end;
      this.#send(this.#o.answer(parsed.request), parsed.request.keepAlive);
      this.#deadline = addMs(now(), at < this.#unread.length ? limits.httpHeadTimeoutMs : limits.httpIdleTimeoutMs);
    }
    this.#socket.uncork();
    this.#unread = this.#unread.subarray(at);
    if (this.#isBlocked()) {
      this.#socket.pause();
      this.#deadline = addMs(now(), limits.httpIdleTimeoutMs);
    }
  }

  #send(answer: HttpAnswer, keepAlive: boolean): void {
    this.#socket.write(encodeHttpAnswer(answer, keepAlive));
    if (keepAlive) return;
    this.#isEnding = true;
    this.#unread = Buffer.alloc(0);
    this.#deadline = addMs(this.#o.now(), this.#o.limits.httpIdleTimeoutMs);
    this.#socket.end();
  }
}

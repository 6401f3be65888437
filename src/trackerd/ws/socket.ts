import { WebSocket } from 'ws';
import { addMs, type Millis } from '../../base/index.ts';
import type { RelayConnection, RelayLink } from '../../tracker/index.ts';
import type { WsLimits } from './limits.ts';

/** What a front end lends to all its sockets. */
export interface SocketOwner {
  readonly limits: WsLimits;
  now(): Millis;
  /** A message has come. @param bytes lent */
  onMessage(socket: TrackerSocket, bytes: Buffer): void;
  onSent(byteCount: number): void;
  onTooFast(socket: TrackerSocket): void;
  onTooSlow(): void;
  onBad(): void;
  onClosed(socket: TrackerSocket): void;
}

const AS_TEXT = { binary: false };

/**
 * One client. An idle tracker has many thousands of these, so what a connection needs is fields of the socket itself, and its listeners
 * are functions that all of them share.
 */
export class TrackerSocket extends WebSocket implements RelayLink {
  owner: SocketOwner | undefined;
  relayed: RelayConnection | undefined;
  /** Of the front end's book of connections. */
  place: string | undefined;
  /** It has said something since the last ping. */
  isAlive = true;
  /** No ping before. */
  pingDueAt = 0 as Millis;
  /** When all its messages so far would have come at the allowed rate: how far that lies ahead is what it has had in advance. */
  #paidUntil = 0 as Millis;

  start(owner: SocketOwner, relayed: RelayConnection): void {
    this.owner = owner;
    this.relayed = relayed;
    this.on('message', onMessage);
    this.on('ping', onPing);
    this.on('pong', onPong);
    this.on('error', onError);
    this.on('close', onClose);
  }

  /** A quarter of what may wait: whatever is handed on after that fits into the rest. */
  get isBusy(): boolean {
    return this.bufferedAmount * 4 > (this.owner?.limits.unsentBytesMax ?? 0);
  }

  sendText(text: string): void {
    if (!this.#canTake()) return;
    const bytes = Buffer.from(text);
    this.owner?.onSent(bytes.length);
    this.send(bytes, AS_TEXT);
  }

  sendPing(): void {
    if (this.#canTake()) this.ping();
  }

  sendPong(data: Buffer): void {
    if (this.#canTake()) this.pong(data);
  }

  /** A message has come. @returns false where it is one too many for now */
  spend(): boolean {
    const { owner } = this;
    if (owner === undefined) return false;
    const { messagesPerSec } = owner.limits;
    const now = owner.now();
    this.#paidUntil = addMs(this.#paidUntil > now ? this.#paidUntil : now, 1_000 / messagesPerSec);
    return this.#advanceMs(now) <= this.#burstMs();
  }

  /** Whether a part of the burst is there again. */
  hasCredit(): boolean {
    return this.owner === undefined || this.#advanceMs(this.owner.now()) <= this.#burstMs() / 2;
  }

  #advanceMs(now: Millis): number {
    return this.#paidUntil - now;
  }

  #burstMs(): number {
    const { messageBurst = 0, messagesPerSec = 1 } = this.owner?.limits ?? {};
    return (messageBurst * 1_000) / messagesPerSec;
  }

  /** Who does not take what is sent is dropped: nothing waits without bound. */
  #canTake(): boolean {
    if (this.readyState !== WebSocket.OPEN || this.owner === undefined) return false;
    if (this.bufferedAmount <= this.owner.limits.unsentBytesMax) return true;
    this.owner.onTooSlow();
    this.terminate();
    return false;
  }
}

/** Some clients send their text as binary messages. */
function onMessage(this: WebSocket, data: unknown): void {
  const socket = this as TrackerSocket;
  // A socket that was dropped may still find a message in what it had read before.
  if (socket.readyState !== WebSocket.OPEN || !Buffer.isBuffer(data)) return;
  socket.isAlive = true;
  if (!socket.spend()) socket.owner?.onTooFast(socket);
  socket.owner?.onMessage(socket, data);
}

function onPing(this: WebSocket, data: Buffer): void {
  const socket = this as TrackerSocket;
  if (!socket.spend()) socket.owner?.onTooFast(socket);
  socket.sendPong(data);
}

function onPong(this: WebSocket): void {
  (this as TrackerSocket).isAlive = true;
}

/** Not a WebSocket frame, too long, no UTF-8: `ws` closes the connection itself. */
function onError(this: WebSocket): void {
  (this as TrackerSocket).owner?.onBad();
}

function onClose(this: WebSocket): void {
  const socket = this as TrackerSocket;
  socket.owner?.onClosed(socket);
  socket.owner = undefined;
}

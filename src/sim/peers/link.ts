import { BtError } from '../../base/index.ts';
import {
  type CloseReason,
  encodeHandshake,
  encodeMessage,
  type Handshake,
  HandshakeDecoder,
  type HandshakeFlags,
  PeerDecoder,
  type PeerMessage,
  type PeerMessageSink,
  peerLimits,
  writeBlockHeader,
} from '../../wire/index.ts';
import type { NetHost } from '../net/net.ts';
import type { Socket, SocketEvents } from '../net/socket-types.ts';

/** Who a scripted peer says it is. */
export interface PeerIdentity {
  /** 20 bytes. */
  readonly infoHash: Uint8Array;
  /** 20 bytes. */
  readonly peerId: Uint8Array;
  readonly flags: HandshakeFlags;
}

export interface LinkOwner {
  /** Both handshakes are through. */
  onReady(link: WireLink, theirs: Handshake): void;
  /** Byte strings of the message are borrowed. */
  onMessage(link: WireLink, message: PeerMessage): void;
  /** Payload has come, perhaps part of a block. */
  onPayload(length: number): void;
  /** @param bytes borrowed */
  onBlock(link: WireLink, piece: number, begin: number, bytes: Uint8Array): void;
  onEnd(link: WireLink, reason: CloseReason): void;
}

interface ArrivingBlock {
  readonly piece: number;
  readonly begin: number;
  readonly bytes: Uint8Array;
  at: number;
}

/** One connection of a scripted peer: handshakes and framing, and nothing else. */
export class WireLink implements SocketEvents, PeerMessageSink {
  readonly isOutgoing: boolean;
  theirs: Handshake | undefined;
  readonly #owner: LinkOwner;
  readonly #identity: PeerIdentity;
  readonly #handshake = new HandshakeDecoder();
  readonly #decoder = new PeerDecoder({ blockBytesMax: 1_048_576 });
  #socket: Socket | undefined;
  #isEnded = false;
  #block: ArrivingBlock | undefined;

  private constructor(owner: LinkOwner, identity: PeerIdentity, isOutgoing: boolean) {
    this.#owner = owner;
    this.#identity = identity;
    this.isOutgoing = isOutgoing;
  }

  static dial(from: NetHost, to: { host: string; port: number }, owner: LinkOwner, identity: PeerIdentity): WireLink {
    const link = new WireLink(owner, identity, true);
    link.#socket = from.dial(to, link);
    return link;
  }

  static accept(socket: Socket, owner: LinkOwner, identity: PeerIdentity): WireLink {
    const link = new WireLink(owner, identity, false);
    link.#socket = socket;
    return link;
  }

  get isOpen(): boolean {
    return this.#socket?.state === 'open' && !this.#isEnded;
  }
  /** Bytes written and not yet on the line. */
  get queuedBytes(): number {
    return this.#socket?.queuedBytes ?? 0;
  }
  get remote(): { host: string; port: number } {
    return (this.#socket as Socket).remote;
  }

  send(message: PeerMessage): void {
    this.sendBytes(encodeMessage(message));
  }

  sendBlock(piece: number, begin: number, bytes: Uint8Array): void {
    const out = new Uint8Array(13 + bytes.length);
    out.set(bytes, writeBlockHeader(out, 0, piece, begin, bytes.length));
    this.sendBytes(out);
  }

  /** Its header and the first half of its bytes; nothing that is sent afterwards can be understood. */
  sendHalfBlock(piece: number, begin: number, bytes: Uint8Array): void {
    const out = new Uint8Array(13 + (bytes.length >> 1));
    out.set(bytes.subarray(0, out.length - 13), writeBlockHeader(out, 0, piece, begin, bytes.length));
    this.sendBytes(out);
  }

  /** Anything at all, for peers that break the rules. */
  sendBytes(bytes: Uint8Array): void {
    if (this.isOpen) this.#socket?.write(bytes);
  }

  setReading(on: boolean): void {
    this.#socket?.setReading(on);
  }

  close(): void {
    if (this.#isEnded) return;
    this.#isEnded = true;
    this.#decoder.stop();
    this.#socket?.close();
    this.#owner.onEnd(this, { code: 'sim/closed' });
  }

  onConnected(): void {
    this.sendBytes(encodeHandshake(this.#identity));
  }

  onBytes(_: Socket, bytes: Uint8Array): void {
    try {
      this.#read(bytes);
    } catch (error) {
      if (!(error instanceof BtError)) throw error;
      this.close();
    }
  }

  onWritten(): void {}

  onClosed(_: Socket, reason: CloseReason): void {
    if (this.#isEnded) return;
    this.#isEnded = true;
    this.#owner.onEnd(this, reason);
  }

  #read(bytes: Uint8Array): void {
    if (this.theirs !== undefined) {
      this.#decoder.push(bytes, this);
      return;
    }
    const whole = this.#handshake.push(bytes);
    if (whole === undefined) return;
    this.theirs = whole.handshake;
    if (!this.isOutgoing) this.sendBytes(encodeHandshake(this.#identity));
    this.#owner.onReady(this, whole.handshake);
    if (whole.rest.length > 0 && !this.#isEnded) this.#decoder.push(whole.rest, this);
  }

  onMessage(message: PeerMessage): void {
    this.#owner.onMessage(this, message);
    if (this.#isEnded) this.#decoder.stop();
  }

  onBlockStart(piece: number, begin: number, length: number): void {
    this.#block = { piece, begin, bytes: new Uint8Array(Math.max(length, peerLimits.blockBytesMax)), at: 0 };
  }

  onBlockBytes(bytes: Uint8Array): void {
    this.#owner.onPayload(bytes.length);
    const block = this.#block as ArrivingBlock;
    block.bytes.set(bytes, block.at);
    block.at += bytes.length;
  }

  onBlockEnd(): void {
    const { piece, begin, bytes, at } = this.#block as ArrivingBlock;
    this.#owner.onBlock(this, piece, begin, bytes.subarray(0, at));
    if (this.#isEnded) this.#decoder.stop();
  }
}

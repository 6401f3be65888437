import { addMs, assert, type PeerAddress, toHex } from '../../base/index.ts';
import type { CloseReason, Handshake, HandshakeFlags, PeerMessage } from '../../wire/index.ts';
import type { NetHost } from '../net/net.ts';
import { SimFailure, type SimWorld } from '../world.ts';
import { type LinkOwner, type PeerIdentity, WireLink } from './link.ts';
import { formatMessage, parseMessage, type ScriptMessage } from './message-text.ts';

export interface FakePeerOptions {
  readonly world: SimWorld;
  readonly net: NetHost;
  /** 20 bytes. */
  readonly infoHash: Uint8Array;
  readonly flags?: Partial<HandshakeFlags>;
  readonly peerId?: Uint8Array;
  /** Gives the bytes of a `piece` line. */
  readonly readBlock?: (piece: number, begin: number, length: number) => Uint8Array;
}

/** How long a script waits for a message that must come. */
const PATIENCE_MS = 30_000;

/**
 * A peer that says and expects exactly what a test tells it to.
 *
 *     const peer = new FakePeer({ world, net: net.addHost(), infoHash });
 *     peer.dial({ host, port: 6881 });
 *     peer.play(['< bitfield ff', '> interested', '< unchoke', '> request 0 0', '< piece 0 0']);
 *
 * `<` the peer sends · `>` the next message that it receives begins with these words · `>*` some later one does · `!` nothing that
 * begins with these words comes during the milliseconds in front of them (`! 1000 request`) · `= 500` lets time pass.
 */
export class FakePeer implements LinkOwner {
  /** What came and no script line has asked for yet, oldest first. Keep-alives are left out. */
  readonly received: ScriptMessage[] = [];
  /** Why the connection is over. */
  ended: CloseReason | undefined;
  handshake: Handshake | undefined;
  link: WireLink | undefined;
  readonly #world: SimWorld;
  readonly #net: NetHost;
  readonly #identity: PeerIdentity;
  readonly #readBlock: ((piece: number, begin: number, length: number) => Uint8Array) | undefined;

  constructor(options: FakePeerOptions) {
    this.#world = options.world;
    this.#net = options.net;
    this.#readBlock = options.readBlock;
    const flags = { extensions: false, fast: false, dht: false, v2: false, ...options.flags };
    const peerId = options.peerId ?? options.world.rng.fork(`fake peer ${options.net.index}`).bytes(20);
    this.#identity = { infoHash: options.infoHash, peerId, flags };
  }

  /** Connects, and lets time pass until handshakes are through or the connection has failed. */
  dial(to: PeerAddress): void {
    this.ended = undefined;
    this.handshake = undefined;
    this.link = WireLink.dial(this.#net, to, this, this.#identity);
    this.#wait(() => this.handshake !== undefined || this.ended !== undefined, 'the handshake');
  }

  /** Takes the first connection to `port`. */
  listen(port = 6881): PeerAddress {
    this.#net.listen(port, (socket) => {
      if (this.link !== undefined) return undefined;
      this.link = WireLink.accept(socket, this, this.#identity);
      return this.link;
    });
    return { host: this.#net.name, port };
  }

  send(...messages: (PeerMessage | string)[]): void {
    for (const message of messages) this.link?.send(typeof message === 'string' ? parseMessage(message) : message);
  }

  sendBlock(piece: number, begin: number, bytes: Uint8Array): void {
    this.link?.sendBlock(piece, begin, bytes);
  }

  sendBytes(bytes: Uint8Array): void {
    this.link?.sendBytes(bytes);
  }

  close(): void {
    this.link?.close();
  }

  /** @throws SimFailure with the line that did not hold */
  play(script: readonly string[]): void {
    for (const line of script) this.#playLine(line);
  }

  /** Lets time pass until a message that begins with `words` has come, and takes it and all before it. */
  expect(words: string, mode: 'next' | 'later' = 'next'): ScriptMessage {
    let at = -1;
    const find = () => {
      at = this.received.findIndex((message) => startsWith(formatMessage(message), words));
      return at >= 0 || (mode === 'next' && this.received.length > 0) || this.ended !== undefined;
    };
    this.#wait(find, words);
    if (at < 0 || (mode === 'next' && at > 0)) this.#fail(`'> ${words}'`);
    return this.received.splice(0, at + 1).at(-1) as ScriptMessage;
  }

  /** Forgets what came. */
  clear(): void {
    this.received.length = 0;
  }

  onReady(_: WireLink, theirs: Handshake): void {
    this.handshake = theirs;
  }
  onMessage(_: WireLink, message: PeerMessage): void {
    if (message.kind !== 'keep-alive') this.received.push(copy(message));
  }
  onPayload(): void {}
  onBlock(_: WireLink, piece: number, begin: number, bytes: Uint8Array): void {
    this.received.push({ kind: 'piece', piece, begin, bytes: bytes.slice() });
  }
  onEnd(_: WireLink, reason: CloseReason): void {
    this.ended = reason;
  }

  #playLine(line: string): void {
    const mark = line[0];
    const words = line.slice(line.startsWith('>*') ? 2 : 1).trim();
    if (mark === '<') this.#say(words);
    else if (mark === '>') this.expect(words, line.startsWith('>*') ? 'later' : 'next');
    else if (mark === '=') this.#world.runFor(Number(words));
    else if (mark === '!') this.#expectNone(words);
    else assert(false, `script line '${line}' begins with < > >* ! or =`);
  }

  #say(words: string): void {
    if (!words.startsWith('piece ')) return this.send(words);
    const [piece = 0, begin = 0, length = 16_384] = words.slice(6).split(/\s+/).map(Number);
    assert(this.#readBlock !== undefined, 'a fake peer that sends pieces knows the content');
    this.sendBlock(piece, begin, this.#readBlock(piece, begin, length));
  }

  #expectNone(words: string): void {
    const [, ms = '0', what = ''] = /^(\d+)\s*(.*)$/.exec(words) ?? [];
    this.#world.runFor(Number(ms));
    if (this.received.some((message) => startsWith(formatMessage(message), what))) this.#fail(`'! ${words}'`);
  }

  #wait(until: () => boolean, what: string): void {
    const end = this.#world.run({ until, deadline: addMs(this.#world.now, PATIENCE_MS) });
    if (end !== 'done') this.#fail(`'${what}' did not come`);
  }

  #fail(what: string): never {
    const got = this.received.map(formatMessage).join(' | ') || 'nothing';
    const ended = this.ended === undefined ? '' : `, connection ended: ${this.ended.code}`;
    throw new SimFailure(
      `fake peer ${toHex(this.#identity.peerId).slice(0, 8)}: ${what}; received: ${got}${ended}`,
      this.#world,
    );
  }
}

function startsWith(text: string, words: string): boolean {
  return words === '' || text === words || text.startsWith(`${words} `);
}

/** Messages come with borrowed bytes. */
function copy(message: PeerMessage): PeerMessage {
  switch (message.kind) {
    case 'bitfield':
      return { ...message, bits: message.bits.slice() };
    case 'extended':
      return { ...message, payload: message.payload.slice() };
    case 'hashes':
      return { ...message, root: message.root.slice(), hashes: message.hashes.slice() };
    case 'hash-request':
    case 'hash-reject':
      return { ...message, root: message.root.slice() };
    default:
      return message;
  }
}

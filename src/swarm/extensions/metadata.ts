import { BtError, type CryptoPort, type InfoHash, toInfoHash } from '../../base/index.ts';
import {
  type CloseReason,
  decodeMetadataMessage,
  encodeMessage,
  encodeMetadataMessage,
  extensionNames,
} from '../../wire/index.ts';
import type { SwarmContext } from '../context.ts';
import { limits } from '../limits.ts';
import type { Peer } from '../peer.ts';
import type { Extension } from './extension.ts';

/** BEP 9: the info dictionary travels in pieces of this size. */
const metadataPieceLength = 16_384;

interface Fetch {
  readonly bytes: Uint8Array;
  /** By piece: 0 missing, 1 here. */
  readonly here: Uint8Array;
  /** By piece: who was asked and when. */
  readonly asked: Map<number, { peer: Peer; at: number }>;
  readonly from: (string | undefined)[];
  missing: number;
  /** After a fetch from several peers failed: all of it from this one, so that it is clear who lies. */
  owner: Peer | undefined;
}

export interface MetadataOptions {
  readonly hashV1: InfoHash | undefined;
  readonly hashV2: InfoHash | undefined;
  /** The dictionary, once known. */
  readonly bytes: () => Uint8Array | undefined;
  readonly onMetadata: (infoBytes: Uint8Array) => void;
}

/**
 * BEP 9: fetches the info dictionary of a magnet link from peers, and serves it. Sizes are claims of peers, so each claimed size is a fetch
 * of its own: a liar about the size wastes his own fetch only. Nothing is believed before the whole has the right hash.
 */
export class MetadataExtension implements Extension {
  readonly name: string = extensionNames.metadata;
  readonly localId = 1;
  readonly #ctx: SwarmContext;
  readonly #o: MetadataOptions;
  readonly #fetches = new Map<number, Fetch>();
  readonly #ids = new Map<Peer, number>();
  readonly #served = new Map<Peer, { since: number; count: number }>();
  readonly #slow = new Set<Peer>();
  /** A fetch that several peers had a part in failed: from now on each fetch has one author. */
  #oneAuthor = false;

  constructor(ctx: SwarmContext, options: MetadataOptions) {
    this.#ctx = ctx;
    this.#o = options;
  }

  isOffered(): boolean {
    return true;
  }

  /** Pieces of the dictionary that are here, of how many; for people. */
  get progress(): { here: number; of: number } {
    let best = { here: 0, of: 0 };
    for (const f of this.#fetches.values()) {
      const here = f.here.length - f.missing;
      if (here >= best.here) best = { here, of: f.here.length };
    }
    return best;
  }

  onHandshake(peer: Peer, theirId: number | undefined): void {
    if (theirId === undefined || theirId === 0) this.#ids.delete(peer);
    else this.#ids.set(peer, theirId);
    this.#ask(peer);
  }

  onGone(peer: Peer): void {
    this.#ids.delete(peer);
    this.#served.delete(peer);
    this.#slow.delete(peer);
    for (const [size, f] of this.#fetches) {
      for (const [piece, a] of f.asked) if (a.peer === peer) f.asked.delete(piece);
      if (f.owner === peer) this.#fetches.delete(size);
    }
    this.#askAll();
  }

  onTick(): void {
    if (this.#o.bytes() !== undefined) return;
    let late = false;
    for (const [size, f] of this.#fetches) {
      for (const [piece, a] of f.asked) {
        if (this.#ctx.now - a.at < limits.extension.metadataTimeoutMs) continue;
        f.asked.delete(piece);
        this.#slow.add(a.peer);
        late = true;
        if (f.owner === a.peer) this.#fetches.delete(size);
      }
    }
    if (late) this.#askAll();
  }

  onMessage(peer: Peer, payload: Uint8Array): void {
    const message = decodeMetadataMessage(payload);
    switch (message.kind) {
      case 'request':
        this.#serve(peer, message.piece);
        return;
      case 'data':
        this.#take(peer, message.piece, message.totalSize ?? peer.metadataSize ?? 0, message.bytes);
        return;
      case 'reject':
        for (const f of this.#fetches.values()) {
          if (f.asked.get(message.piece)?.peer === peer) f.asked.delete(message.piece);
        }
        this.#slow.add(peer);
        this.#askAll();
        return;
      default:
        return;
    }
  }

  #serve(peer: Peer, piece: number): void {
    const bytes = this.#o.bytes();
    const id = this.#ids.get(peer);
    if (id === undefined) return;
    const at = piece * metadataPieceLength;
    let served = this.#served.get(peer);
    if (served === undefined || this.#ctx.now - served.since > 60_000) {
      served = { since: this.#ctx.now, count: 0 };
      this.#served.set(peer, served);
    }
    served.count++;
    const isTooMuch = served.count > limits.extension.metadataServedPerMinute || this.#ctx.isBackedUp(peer);
    const refuse = bytes === undefined || at >= bytes.length || isTooMuch;
    const message = refuse
      ? encodeMetadataMessage({ kind: 'reject', piece })
      : encodeMetadataMessage({
          kind: 'data',
          piece,
          totalSize: bytes.length,
          bytes: bytes.subarray(at, Math.min(at + metadataPieceLength, bytes.length)),
        });
    this.#ctx.send(peer, encodeMessage({ kind: 'extended', id, payload: message }));
  }

  #askAll(): void {
    for (const peer of this.#ids.keys()) this.#ask(peer);
  }

  #ask(peer: Peer): void {
    const size = peer.metadataSize;
    const id = this.#ids.get(peer);
    if (this.#o.bytes() !== undefined || id === undefined || size === undefined || peer.isClosed) return;
    if (size < 1 || size > limits.extension.metadataBytesMax) return;
    const fetch = this.#fetchOf(size);
    if (this.#oneAuthor) {
      if (fetch.owner !== undefined && fetch.owner !== peer) return;
      fetch.owner = peer;
    }
    let open = 0;
    for (const a of fetch.asked.values()) if (a.peer === peer) open++;
    // Whoever was late or refused is asked only for what nobody else is asked for.
    const most = this.#slow.has(peer) ? 1 : limits.extension.metadataRequestsMax;
    for (let piece = 0; piece < fetch.here.length && open < most; piece++) {
      if (fetch.here[piece] === 1 || fetch.asked.has(piece)) continue;
      fetch.asked.set(piece, { peer, at: this.#ctx.now });
      open++;
      const payload = encodeMetadataMessage({ kind: 'request', piece });
      this.#ctx.send(peer, encodeMessage({ kind: 'extended', id, payload }));
    }
  }

  #fetchOf(size: number): Fetch {
    let fetch = this.#fetches.get(size);
    if (fetch === undefined) {
      // A handful of sizes at most: the first fetch without any answer makes way.
      if (this.#fetches.size >= 4)
        for (const [s, f] of this.#fetches) if (f.missing === f.here.length) this.#fetches.delete(s);
      const count = Math.ceil(size / metadataPieceLength);
      fetch = {
        bytes: new Uint8Array(size),
        here: new Uint8Array(count),
        asked: new Map(),
        from: new Array<string | undefined>(count),
        missing: count,
        owner: undefined,
      };
      this.#fetches.set(size, fetch);
    }
    return fetch;
  }

  #take(peer: Peer, piece: number, totalSize: number, data: Uint8Array): void {
    const fetch = this.#fetches.get(peer.metadataSize ?? totalSize);
    const asked = fetch?.asked.get(piece);
    if (fetch === undefined || asked?.peer !== peer || this.#o.bytes() !== undefined) return;
    fetch.asked.delete(piece);
    const at = piece * metadataPieceLength;
    if (totalSize !== fetch.bytes.length || data.length !== Math.min(metadataPieceLength, fetch.bytes.length - at)) {
      throw new BtError('wire/invalid', {
        message: 'metadata piece',
        what: `${data.length} bytes for piece ${piece} of ${totalSize}`,
      });
    }
    fetch.bytes.set(data, at);
    fetch.here[piece] = 1;
    fetch.from[piece] = peer.key;
    fetch.missing--;
    if (fetch.missing === 0) this.#finish(fetch);
    else this.#ask(peer);
  }

  #finish(fetch: Fetch): void {
    if (isInfo(fetch.bytes, this.#o, this.#ctx.host.crypto)) {
      this.#fetches.clear();
      this.#o.onMetadata(fetch.bytes);
      return;
    }
    this.#fetches.delete(fetch.bytes.length);
    const authors = new Set(fetch.from);
    if (authors.size > 1) {
      // Nobody can be told apart, so nobody is blamed; the next fetch has one author.
      this.#oneAuthor = true;
      this.#askAll();
      return;
    }
    const reason: CloseReason = {
      code: 'peer/bad-metadata',
      detail: 'the info dictionary it sent does not have the info-hash',
    };
    for (const peer of [...this.#ctx.peers.values()]) if (authors.has(peer.key)) this.#ctx.drop(peer, reason);
    this.#askAll();
  }
}

function isInfo(bytes: Uint8Array, want: MetadataOptions, crypto: CryptoPort): boolean {
  if (want.hashV1 !== undefined && toInfoHash(crypto.sha1(bytes)) === want.hashV1) return true;
  return want.hashV2 !== undefined && toInfoHash(crypto.sha256(bytes)) === want.hashV2;
}

import { BtError, type CryptoPort, concatBytes, type InfoHash, toInfoHash } from '../../base/index.ts';
import {
  type CloseReason,
  decodeMetadataMessage,
  encodeMessage,
  encodeMetadataMessage,
  extensionNames,
  peerLimits,
} from '../../wire/index.ts';
import type { SwarmContext } from '../context.ts';
import { limits } from '../limits.ts';
import type { Peer } from '../peer.ts';
import type { Extension } from './extension.ts';

/** BEP 9: the info dictionary travels in pieces of this size. */
const metadataPieceLength = 16_384;

interface Fetch {
  readonly size: number;
  /** As they come: a claim about the size costs nothing. */
  readonly parts: (Uint8Array | undefined)[];
  /** By piece: who was asked and when. */
  readonly asked: Map<number, { peer: Peer; at: number }>;
  /** By piece: key of the peer that sent it. */
  readonly from: (string | undefined)[];
  missing: number;
  /** After a fetch from several peers failed: all of it from this one, so that it is clear who lies. */
  readonly owner: Peer | undefined;
}

export interface MetadataOptions {
  readonly hashV1: InfoHash | undefined;
  readonly hashV2: InfoHash | undefined;
  /** The dictionary, once known. */
  readonly bytes: () => Uint8Array | undefined;
  /** Peers are to be asked for it. */
  readonly mayFetch: () => boolean;
  readonly onMetadata: (infoBytes: Uint8Array) => void;
  /** All of a dictionary with a wrong hash came from this peer; `key` as in `Peer`. */
  readonly onLiar: (key: string, reason: CloseReason) => void;
}

/**
 * BEP 9: fetches the info dictionary of a magnet link from peers, and serves it. Sizes are claims of peers, so each claimed size is a fetch
 * of its own: a liar about the size wastes his own fetch only. Each peer stands for one size at a time, and a size that nobody stands for
 * is forgotten. Nothing is believed before the whole has the right hash.
 */
export class MetadataExtension implements Extension {
  readonly name: string = extensionNames.metadata;
  readonly localId = 1;
  readonly #ctx: SwarmContext;
  readonly #o: MetadataOptions;
  /** By size, or by owner. */
  readonly #fetches = new Map<number | Peer, Fetch>();
  readonly #ids = new Map<Peer, number>();
  /** The size each peer stands for. */
  readonly #claims = new Map<Peer, number>();
  readonly #served = new Map<Peer, { since: number; count: number }>();
  /** Was late once: asked only for what the others leave. */
  readonly #slow = new Set<Peer>();
  /** Has rejected: when it may be asked again. */
  readonly #refusedUntil = new Map<Peer, number>();
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
      const here = f.parts.length - f.missing;
      if (here >= best.here) best = { here, of: f.parts.length };
    }
    return best;
  }

  /** Bytes of unverified dictionaries in memory. */
  get heldBytes(): number {
    let bytes = 0;
    for (const f of this.#fetches.values()) bytes += heldBy(f);
    return bytes;
  }

  onHandshake(peer: Peer, theirId: number | undefined): void {
    if (theirId === undefined || theirId === 0) this.#ids.delete(peer);
    else this.#ids.set(peer, theirId);
    if (this.#o.bytes() !== undefined) return;
    if (this.#claims.get(peer) !== peer.metadataSize) this.#withdraw(peer);
    if (peer.metadataSize !== undefined) this.#claims.set(peer, peer.metadataSize);
    this.#ask(peer);
  }

  onGone(peer: Peer): void {
    this.#ids.delete(peer);
    this.#served.delete(peer);
    this.#slow.delete(peer);
    this.#refusedUntil.delete(peer);
    this.#withdraw(peer);
    this.#askAll();
  }

  onTick(): void {
    if (this.#o.bytes() !== undefined) return;
    for (const f of this.#fetches.values()) {
      for (const [piece, a] of f.asked) {
        if (this.#ctx.now - a.at < limits.extension.metadataTimeoutMs) continue;
        f.asked.delete(piece);
        this.#slow.add(a.peer);
        if (f.owner === a.peer) this.#fetches.delete(a.peer);
      }
    }
    this.#askAll();
  }

  onMessage(peer: Peer, payload: Uint8Array): void {
    const message = decodeMetadataMessage(payload);
    switch (message.kind) {
      case 'request':
        this.#serve(peer, message.piece);
        return;
      case 'data':
        this.#take(peer, message.piece, message.totalSize ?? this.#claims.get(peer) ?? 0, message.bytes);
        return;
      case 'reject':
        this.#onReject(peer, message.piece);
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
    const { metadataFetchesPerMinute, metadataServedPerMinute } = limits.extension;
    const pieces = Math.ceil((bytes?.length ?? 0) / metadataPieceLength);
    const most = Math.max(metadataServedPerMinute, pieces * metadataFetchesPerMinute);
    const isTooMuch = served.count > most || this.#ctx.isBackedUp(peer);
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

  #onReject(peer: Peer, piece: number): void {
    const fetch = this.#fetchWith(peer);
    if (fetch?.asked.get(piece)?.peer !== peer) return;
    fetch.asked.delete(piece);
    if (fetch.owner === peer) this.#fetches.delete(peer);
    this.#refusedUntil.set(peer, this.#ctx.now + limits.extension.metadataTimeoutMs);
    this.#askAll();
  }

  /** The peer no longer stands for its size. */
  #withdraw(peer: Peer): void {
    const fetch = this.#fetchWith(peer);
    this.#claims.delete(peer);
    if (fetch === undefined) return;
    for (const [piece, a] of fetch.asked) if (a.peer === peer) fetch.asked.delete(piece);
    if (fetch.owner === peer) this.#fetches.delete(peer);
    else if (!this.#isClaimed(fetch.size)) this.#fetches.delete(fetch.size);
  }

  #isClaimed(size: number): boolean {
    for (const claimed of this.#claims.values()) if (claimed === size) return true;
    return false;
  }

  /** Those who were late come last, or they would be given the same piece again. */
  #askAll(): void {
    for (const peer of this.#ids.keys()) if (!this.#slow.has(peer)) this.#ask(peer);
    for (const peer of this.#ids.keys()) if (this.#slow.has(peer)) this.#ask(peer);
  }

  #ask(peer: Peer): void {
    const size = this.#claims.get(peer);
    const id = this.#ids.get(peer);
    if (!this.#o.mayFetch() || id === undefined || size === undefined || peer.isClosed) return;
    if (size < 1 || size > peerLimits.metadataBytesMax) return;
    if (this.#ctx.now < (this.#refusedUntil.get(peer) ?? 0)) return;
    const fetch = this.#fetchWith(peer) ?? this.#begin(size, this.#oneAuthor ? peer : undefined);
    if (fetch === undefined) return;
    let open = 0;
    for (const a of fetch.asked.values()) if (a.peer === peer) open++;
    const most = this.#slow.has(peer) ? 1 : limits.extension.metadataRequestsMax;
    for (let piece = 0; piece < fetch.parts.length && open < most; piece++) {
      if (fetch.parts[piece] !== undefined || fetch.asked.has(piece)) continue;
      fetch.asked.set(piece, { peer, at: this.#ctx.now });
      open++;
      const payload = encodeMetadataMessage({ kind: 'request', piece });
      this.#ctx.send(peer, encodeMessage({ kind: 'extended', id, payload }));
    }
  }

  /** The fetch that the peer has a part in. */
  #fetchWith(peer: Peer): Fetch | undefined {
    return this.#fetches.get(this.#oneAuthor ? peer : (this.#claims.get(peer) ?? 0));
  }

  /** @returns undefined where as many owners are at it as memory allows */
  #begin(size: number, owner: Peer | undefined): Fetch | undefined {
    if (owner !== undefined) {
      let claimed = size;
      for (const f of this.#fetches.values()) claimed += f.size;
      if (this.#fetches.size > 0 && claimed > limits.extension.metadataHeldBytesMax) return undefined;
    }
    const count = Math.ceil(size / metadataPieceLength);
    const fetch: Fetch = {
      size,
      parts: new Array<Uint8Array | undefined>(count),
      asked: new Map(),
      from: new Array<string | undefined>(count),
      missing: count,
      owner,
    };
    this.#fetches.set(owner ?? size, fetch);
    return fetch;
  }

  #take(peer: Peer, piece: number, totalSize: number, data: Uint8Array): void {
    const fetch = this.#fetchWith(peer);
    if (fetch?.asked.get(piece)?.peer !== peer || this.#o.bytes() !== undefined) return;
    fetch.asked.delete(piece);
    const length = Math.min(metadataPieceLength, fetch.size - piece * metadataPieceLength);
    if (totalSize !== fetch.size || data.length !== length) {
      throw new BtError('wire/invalid', {
        message: 'metadata piece',
        what: `${data.length} bytes for piece ${piece} of ${totalSize}`,
      });
    }
    fetch.parts[piece] = data.slice();
    fetch.from[piece] = peer.key;
    fetch.missing--;
    if (fetch.missing === 0) this.#finish(fetch);
    else {
      this.#ask(peer);
      this.#keepWithinBudget();
    }
  }

  /** Each of many liars may have a size of its own: what the fewest stand for goes first, then what holds most. */
  #keepWithinBudget(): void {
    const claimants = (f: Fetch) => [...this.#claims.values()].filter((size) => size === f.size).length;
    const worse = (a: Fetch, b: Fetch) => claimants(a) - claimants(b) || heldBy(b) - heldBy(a) || b.size - a.size;
    while (this.heldBytes > limits.extension.metadataHeldBytesMax) {
      const worst = [...this.#fetches.values()].sort(worse)[0];
      if (worst === undefined) return;
      this.#fetches.delete(worst.owner ?? worst.size);
    }
  }

  #finish(fetch: Fetch): void {
    const bytes = concatBytes(fetch.parts as Uint8Array[]);
    if (isInfo(bytes, this.#o, this.#ctx.host.crypto)) {
      this.#fetches.clear();
      this.#claims.clear();
      this.#o.onMetadata(bytes);
      return;
    }
    this.#fetches.delete(fetch.owner ?? fetch.size);
    const authors = new Set(fetch.from);
    if (authors.size > 1) {
      // Nobody can be told apart, so nobody is blamed; from now on each sends all of it, side by side: who stalls keeps nobody waiting.
      this.#oneAuthor = true;
      this.#fetches.clear();
      this.#askAll();
      return;
    }
    const reason: CloseReason = {
      code: 'peer/bad-metadata',
      detail: 'the info dictionary it sent does not have the info-hash',
    };
    for (const author of authors) this.#o.onLiar(author as string, reason);
    this.#askAll();
  }
}

function heldBy(fetch: Fetch): number {
  return (fetch.parts.length - fetch.missing) * metadataPieceLength;
}

function isInfo(bytes: Uint8Array, want: MetadataOptions, crypto: CryptoPort): boolean {
  if (want.hashV1 !== undefined && toInfoHash(crypto.sha1(bytes)) === want.hashV1) return true;
  return want.hashV2 !== undefined && toInfoHash(crypto.sha256(bytes)) === want.hashV2;
}

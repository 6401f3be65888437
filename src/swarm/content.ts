import type { Rng } from '../base/index.ts';
import { FileMap, Geometry, type Info } from '../metainfo/index.ts';
import type { PeerMessage } from '../wire/index.ts';
import { encodeMessage } from '../wire/index.ts';
import type { BlameVerdict } from './blame.ts';
import type { SwarmContext } from './context.ts';
import { Downloader } from './downloader.ts';
import { Exchange } from './exchange.ts';
import { HashBook } from './hash-book.ts';
import { HashServer } from './hash-server.ts';
import { limits } from './limits.ts';
import type { Peer } from './peer.ts';
import { PieceLedger } from './piece-ledger.ts';
import type { Policies } from './policies.ts';
import { Uploader } from './uploader.ts';

export interface ContentOptions {
  readonly info: Info;
  /** By file index: fetch it. */
  readonly wanted: readonly boolean[];
  readonly layers: ReadonlyMap<string, Uint8Array>;
  readonly rng: Rng;
  readonly swarmKey: Uint8Array;
  readonly policies: Policies;
  readonly onPiece: (piece: number) => void;
  readonly onBad: (piece: number, verdict: readonly BlameVerdict[]) => void;
  readonly onSeed: (peer: Peer, seed: boolean) => void;
}

/** All that can exist once the info dictionary is known: the pieces, their hashes, and the exchange of them. */
export class Content {
  readonly info: Info;
  readonly geometry: Geometry;
  readonly fileMap: FileMap;
  readonly wanted: readonly boolean[];
  readonly ledger: PieceLedger;
  readonly hashes: HashBook;
  readonly downloader: Downloader;
  readonly uploader: Uploader;
  readonly exchange: Exchange;
  readonly #ctx: SwarmContext;
  readonly #hashServer: HashServer;
  readonly #hashesServed = new WeakMap<Peer, { since: number; count: number }>();

  constructor(ctx: SwarmContext, options: ContentOptions) {
    this.#ctx = ctx;
    this.info = options.info;
    this.wanted = options.wanted;
    this.geometry = new Geometry(options.info);
    this.fileMap = new FileMap(options.info);
    this.ledger = new PieceLedger(this.geometry);
    this.#selectPieces();
    this.hashes = new HashBook({
      info: options.info,
      geometry: this.geometry,
      crypto: ctx.host.crypto,
      layers: options.layers,
    });
    this.#hashServer = new HashServer({ book: this.hashes, geometry: this.geometry });
    this.downloader = new Downloader(ctx, {
      geometry: this.geometry,
      fileMap: this.fileMap,
      ledger: this.ledger,
      hashes: this.hashes,
      filesOf: (piece) => this.filesOf(piece),
      rng: options.rng,
      policies: options.policies,
      onPiece: options.onPiece,
      onBad: options.onBad,
    });
    this.uploader = new Uploader(ctx, { geometry: this.geometry, have: this.ledger.have });
    this.exchange = new Exchange(ctx, {
      ledger: this.ledger,
      downloader: this.downloader,
      uploader: this.uploader,
      rng: options.rng,
      swarmKey: options.swarmKey,
      policies: options.policies,
      onSeed: options.onSeed,
    });
  }

  /** Every wanted piece is here, and none that was here is in doubt. */
  get isAllHere(): boolean {
    return this.ledger.isComplete && this.ledger.doubtedCount === 0;
  }

  /** Bytes of the selected files. */
  get wantedBytes(): number {
    let bytes = 0;
    for (const file of this.info.files) if (this.wanted[file.index] === true) bytes += file.length;
    return bytes;
  }

  /** Files that a piece has bytes of, in their order. */
  filesOf(piece: number): number[] {
    const spans = this.fileMap.spans(this.geometry.pieceStart(piece), this.geometry.pieceBytes(piece));
    return spans.filter((span) => span.file >= 0).map((span) => span.file);
  }

  /** Bytes of leaves kept for those who ask for hashes. */
  get leafBytes(): number {
    return this.#hashServer.heldBytes;
  }

  // --- BEP 52 ---

  onHashMessage(peer: Peer, message: PeerMessage & { kind: 'hash-request' | 'hashes' | 'hash-reject' }): void {
    switch (message.kind) {
      case 'hash-request':
        this.#serveHashes(peer, message);
        return;
      case 'hash-reject':
        this.hashes.onReject(this.#ctx.now, peer.conn, message);
        return;
      case 'hashes': {
        const outcome = this.hashes.onHashes(peer.conn, message, message.hashes);
        if (outcome.kind === 'unasked') return;
        if (outcome.kind === 'bad')
          this.#ctx.drop(peer, { code: 'peer/bad-hashes', detail: 'hashes that do not lead to the root' });
        if (outcome.kind === 'accepted') {
          this.downloader.wakeAll();
          if (this.hashes.isComplete) this.#ctx.host.emit({ type: 'hashes', torrent: this.#ctx.torrent });
        }
        this.askPeerForHashes(peer);
        return;
      }
    }
  }

  /** Asks peers that understand v2 for piece layers that are missing. */
  askForHashes(): void {
    if (this.hashes.isComplete) return;
    for (const peer of this.#ctx.peers.values()) this.askPeerForHashes(peer);
  }

  /** The same of one that has answered, or has just said what it has. */
  askPeerForHashes(peer: Peer): void {
    if (peer.isClosed || !peer.flags.v2 || peer.have.isEmpty) return;
    for (const range of this.hashes.nextRequests(this.#ctx.now, peer.conn, (file) => this.wanted[file] === true)) {
      this.#ctx.send(peer, encodeMessage({ kind: 'hash-request', ...range }));
    }
  }

  peerGone(peer: Peer): void {
    this.hashes.onClosed(peer.conn);
    this.#hashServer.onClosed(peer.conn);
  }

  onLeaves(piece: number, leaves: Uint8Array | undefined): void {
    for (const answer of this.#hashServer.onLeaves(piece, leaves)) {
      const peer = this.#ctx.peers.get(answer.conn);
      if (peer === undefined) continue;
      if (answer.hashes === undefined) this.#ctx.send(peer, encodeMessage({ kind: 'hash-reject', ...answer.range }));
      else this.#ctx.send(peer, encodeMessage({ kind: 'hashes', ...answer.range, hashes: answer.hashes }));
    }
  }

  #serveHashes(peer: Peer, range: PeerMessage & { kind: 'hash-request' }): void {
    const { root, baseLayer, index, length, proofLayers } = range;
    const wanted = { root, baseLayer, index, length, proofLayers };
    let served = this.#hashesServed.get(peer);
    if (served === undefined || this.#ctx.now - served.since > 60_000) {
      served = { since: this.#ctx.now, count: 0 };
      this.#hashesServed.set(peer, served);
    }
    const answer =
      ++served.count > limits.extension.hashesServedPerMinute || this.#ctx.isBackedUp(peer)
        ? ({ kind: 'reject' } as const)
        : this.#hashServer.onRequest(peer.conn, wanted, this.ledger.have);
    if (answer.kind === 'reject') this.#ctx.send(peer, encodeMessage({ kind: 'hash-reject', ...wanted }));
    else if (answer.kind === 'hashes')
      this.#ctx.send(peer, encodeMessage({ kind: 'hashes', ...wanted, hashes: answer.hashes }));
    else for (const piece of answer.hashLeavesOf) this.#ctx.host.ports.hashLeaves(this.#ctx.torrent, piece);
  }

  #selectPieces(): void {
    if (this.wanted.every((w) => w)) return;
    const keep = new Uint8Array(this.geometry.pieceCount);
    for (const file of this.info.files) {
      if (this.wanted[file.index] !== true) continue;
      const { first, end } = this.geometry.filePieces(file.index);
      keep.fill(1, first, end);
    }
    for (let p = 0; p < keep.length; p++) if (keep[p] === 0) this.ledger.setWanted(p, false);
  }
}

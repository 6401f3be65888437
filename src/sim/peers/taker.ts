import { BLOCK_LENGTH } from '../../metainfo/index.ts';
import type { PeerMessage } from '../../wire/index.ts';
import type { LinkState, PeerView } from './peer-view.ts';

/** Requests under way on one connection. */
const PIPELINE = 16;

/**
 * How a scripted peer downloads: random blocks of random pieces, several under way on each connection, checked against the content block
 * by block. No rarity, no end-game, no memory of who lied.
 */
export class Taker {
  readonly #peer: PeerView;
  /** Blocks here, by piece. */
  readonly #blocks = new Map<number, Set<number>>();
  /** Blocks asked for -> of whom. */
  readonly #asked = new Map<string, LinkState>();

  constructor(peer: PeerView) {
    this.#peer = peer;
  }

  onMessage(state: LinkState, message: PeerMessage): void {
    if (message.kind === 'choke') this.#forget(state);
    else if (message.kind === 'reject') this.#asked.delete(`${message.piece} ${message.begin}`);
    const isNews = message.kind === 'have' || message.kind === 'bitfield' || message.kind === 'have-all';
    if (isNews && this.#peer.have.lacksAnyOf(state.theirs)) state.link.send({ kind: 'interested' });
    // Asking again at once after a reject would be a flood.
    if (message.kind !== 'reject') this.#ask(state);
  }

  onBlock(state: LinkState, piece: number, begin: number, bytes: Uint8Array): void {
    this.#asked.delete(`${piece} ${begin}`);
    const { torrent, have } = this.#peer;
    const { geometry, content } = torrent;
    if (piece < geometry.pieceCount && !have.has(piece) && content.equals(geometry.pieceStart(piece) + begin, bytes)) {
      let here = this.#blocks.get(piece);
      if (here === undefined) {
        here = new Set();
        this.#blocks.set(piece, here);
      }
      here.add(begin / BLOCK_LENGTH);
      if (this.#missing(piece).length === 0) {
        this.#blocks.delete(piece);
        this.#peer.onPiece(piece);
      }
    }
    this.#ask(state);
  }

  onEnd(state: LinkState): void {
    this.#forget(state);
  }

  #forget(state: LinkState): void {
    for (const [key, of] of this.#asked) if (of === state) this.#asked.delete(key);
  }

  #ask(state: LinkState): void {
    if (state.isChokingUs || !state.link.isOpen) return;
    let count = 0;
    for (const of of this.#asked.values()) if (of === state) count++;
    for (const piece of this.#candidates(state)) {
      for (const block of this.#missing(piece)) {
        if (count >= PIPELINE) return;
        const begin = block * BLOCK_LENGTH;
        const key = `${piece} ${begin}`;
        if (this.#asked.has(key)) continue;
        this.#asked.set(key, state);
        count++;
        const length = this.#length(piece, block);
        state.link.send({ kind: 'request', piece, begin, length });
      }
    }
  }

  /** Begun pieces first, then any, at random. */
  *#candidates(state: LinkState): Generator<number> {
    const { have, rng } = this.#peer;
    for (const piece of this.#blocks.keys()) if (state.theirs.has(piece)) yield piece;
    const start = rng.below(have.size);
    for (let i = 0; i < have.size; i++) {
      const piece = (start + i) % have.size;
      if (!have.has(piece) && !this.#blocks.has(piece) && state.theirs.has(piece)) yield piece;
    }
  }

  #missing(piece: number): number[] {
    const { geometry } = this.#peer.torrent;
    const here = this.#blocks.get(piece);
    const missing: number[] = [];
    for (let block = 0; block < geometry.blockCount(piece); block++) {
      if (here?.has(block) !== true && this.#length(piece, block) > 0) missing.push(block);
    }
    return missing;
  }

  #length(piece: number, block: number): number {
    const { isV1, torrent } = this.#peer;
    return isV1 ? torrent.geometry.blockSpan(piece, block) : torrent.geometry.blockBytes(piece, block);
  }
}

import { formatAddress, type PeerAddress } from '../../base/index.ts';
import { decodePex, encodeMessage, encodePex, extensionNames, pexFlags } from '../../wire/index.ts';
import type { SwarmContext } from '../context.ts';
import { limits } from '../limits.ts';
import type { Peer } from '../peer.ts';
import type { Extension } from './extension.ts';

interface Link {
  readonly id: number;
  /** What this peer was told and not told to drop. */
  readonly told: Map<string, PeerAddress>;
  nextAt: number;
  lastInAt: number;
}

/**
 * BEP 11: peers tell each other whom they are connected to, at most once a minute and 50 addresses at a time. Never in private torrents
 * (BEP 27). What comes in is a rumour: it goes to the peer book, which is bounded.
 */
export class PexExtension implements Extension {
  readonly name: string = extensionNames.pex;
  readonly localId = 2;
  readonly #ctx: SwarmContext;
  readonly #o: { isPrivate: () => boolean; onPeers: (peers: readonly PeerAddress[], from: Peer) => void };
  readonly #links = new Map<Peer, Link>();

  constructor(
    ctx: SwarmContext,
    options: { isPrivate: () => boolean; onPeers: (peers: readonly PeerAddress[], from: Peer) => void },
  ) {
    this.#ctx = ctx;
    this.#o = options;
  }

  isOffered(): boolean {
    return !this.#o.isPrivate();
  }

  onHandshake(peer: Peer, theirId: number | undefined): void {
    if (theirId === undefined || theirId === 0 || this.#o.isPrivate()) {
      this.#links.delete(peer);
      return;
    }
    const old = this.#links.get(peer);
    // The first list goes out soon: a newcomer knows nobody. Spread a little, so that a busy seed does not answer all in one turn.
    const nextAt = old?.nextAt ?? this.#ctx.now + 1_000 + this.#ctx.rng.below(2_000);
    this.#links.set(peer, {
      id: theirId,
      told: old?.told ?? new Map(),
      nextAt,
      lastInAt: old?.lastInAt ?? Number.NEGATIVE_INFINITY,
    });
  }

  onGone(peer: Peer): void {
    this.#links.delete(peer);
  }

  onMessage(peer: Peer, payload: Uint8Array): void {
    const link = this.#links.get(peer);
    if (link === undefined) return;
    if (this.#ctx.now - link.lastInAt < limits.extension.pexMinMs) return;
    link.lastInAt = this.#ctx.now;
    this.#o.onPeers(decodePex(payload).added.slice(0, limits.extension.pexMax * 2), peer);
  }

  onTick(): void {
    if (this.#o.isPrivate()) return;
    for (const [peer, link] of this.#links) {
      if (this.#ctx.now < link.nextAt) continue;
      link.nextAt = this.#ctx.now + limits.extension.pexMs;
      this.#tell(peer, link);
    }
  }

  #tell(to: Peer, link: Link): void {
    const present = new Map<string, Peer>();
    for (const peer of this.#ctx.peers.values()) {
      if (peer !== to && peer.listenAddress !== undefined && !peer.isClosed)
        present.set(formatAddress(peer.listenAddress), peer);
    }
    const added: (PeerAddress & { flags: number })[] = [];
    for (const [text, peer] of present) {
      if (added.length >= limits.extension.pexMax || link.told.has(text)) continue;
      const flags =
        (peer.isSeed || peer.uploadOnly ? pexFlags.uploadOnly : 0) | (peer.incoming ? 0 : pexFlags.reachable);
      added.push({ ...(peer.listenAddress as PeerAddress), flags });
      link.told.set(text, peer.listenAddress as PeerAddress);
    }
    const dropped: PeerAddress[] = [];
    for (const [text, address] of link.told) {
      if (dropped.length >= limits.extension.pexMax || present.has(text)) continue;
      dropped.push(address);
      link.told.delete(text);
    }
    if (added.length === 0 && dropped.length === 0) return;
    this.#ctx.send(to, encodeMessage({ kind: 'extended', id: link.id, payload: encodePex({ added, dropped }) }));
  }
}

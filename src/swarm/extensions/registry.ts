import {
  decodeExtendedHandshake,
  encodeExtendedHandshake,
  encodeMessage,
  extendedHandshakeId,
} from '../../wire/index.ts';
import type { SwarmContext } from '../context.ts';
import { limits } from '../limits.ts';
import type { Peer } from '../peer.ts';
import type { Extension } from './extension.ts';

/** What our own extension handshake says besides the ids. */
export interface OwnFacts {
  readonly metadataSize: number | undefined;
  readonly listenPort: number;
  readonly uploadOnly: boolean;
  readonly version: string;
}

/** Knows the extensions of a torrent and speaks BEP 10 for them: handshakes both ways, and messages by id. */
export class ExtensionRegistry {
  readonly #ctx: SwarmContext;
  readonly #extensions: readonly Extension[];
  readonly #byId = new Map<number, Extension>();

  constructor(ctx: SwarmContext, extensions: readonly Extension[]) {
    this.#ctx = ctx;
    this.#extensions = extensions;
    for (const e of extensions) this.#byId.set(e.localId, e);
  }

  /** Tells `peer` our extension names. Sent right after the handshake, and again where something in it changed. */
  sendHandshake(peer: Peer, facts: OwnFacts): void {
    const m = new Map<string, number>();
    for (const e of this.#extensions) if (e.isOffered()) m.set(e.name, e.localId);
    const payload = encodeExtendedHandshake({
      m,
      metadataSize: facts.metadataSize,
      version: facts.version,
      reqq: limits.upload.queueMax,
      port: facts.listenPort > 0 ? facts.listenPort : undefined,
      yourIp: peer.address.host,
      uploadOnly: facts.uploadOnly ? true : undefined,
    });
    this.#ctx.send(peer, encodeMessage({ kind: 'extended', id: extendedHandshakeId, payload }));
  }

  /** @throws BtError from the codec of the extension: the peer is to be dropped */
  onMessage(peer: Peer, id: number, payload: Uint8Array): void {
    if (id === extendedHandshakeId) {
      this.#onHandshake(peer, payload);
      return;
    }
    // Unknown ids are ignored: the peer may speak of something we never offered, and that harms nobody.
    const extension = this.#byId.get(id);
    if (extension?.isOffered() === true) extension.onMessage(peer, payload);
  }

  onGone(peer: Peer): void {
    for (const e of this.#extensions) e.onGone?.(peer);
  }

  onTick(): void {
    for (const e of this.#extensions) e.onTick?.();
  }

  #onHandshake(peer: Peer, payload: Uint8Array): void {
    const h = decodeExtendedHandshake(payload);
    const ids = new Map(peer.extensionIds ?? []);
    // Only names that mean something to us: a peer may invent others without end.
    for (const e of this.#extensions) {
      const id = h.m.get(e.name);
      if (id !== undefined) ids.set(e.name, id);
    }
    peer.extensionIds = ids;
    if (h.metadataSize !== undefined) peer.metadataSize = h.metadataSize;
    // One less than it says: Transmission 3.00 says 512 and rejects the 512th.
    if (h.reqq !== undefined && h.reqq > 0) peer.pipeline.peerMax = Math.max(1, h.reqq - 1);
    if (h.version !== undefined && h.version !== '') peer.client = h.version;
    if (h.uploadOnly !== undefined) peer.uploadOnly = h.uploadOnly;
    if (h.port !== undefined && peer.incoming) peer.listenAddress = { host: peer.address.host, port: h.port };
    for (const e of this.#extensions) e.onHandshake?.(peer, ids.get(e.name));
  }
}

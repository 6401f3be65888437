import {
  decodeDontHave,
  decodeUploadOnly,
  encodeDontHave,
  encodeMessage,
  encodeUploadOnly,
  extensionNames,
} from '../../wire/index.ts';
import type { SwarmContext } from '../context.ts';
import type { Peer } from '../peer.ts';
import type { Extension } from './extension.ts';

/** BEP 54: a peer no longer has a piece. */
export class DontHaveExtension implements Extension {
  readonly name: string = extensionNames.dontHave;
  readonly localId = 3;
  readonly #ctx: SwarmContext;
  readonly #onDontHave: (peer: Peer, piece: number) => void;
  readonly #ids = new Map<Peer, number>();

  constructor(ctx: SwarmContext, onDontHave: (peer: Peer, piece: number) => void) {
    this.#ctx = ctx;
    this.#onDontHave = onDontHave;
  }

  isOffered(): boolean {
    return true;
  }
  onHandshake(peer: Peer, theirId: number | undefined): void {
    if (theirId !== undefined && theirId !== 0) this.#ids.set(peer, theirId);
  }
  onGone(peer: Peer): void {
    this.#ids.delete(peer);
  }
  onMessage(peer: Peer, payload: Uint8Array): void {
    this.#onDontHave(peer, decodeDontHave(payload));
  }
  /** Tells everybody who understands it that a piece of ours is gone. */
  announce(piece: number): void {
    for (const [peer, id] of this.#ids) {
      this.#ctx.send(peer, encodeMessage({ kind: 'extended', id, payload: encodeDontHave(piece) }));
    }
  }
}

/** BEP 21 as libtorrent speaks it while connected: `upload_only` changes without a new handshake. */
export class UploadOnlyExtension implements Extension {
  readonly name: string = extensionNames.uploadOnly;
  readonly localId = 4;
  readonly #ctx: SwarmContext;
  readonly #onChange: (peer: Peer, isUploadOnly: boolean) => void;
  readonly #ids = new Map<Peer, number>();

  constructor(ctx: SwarmContext, onChange: (peer: Peer, isUploadOnly: boolean) => void) {
    this.#ctx = ctx;
    this.#onChange = onChange;
  }

  isOffered(): boolean {
    return true;
  }
  onHandshake(peer: Peer, theirId: number | undefined): void {
    if (theirId !== undefined && theirId !== 0) this.#ids.set(peer, theirId);
  }
  onGone(peer: Peer): void {
    this.#ids.delete(peer);
  }
  onMessage(peer: Peer, payload: Uint8Array): void {
    this.#onChange(peer, decodeUploadOnly(payload));
  }
  announce(isUploadOnly: boolean): void {
    for (const [peer, id] of this.#ids) {
      this.#ctx.send(peer, encodeMessage({ kind: 'extended', id, payload: encodeUploadOnly(isUploadOnly) }));
    }
  }
}

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

export interface StatementOptions<T> {
  readonly name: string;
  readonly localId: number;
  readonly encode: (value: T) => Uint8Array;
  /** @throws BtError for a malformed payload */
  readonly decode: (payload: Uint8Array) => T;
  readonly onStatement: (peer: Peer, value: T) => void;
}

/** An extension with one message, which states one thing, both ways. */
export class StatementExtension<T> implements Extension {
  readonly name: string;
  readonly localId: number;
  readonly #ctx: SwarmContext;
  readonly #o: StatementOptions<T>;
  readonly #ids = new Map<Peer, number>();

  constructor(ctx: SwarmContext, options: StatementOptions<T>) {
    this.#ctx = ctx;
    this.#o = options;
    this.name = options.name;
    this.localId = options.localId;
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
    this.#o.onStatement(peer, this.#o.decode(payload));
  }
  /** States it to one peer. @returns false where it does not understand */
  tell(peer: Peer, value: T): boolean {
    const id = this.#ids.get(peer);
    if (id === undefined) return false;
    this.#ctx.send(peer, encodeMessage({ kind: 'extended', id, payload: this.#o.encode(value) }));
    return true;
  }
  /** States it to everybody who understands. */
  announce(value: T): void {
    for (const peer of this.#ids.keys()) this.tell(peer, value);
  }
}

/** BEP 54: a peer no longer has a piece. */
export function dontHaveExtension(
  ctx: SwarmContext,
  onStatement: (peer: Peer, piece: number) => void,
): StatementExtension<number> {
  const { dontHave: name } = extensionNames;
  return new StatementExtension(ctx, { name, localId: 3, encode: encodeDontHave, decode: decodeDontHave, onStatement });
}

/** BEP 21 as libtorrent speaks it while connected: `upload_only` changes without a new handshake. */
export function uploadOnlyExtension(
  ctx: SwarmContext,
  onStatement: (peer: Peer, isUploadOnly: boolean) => void,
): StatementExtension<boolean> {
  const { uploadOnly: name } = extensionNames;
  const options = { name, localId: 4, encode: encodeUploadOnly, decode: decodeUploadOnly, onStatement };
  return new StatementExtension(ctx, options);
}

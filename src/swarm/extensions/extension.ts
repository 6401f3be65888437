import type { Peer } from '../peer.ts';

/**
 * One extension of BEP 10. All state lives in the extension and is keyed by peer; the registry is the only one who calls it.
 * A new extension is one file here, one line in `torrent-extensions.ts`, and its codec in the wire room.
 */
export interface Extension {
  /** Name in the `m` dictionary of the extension handshake. */
  readonly name: string;
  /** The id that we tell peers to use for it. */
  readonly localId: number;
  /** False: not offered to peers of this torrent (for example PEX in a private one). */
  isOffered(): boolean;
  /** The peer's extension handshake has come: `theirId` is what to send with, undefined if it does not know this extension. */
  onHandshake?(peer: Peer, theirId: number | undefined): void;
  /** @param payload borrowed. May throw BtError for a malformed one: the peer is dropped then */
  onMessage(peer: Peer, payload: Uint8Array): void;
  onGone?(peer: Peer): void;
  /** About once a second. */
  onTick?(): void;
}

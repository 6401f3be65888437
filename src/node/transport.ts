import type { PeerAddress } from '../base/index.ts';
import type { CloseReason } from '../wire/index.ts';

/**
 * A byte pipe to one peer, push style. TCP is the first; uTP, an encrypting wrapper or a data channel have the same shape and pass the
 * same contract suite (test/contract/transport.ts).
 *
 * No method calls a handler before it has returned.
 */
export interface ByteStream {
  /** Bytes handed to `write` and `writePayload` that the system has not taken yet. */
  readonly queuedBytes: number;
  /** Takes the buffer. Everything written in one turn leaves together. */
  write(bytes: Uint8Array): void;
  /** Lends the view until `onWritten(ticket)` or `onClosed`. Keeps its order with `write`. */
  writePayload(bytes: Uint8Array, ticket: number): void;
  /** Bytes that have been read already may still arrive after `reading(false)`. */
  reading(on: boolean): void;
  /**
   * Sends what was written, then ends. From now on no handler is called except `onWritten`, which returns every view still lent,
   * whether it was sent or not.
   */
  close(): void;
  /** Ends at once; otherwise like `close`. */
  destroy(): void;
}

export interface StreamHandlers {
  /** The dial succeeded; never called for accepted streams. */
  onOpen(): void;
  /** @param bytes borrowed until the call returns */
  onBytes(bytes: Uint8Array): void;
  onWritten(ticket: number): void;
  /** The dial failed, or the other side or the network ended the stream. Last call; lent views are free. */
  onClosed(reason: CloseReason): void;
}

export interface Listener {
  /** Where it really listens: the port is never 0. */
  readonly address: PeerAddress;
  close(): Promise<void>;
}

export interface Transport {
  readonly kind: 'tcp' | 'utp' | 'webrtc' | 'memory';
  dial(to: PeerAddress, handlers: StreamHandlers): ByteStream;
  /**
   * @param at    port 0 = any free port; an IPv6 address takes IPv6 only, so that `0.0.0.0` and `::` can share a port
   * @param accept  called for every peer that connects; undefined drops it
   * @throws BtError `net/port-in-use`, `net/listen`
   */
  listen(
    at: PeerAddress,
    accept: (from: PeerAddress, stream: ByteStream) => StreamHandlers | undefined,
  ): Promise<Listener>;
  /** Bytes of its receive buffers, and those that were written and that the system has not taken yet. */
  readonly heldBytes: { readonly receive: number; readonly queued: number };
  /** From now on one read of any stream brings so many bytes at most, but for the next one of streams that are there already. */
  readUpTo(bytes: number): void;
  /** Stops listening, gives closing streams a moment to flush, ends the rest. */
  close(): Promise<void>;
}

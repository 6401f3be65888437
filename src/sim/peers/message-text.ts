import { assert, fromHex, toHex } from '../../base/index.ts';
import type { PeerMessage } from '../../wire/index.ts';

/** What a script may say: all messages, and blocks. */
export type ScriptMessage = PeerMessage | { kind: 'piece'; piece: number; begin: number; bytes: Uint8Array };

/** A message as one line: `have 3`, `bitfield ff80`, `request 0 16384 16384`, `piece 0 0 16384`, `extended 1 6465`. */
export function formatMessage(message: ScriptMessage): string {
  switch (message.kind) {
    case 'have':
    case 'suggest':
    case 'allowed-fast':
      return `${message.kind} ${message.piece}`;
    case 'bitfield':
      return `bitfield ${toHex(message.bits)}`;
    case 'request':
    case 'cancel':
    case 'reject':
      return `${message.kind} ${message.piece} ${message.begin} ${message.length}`;
    case 'piece':
      return `piece ${message.piece} ${message.begin} ${message.bytes.length}`;
    case 'port':
      return `port ${message.port}`;
    case 'extended':
      return `extended ${message.id} ${toHex(message.payload)}`;
    case 'hash-request':
    case 'hashes':
    case 'hash-reject':
      return `${message.kind} ${message.baseLayer} ${message.index} ${message.length} ${message.proofLayers}`;
    case 'unknown':
      return `unknown ${message.id}`;
    default:
      return message.kind;
  }
}

/**
 * Reads what `formatMessage` writes, for the kinds a script sends. A request without a length asks for 16 KiB.
 * `piece` and hash messages need bytes and are not text.
 */
export function parseMessage(text: string): PeerMessage {
  const [kind = '', ...rest] = text.trim().split(/\s+/);
  const number = (i: number, otherwise?: number): number => {
    const word = rest[i];
    // Digits alone: '-0' and '1e3' are numbers to JavaScript, and none is what formatMessage writes.
    const value = word === undefined ? otherwise : /^\d+$/.test(word) ? Number(word) : undefined;
    assert(value !== undefined && Number.isSafeInteger(value), `number ${i + 1} of '${text}'`);
    return value;
  };
  const bytes = (i: number): Uint8Array => {
    const value = fromHex(rest[i] ?? '');
    assert(value !== undefined, `hex ${i + 1} of '${text}'`);
    return value;
  };
  switch (kind) {
    case 'keep-alive':
    case 'choke':
    case 'unchoke':
    case 'interested':
    case 'not-interested':
    case 'have-all':
    case 'have-none':
      return { kind };
    case 'have':
    case 'suggest':
    case 'allowed-fast':
      return { kind, piece: number(0) };
    case 'bitfield':
      return { kind, bits: bytes(0) };
    case 'request':
    case 'cancel':
    case 'reject':
      return { kind, piece: number(0), begin: number(1), length: number(2, 16_384) };
    case 'port':
      return { kind, port: number(0) };
    case 'extended':
      return { kind, id: number(0), payload: bytes(1) };
    case 'unknown':
      return { kind, id: number(0) };
    default:
      throw new Error(`'${text}' is no message that a script can send`);
  }
}

import { BtError, concatBytes } from '../../base/index.ts';
import { encode, getInt } from '../../bencode/index.ts';
import { decodeDictPrefix } from './bencoded.ts';
import { peerLimits } from './limits.ts';

/** One `ut_metadata` message (BEP 9). `piece` counts units of `peerLimits.metadataPieceBytes`. */
export type MetadataMessage =
  | { readonly kind: 'request'; readonly piece: number }
  | {
      readonly kind: 'data';
      readonly piece: number;
      /** Bytes of the whole info dictionary, as the sender claims; undefined where it did not say. */
      readonly totalSize: number | undefined;
      /** At most 16 KiB. Decoded: borrowed. */
      readonly bytes: Uint8Array;
    }
  | { readonly kind: 'reject'; readonly piece: number }
  /** To be ignored (BEP 9: MUST). */
  | { readonly kind: 'unknown'; readonly type: number };

const REQUEST = 0;
const DATA = 1;
const REJECT = 2;

/** @returns payload of an `extended` message: a dictionary and, for `data`, the raw bytes after it */
export function encodeMetadataMessage(message: MetadataMessage): Uint8Array {
  switch (message.kind) {
    case 'request':
      return encode({ msg_type: REQUEST, piece: message.piece });
    case 'data':
      return concatBytes([
        encode({ msg_type: DATA, piece: message.piece, total_size: message.totalSize }),
        message.bytes,
      ]);
    case 'reject':
      return encode({ msg_type: REJECT, piece: message.piece });
    case 'unknown':
      return encode({ msg_type: message.type });
  }
}

/**
 * @param payload borrowed; `bytes` of a `data` message is a view of it
 * @throws BtError `wire/invalid` on anything but a dictionary with a sound type and piece, and on more than 16 KiB of data
 */
export function decodeMetadataMessage(payload: Uint8Array): MetadataMessage {
  const { dict, rest } = decodeDictPrefix('ut_metadata', payload);
  const type = getInt(dict, 'msg_type');
  if (type === undefined) throw invalid('no msg_type');
  if (type !== REQUEST && type !== DATA && type !== REJECT) return { kind: 'unknown', type };
  const piece = getInt(dict, 'piece');
  if (piece === undefined || piece < 0) throw invalid('no piece');
  if (type === REQUEST) return { kind: 'request', piece };
  if (type === REJECT) return { kind: 'reject', piece };
  if (rest.length > peerLimits.metadataPieceBytes) throw invalid(`${rest.length} bytes of data`);
  return { kind: 'data', piece, totalSize: getInt(dict, 'total_size'), bytes: rest };
}

function invalid(what: string): BtError<'wire/invalid'> {
  return new BtError('wire/invalid', { message: 'ut_metadata', what });
}

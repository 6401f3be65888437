import { BtError, readU32, writeU32 } from '../../base/index.ts';

/** Payload of `lt_donthave` (BEP 54): u32 piece, which the sender no longer has. */
export function encodeDontHave(piece: number): Uint8Array {
  const out = new Uint8Array(4);
  writeU32(out, 0, piece);
  return out;
}

/** @throws BtError `wire/invalid` unless 4 bytes */
export function decodeDontHave(payload: Uint8Array): number {
  if (payload.length !== 4)
    throw new BtError('wire/invalid', { message: 'lt_donthave', what: `${payload.length} bytes` });
  return readU32(payload, 0);
}

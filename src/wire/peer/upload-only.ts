import { BtError } from '../../base/index.ts';

/**
 * Payload of the `upload_only` extension message, by which libtorrent 2.0 tells of a change during the connection what BEP 21 puts
 * into the extended handshake: one byte, 0 or 1.
 */
export function encodeUploadOnly(isUploadOnly: boolean): Uint8Array {
  return Uint8Array.of(isUploadOnly ? 1 : 0);
}

/** Any byte but 0 means yes. @throws BtError `wire/invalid` unless 1 byte */
export function decodeUploadOnly(payload: Uint8Array): boolean {
  if (payload.length !== 1)
    throw new BtError('wire/invalid', { message: 'upload_only', what: `${payload.length} bytes` });
  return payload[0] !== 0;
}

import { BtError } from '../../base/index.ts';
import { BDict, decodePrefix } from '../../bencode/index.ts';
import { peerLimits } from './limits.ts';

/**
 * Decodes the dictionary that an extension message begins with.
 *
 * @param message name for the error
 * @param payload borrowed; dictionary and rest are views of it
 * @returns the dictionary and the bytes after it: data in BEP 9, an oddity to be ignored elsewhere
 * @throws BtError `wire/invalid` on anything that is no dictionary, or on one beyond the limits
 */
export function decodeDictPrefix(message: string, payload: Uint8Array): { dict: BDict; rest: Uint8Array } {
  let decoded: ReturnType<typeof decodePrefix>;
  try {
    decoded = decodePrefix(payload, {
      depthMax: peerLimits.extendedDepthMax,
      tokensMax: peerLimits.extendedTokensMax,
    });
  } catch (cause) {
    if (!BtError.is(cause)) throw cause;
    throw new BtError('wire/invalid', { message, what: cause.message }, { cause });
  }
  if (!(decoded.value instanceof BDict)) throw new BtError('wire/invalid', { message, what: 'not a dictionary' });
  return { dict: decoded.value, rest: payload.subarray(decoded.end) };
}

import { decodeUtf8Loose } from '../../base/index.ts';
import { trackerWireLimits } from './limits.ts';

/**
 * Text of a tracker made fit for a terminal and a log: control characters (escape sequences among them), bidirectional overrides and
 * line breaks become blanks, and it is cut at `textCharsMax`. Bytes that are no UTF-8 become U+FFFD.
 */
export function toSafeText(bytes: Uint8Array): string {
  const text = decodeUtf8Loose(bytes.subarray(0, trackerWireLimits.textCharsMax * 4));
  return text
    .replace(/[\u0000-\u001f\u007f-\u009f\u2028-\u202e\u2066-\u2069]+/g, ' ')
    .trim()
    .slice(0, trackerWireLimits.textCharsMax);
}

import { parseIp, toBinaryString } from '../base/index.ts';

/**
 * What bounds by address go by: an IPv4 address, or the first 64 bits of an IPv6 one, which one host commands as a whole.
 *
 * @param address 4 or 16 bytes, or text; text that is no address stands for itself
 */
export function toAddressKey(address: Uint8Array | string): string {
  const bytes = typeof address === 'string' ? parseIp(address) : address;
  if (bytes === undefined) return address as string;
  return toBinaryString(bytes.length === 4 ? bytes : bytes.subarray(0, 8));
}

import { parseIp } from '../../base/index.ts';

/** A set of networks in the usual notation: `10.0.0.0/8`, `2001:db8::/32`, or a single address. */
export class Networks {
  readonly #networks: { readonly address: Uint8Array; readonly bits: number }[] = [];

  /** @param texts such as `parseNetwork` takes; others are passed over */
  constructor(texts: readonly string[]) {
    for (const text of texts) {
      const network = parseNetwork(text);
      if (network !== undefined) this.#networks.push(network);
    }
  }

  get isEmpty(): boolean {
    return this.#networks.length === 0;
  }

  /** @param ip 4 or 16 bytes */
  has(ip: Uint8Array): boolean {
    return this.#networks.some(({ address, bits }) => address.length === ip.length && isSamePrefix(address, ip, bits));
  }
}

/** @returns undefined where the text is no network: for checking what an operator wrote */
export function parseNetwork(text: string): { readonly address: Uint8Array; readonly bits: number } | undefined {
  const match = /^([^/]+)(?:\/(\d{1,3}))?$/.exec(text.trim());
  const address = match === null ? undefined : parseIp(match[1] as string);
  if (match === null || address === undefined) return undefined;
  const bits = match[2] === undefined ? address.length * 8 : Number(match[2]);
  return bits > address.length * 8 ? undefined : { address, bits };
}

function isSamePrefix(a: Uint8Array, b: Uint8Array, bits: number): boolean {
  const whole = bits >> 3;
  for (let i = 0; i < whole; i++) if (a[i] !== b[i]) return false;
  const rest = bits & 7;
  return rest === 0 || (((a[whole] as number) ^ (b[whole] as number)) & (0xff << (8 - rest)) & 0xff) === 0;
}

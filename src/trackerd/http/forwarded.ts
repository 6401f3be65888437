import { parseIp } from '../../base/index.ts';
import type { Networks } from './networks.ts';

/** Addresses of a chain looked at: more proxies than that are nobody's set-up. */
const CHAIN_MAX = 16;

/**
 * Who is behind a reverse proxy of ours: the last address of the chain that is not a trusted proxy itself. Everything before it was
 * written by somebody we do not trust, so it counts for nothing.
 *
 * @param headers header lines of a request, `\n` or `\r\n` between them
 * @returns 4 or 16 bytes; undefined where the proxy names nobody we can read
 */
export function findForwardedClient(headers: string, trusted: Networks): Uint8Array | undefined {
  return pickClient(readChain(headers), trusted);
}

/** The same from headers that node:http has read. */
export function findForwardedClientIn(
  headers: { readonly [name: string]: string | string[] | undefined },
  trusted: Networks,
): Uint8Array | undefined {
  const { forwarded, 'x-forwarded-for': plain } = headers;
  const lines = [
    ...[forwarded ?? []].flat().map((value) => `Forwarded: ${value}`),
    ...[plain ?? []].flat().map((value) => `X-Forwarded-For: ${value}`),
  ];
  return findForwardedClient(lines.join('\n'), trusted);
}

function pickClient(chain: readonly (Uint8Array | undefined)[], trusted: Networks): Uint8Array | undefined {
  let client: Uint8Array | undefined;
  for (let i = chain.length - 1; i >= 0; i--) {
    const address = chain[i];
    // Unreadable: what a trusted proxy added, but hidden; nothing before it is of any worth.
    if (address === undefined) return client;
    client = address;
    if (!trusted.has(address)) return client;
  }
  return client;
}

/** The addresses of all such headers in their order. Where both kinds are there, the standard one counts (RFC 7239). */
function readChain(headers: string): (Uint8Array | undefined)[] {
  const standard: string[] = [];
  const plain: string[] = [];
  for (const [, name = '', value = ''] of headers.matchAll(/^(forwarded|x-forwarded-for):(.*)$/gim)) {
    (name.length === 'forwarded'.length ? standard : plain).push(value);
  }
  const elements = (standard.length > 0 ? standard : plain).join(',').split(',');
  const last = elements.slice(-CHAIN_MAX);
  return last.map((element) => readNode(standard.length > 0 ? readForParameter(element) : element));
}

/** `for=192.0.2.1;proto=http`, `for="[2001:db8::1]:80"`. */
function readForParameter(element: string): string {
  return /(?:^|;)\s*for\s*=\s*(?:"([^"]*)"|([^\s;]*))/i.exec(element)?.slice(1).join('') ?? '';
}

/** An address, with or without port and brackets. Names and `_hidden` ones give undefined. */
function readNode(text: string): Uint8Array | undefined {
  const match = /^(?:\[([^\]]*)\](?::\d{1,5})?|([0-9.]+):\d{1,5}|(\S*))$/.exec(text.trim());
  return match === null ? undefined : parseIp((match[1] ?? match[2] ?? match[3]) as string);
}

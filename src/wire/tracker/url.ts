import { canonicalHost, encodeUtf8, isIpv6 } from '../../base/index.ts';
import { trackerWireLimits } from './limits.ts';

export type TrackerScheme = 'http' | 'https' | 'udp' | 'ws' | 'wss';

/** A tracker's URL in parts, already normalised: equal trackers give equal parts. */
export interface TrackerUrl {
  readonly scheme: TrackerScheme;
  /** `user:password` as written, for HTTP basic authentication. */
  readonly credentials?: string;
  /** Lower-case name, or numeric address in canonical text, IPv6 without brackets. */
  readonly host: string;
  readonly port: number;
  /** Begins with `/`; characters that a request line cannot carry are percent-encoded. Empty for a UDP URL without path. */
  readonly path: string;
  /** Without `?`; undefined where the URL has none. */
  readonly query?: string;
}

const DEFAULT_PORTS: { readonly [S in TrackerScheme]: number } = { http: 80, https: 443, udp: 80, ws: 80, wss: 443 };

/**
 * Parses an announce URL. Torrents in the wild carry blanks around and inside their URLs: the former are dropped, the latter encoded.
 * The fragment is dropped.
 *
 * @returns undefined where it is no URL of a tracker scheme, or has control characters, no host, port 0 or a port above 65535
 */
export function parseTrackerUrl(text: string): TrackerUrl | undefined {
  const trimmed = text.trim();
  if (trimmed.length > trackerWireLimits.urlCharsMax || /[\u0000-\u001f\u007f-\u009f]/.test(trimmed)) return undefined;
  const match = /^([a-z]+):\/\/(?:([^/?#@]*)@)?([^/?#]*)([^?#]*)(?:\?([^#]*))?(?:#.*)?$/i.exec(trimmed);
  if (match === null) return undefined;
  const [, schemeText = '', credentials, authority = '', path = '', query] = match;
  const scheme = schemeText.toLowerCase();
  if (!(scheme in DEFAULT_PORTS)) return undefined;
  const place = parseAuthority(authority, DEFAULT_PORTS[scheme as TrackerScheme]);
  if (place === undefined) return undefined;
  return {
    scheme: scheme as TrackerScheme,
    ...(credentials === undefined ? {} : { credentials }),
    ...place,
    path: encodeRest(path === '' && scheme !== 'udp' ? '/' : path),
    ...(query === undefined ? {} : { query: encodeRest(query) }),
  };
}

function parseAuthority(authority: string, defaultPort: number): { host: string; port: number } | undefined {
  const match = /^(?:\[([^\]]*)\]|([^:]*))(?::(\d{0,5}))?$/.exec(authority);
  if (match === null) return undefined;
  const [, bracketed, plain = '', portText = ''] = match;
  const port = portText === '' ? defaultPort : Number(portText);
  if (port < 1 || port > 65_535) return undefined;
  if (bracketed !== undefined) {
    const host = bracketed.includes(':') ? canonicalHost(bracketed) : undefined;
    return host === undefined ? undefined : { host, port };
  }
  // What can stand in a host name, and what of other scripts name resolution turns into ASCII: letters, signs, the points that stand
  // within words or between labels. No blanks of theirs, no line ends, no marks that reorder text: the URL is shown to people.
  const foreign = /^[a-z0-9._\-\p{L}\p{M}\p{N}\p{S}\u00b7\u0375\u05f3\u05f4\u30fb\u3002\uff0e\uff61]+$/iu;
  if (!foreign.test(plain) || /[<>^`|~$+=]/.test(plain)) return undefined;
  return { host: canonicalHost(plain) ?? plain.toLowerCase(), port };
}

/** Percent-encodes what a request line cannot carry. What is encoded already stays as it is. */
function encodeRest(text: string): string {
  let out = '';
  for (const char of text) {
    if (/^[!-~]$/.test(char) && !/["<>\\^`{|}]/.test(char)) out += char;
    else for (const byte of encodeUtf8(char)) out += `%${byte.toString(16).toUpperCase().padStart(2, '0')}`;
  }
  return out;
}

/** One text per tracker: what `parseTrackerUrl` has normalised, without default ports. A UDP port is always written. */
export function formatTrackerUrl(url: TrackerUrl): string {
  const credentials = url.credentials === undefined ? '' : `${url.credentials}@`;
  const host = isIpv6(url.host) ? `[${url.host}]` : url.host;
  const port = url.scheme !== 'udp' && url.port === DEFAULT_PORTS[url.scheme] ? '' : `:${url.port}`;
  return `${url.scheme}://${credentials}${host}${port}${toTrackerTarget(url)}`;
}

/** Path and query: what goes into an HTTP request line, and what BEP 41 sends along by UDP. */
export function toTrackerTarget(url: TrackerUrl): string {
  return url.query === undefined ? url.path : `${url.path}?${url.query}`;
}

/** Parses and writes again. @returns undefined for what `parseTrackerUrl` refuses */
export function normaliseTrackerUrl(text: string): string | undefined {
  const url = parseTrackerUrl(text);
  return url === undefined ? undefined : formatTrackerUrl(url);
}

/**
 * Where a tracker is scraped. HTTP: `announce` at the beginning of the last part of the path becomes `scrape` (the rule that clients
 * follow; BEP 48 says "in the path", which would also hit a folder of that name). UDP: the same place.
 *
 * @returns undefined where the tracker has no scrape by that rule
 */
export function toScrapeUrl(url: TrackerUrl): TrackerUrl | undefined {
  if (url.scheme === 'udp') return url;
  if (url.scheme === 'ws' || url.scheme === 'wss') return undefined;
  const at = url.path.lastIndexOf('/') + 1;
  if (!url.path.startsWith('announce', at)) return undefined;
  return { ...url, path: `${url.path.slice(0, at)}scrape${url.path.slice(at + 'announce'.length)}` };
}

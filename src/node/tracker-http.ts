import { request as httpRequest, type IncomingMessage, type RequestOptions } from 'node:http';
import { request as httpsRequest } from 'node:https';
import type { LookupFunction } from 'node:net';
import { gunzip } from 'node:zlib';
import { isIpv6 } from '../base/index.ts';
import { type IpFamily, parseTrackerUrl, type TrackerUrl, toTrackerTarget } from '../wire/index.ts';
import { describeFailure, TrackerCallError } from './tracker-error.ts';

export const trackerHttpLimits = {
  /** Bytes of an answer, after decompression: 2,000 peers as dictionaries take under 200 KB. */
  bodyBytesMax: 1_048_576,
  redirectsMax: 5,
  /** Addresses of one name tried one after the other. */
  addressesMax: 3,
} as const;

export interface TrackerHttpAnswer {
  readonly status: number;
  readonly statusText: string;
  readonly body: Uint8Array;
  /** From `Retry-After`, where it is a number of seconds. */
  readonly retryInSec?: number;
}

export interface TrackerHttpRequest {
  readonly url: TrackerUrl;
  readonly family: IpFamily;
  /** @returns numeric addresses of that family; rejects where the name has none */
  readonly resolve: (host: string, family: IpFamily) => Promise<readonly string[]>;
  /** True for loopback and private addresses. */
  readonly isLocal: (address: string) => boolean;
  readonly userAgent: string;
  readonly signal: AbortSignal;
}

/**
 * One GET to a tracker by one address family, with bounded redirects and a bounded body.
 *
 * Redirects go from http to https, never back and never to another scheme, and not from a public tracker into a private network: that
 * would let any torrent file make requests behind our firewall.
 *
 * @throws TrackerCallError, or the signal's reason
 */
export async function getFromTracker(o: TrackerHttpRequest): Promise<TrackerHttpAnswer> {
  let url = o.url;
  let cameFromPublic = false;
  for (let redirects = 0; redirects <= trackerHttpLimits.redirectsMax; redirects++) {
    const addresses = await o.resolve(url.host, o.family);
    const allowed = cameFromPublic ? addresses.filter((address) => !o.isLocal(address)) : addresses;
    if (allowed.length === 0) throw new TrackerCallError('unreachable', 'it redirects into a private network');
    const { response, address } = await getFromAny(allowed, url, o);
    cameFromPublic ||= !o.isLocal(address);
    const location = response.headers.location;
    if (!isRedirect(response.statusCode) || location === undefined) return readAnswer(response);
    response.destroy();
    url = toRedirectTarget(url, location);
  }
  throw new TrackerCallError('garbage', 'too many redirects');
}

function isRedirect(status: number | undefined): boolean {
  return status !== undefined && [301, 302, 303, 307, 308].includes(status);
}

function toRedirectTarget(from: TrackerUrl, location: string): TrackerUrl {
  let text: string;
  try {
    text = new URL(
      location,
      `${from.scheme}://${isIpv6(from.host) ? `[${from.host}]` : from.host}:${from.port}${toTrackerTarget(from)}`,
    ).href;
  } catch {
    throw new TrackerCallError('garbage', 'it redirects to nowhere');
  }
  const to = parseTrackerUrl(text);
  const isAllowed = to?.scheme === 'https' || (to?.scheme === 'http' && from.scheme === 'http');
  if (to === undefined || !isAllowed) throw new TrackerCallError('garbage', 'it redirects to another scheme');
  return to;
}

/** Tries the addresses in their order; only one that could not be reached leads to the next. */
async function getFromAny(
  addresses: readonly string[],
  url: TrackerUrl,
  o: TrackerHttpRequest,
): Promise<{ response: IncomingMessage; address: string }> {
  let failure: unknown;
  for (const address of addresses.slice(0, trackerHttpLimits.addressesMax)) {
    try {
      return { response: await get(url, address, o), address };
    } catch (error) {
      if (o.signal.aborted || (error instanceof TrackerCallError && error.kind === 'garbage')) throw error;
      failure = error;
    }
  }
  throw failure;
}

function get(url: TrackerUrl, address: string, o: TrackerHttpRequest): Promise<IncomingMessage> {
  // The name stays in the request, for the Host header and the certificate, but resolves to the address we chose.
  const pinned: LookupFunction = (_host, options, done) => {
    if (options.all === true) done(null, [{ address, family: o.family }]);
    else done(null, address, o.family);
  };
  const options: RequestOptions = {
    host: url.host,
    port: url.port,
    path: toTrackerTarget(url),
    lookup: pinned,
    family: o.family,
    agent: false,
    signal: o.signal,
    maxHeaderSize: 16_384,
    headers: { 'user-agent': o.userAgent, 'accept-encoding': 'gzip', connection: 'close', accept: '*/*' },
    ...(url.credentials === undefined ? {} : { auth: decodeCredentials(url.credentials) }),
  };
  return new Promise((resolve, reject) => {
    const request = (url.scheme === 'https' ? httpsRequest : httpRequest)(options);
    request.once('response', resolve);
    // Stays on: a late error without a listener would end the process.
    request.on('error', (error) => reject(o.signal.aborted ? o.signal.reason : toHttpError(error)));
    request.end();
  });
}

function decodeCredentials(text: string): string {
  try {
    return decodeURIComponent(text);
  } catch {
    return text;
  }
}

async function readAnswer(response: IncomingMessage): Promise<TrackerHttpAnswer> {
  const retryAfter = response.headers['retry-after'];
  return {
    status: response.statusCode ?? 0,
    statusText: response.statusMessage ?? '',
    body: await decompress(await readBody(response), response.headers['content-encoding']),
    ...(retryAfter !== undefined && /^\d{1,6}$/.test(retryAfter) ? { retryInSec: Number(retryAfter) } : {}),
  };
}

async function readBody(response: IncomingMessage): Promise<Buffer> {
  const chunks: Buffer[] = [];
  let length = 0;
  try {
    for await (const chunk of response as AsyncIterable<Buffer>) {
      length += chunk.length;
      if (length > trackerHttpLimits.bodyBytesMax) throw new TrackerCallError('garbage', 'the answer is too long');
      chunks.push(chunk);
    }
  } catch (error) {
    throw error instanceof TrackerCallError ? error : toHttpError(error);
  }
  return Buffer.concat(chunks);
}

function decompress(body: Buffer, encoding: string | undefined): Promise<Buffer> {
  if (encoding === undefined || encoding === 'identity') return Promise.resolve(body);
  if (encoding !== 'gzip' && encoding !== 'x-gzip') {
    return Promise.reject(new TrackerCallError('garbage', `the answer is encoded as ${encoding.slice(0, 20)}`));
  }
  return new Promise((resolve, reject) => {
    gunzip(body, { maxOutputLength: trackerHttpLimits.bodyBytesMax }, (error, plain) => {
      if (error === null) resolve(plain);
      else reject(new TrackerCallError('garbage', 'the answer cannot be decompressed', { cause: error }));
    });
  });
}

function toHttpError(error: unknown): TrackerCallError {
  const code = (error as NodeJS.ErrnoException).code ?? '';
  if (code.startsWith('HPE_')) return new TrackerCallError('garbage', 'it does not speak HTTP', { cause: error });
  const what = code === '' ? String((error as Error).message) : describeFailure(code);
  return new TrackerCallError('unreachable', what, { cause: error });
}

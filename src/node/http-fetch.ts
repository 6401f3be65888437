import { request as httpRequest, type IncomingMessage } from 'node:http';
import { request as httpsRequest } from 'node:https';
import { gunzip } from 'node:zlib';
import { BtError } from '../base/index.ts';
import { describeFailure } from './tracker-error.ts';

export interface FetchOptions {
  readonly signal?: AbortSignal;
  /** Longest body after decompression; default 64 MiB, what the largest torrents with full v2 layers need. */
  readonly bytesMax?: number;
  /** For everything together, redirects included; default 30 s. */
  readonly timeoutMs?: number;
  readonly userAgent?: string;
}

const REDIRECTS_MAX = 5;

/**
 * Downloads a small file (a .torrent) by HTTP or HTTPS.
 *
 * Redirects are followed a few times, from https only to https. Leaves no connection open.
 *
 * @throws BtError `net/http`; the signal's reason
 */
export async function fetchBytes(url: string, options: FetchOptions = {}): Promise<Uint8Array> {
  const timeout = AbortSignal.timeout(options.timeoutMs ?? 30_000);
  const signal = options.signal === undefined ? timeout : AbortSignal.any([options.signal, timeout]);
  options.signal?.throwIfAborted();
  try {
    return await fetchFollowing(url, { ...options, signal });
  } catch (error) {
    options.signal?.throwIfAborted();
    if (timeout.aborted) throw failure(url, 'it took too long', error);
    if (BtError.is(error)) throw error;
    const code = (error as NodeJS.ErrnoException).code;
    throw failure(url, code === undefined ? String(error) : describeFailure(code), error);
  }
}

async function fetchFollowing(first: string, options: FetchOptions & { signal: AbortSignal }): Promise<Uint8Array> {
  let url = toUrl(first, undefined, first);
  for (let redirects = 0; redirects <= REDIRECTS_MAX; redirects++) {
    const response = await get(url, options);
    const status = response.statusCode ?? 0;
    const location = response.headers.location;
    if (status === 200) return readBody(response, first, options.bytesMax ?? 64 * 1024 * 1024);
    response.destroy();
    if (![301, 302, 303, 307, 308].includes(status) || location === undefined) {
      throw failure(first, `the server answered ${status} ${response.statusMessage ?? ''}`.trim());
    }
    url = toUrl(location, url, first);
  }
  throw failure(first, 'too many redirects');
}

function toUrl(text: string, base: URL | undefined, first: string): URL {
  let url: URL;
  try {
    url = new URL(text, base);
  } catch {
    throw failure(first, base === undefined ? 'that is no URL' : 'it redirects to nowhere');
  }
  const isSecure = url.protocol === 'https:';
  if (!isSecure && url.protocol !== 'http:') throw failure(first, 'only http and https are spoken');
  if (!isSecure && base?.protocol === 'https:') throw failure(first, 'it redirects from https to http');
  return url;
}

function get(url: URL, options: FetchOptions & { signal: AbortSignal }): Promise<IncomingMessage> {
  return new Promise((resolve, reject) => {
    const request = (url.protocol === 'https:' ? httpsRequest : httpRequest)(url, {
      agent: false,
      signal: options.signal,
      headers: {
        'user-agent': options.userAgent ?? 'Eider',
        accept: 'application/x-bittorrent, */*',
        'accept-encoding': 'gzip',
        connection: 'close',
      },
    });
    request.once('response', resolve);
    // Stays on: a late error without a listener would end the process.
    request.on('error', reject);
    request.end();
  });
}

async function readBody(response: IncomingMessage, url: string, bytesMax: number): Promise<Uint8Array> {
  const chunks: Buffer[] = [];
  let length = 0;
  for await (const chunk of response as AsyncIterable<Buffer>) {
    length += chunk.length;
    if (length > bytesMax) throw failure(url, `the file is longer than ${bytesMax} bytes`);
    chunks.push(chunk);
  }
  const body = Buffer.concat(chunks);
  const encoding = response.headers['content-encoding'];
  if (encoding === undefined || encoding === 'identity') return toPlain(body);
  if (encoding !== 'gzip' && encoding !== 'x-gzip') throw failure(url, `it is encoded as ${encoding.slice(0, 20)}`);
  return new Promise((resolve, reject) => {
    gunzip(body, { maxOutputLength: bytesMax }, (error, plain) => {
      if (error === null) resolve(toPlain(plain));
      else reject(failure(url, 'it cannot be decompressed', error));
    });
  });
}

function toPlain(buffer: Buffer): Uint8Array {
  return new Uint8Array(buffer.buffer, buffer.byteOffset, buffer.byteLength);
}

function failure(url: string, what: string, cause?: unknown): BtError {
  return new BtError('net/http', { url, what }, cause === undefined ? undefined : { cause });
}

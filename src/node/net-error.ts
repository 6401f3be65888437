import { BtError } from '../base/index.ts';
import type { CloseReason } from '../wire/index.ts';

const CODES: Readonly<Record<string, string>> = {
  ECONNREFUSED: 'net/refused',
  ECONNRESET: 'net/reset',
  EPIPE: 'net/reset',
  ECONNABORTED: 'net/reset',
  ETIMEDOUT: 'net/timeout',
  EHOSTUNREACH: 'net/unreachable',
  ENETUNREACH: 'net/unreachable',
  ENETDOWN: 'net/unreachable',
  EHOSTDOWN: 'net/unreachable',
  EADDRNOTAVAIL: 'net/unreachable',
  EAFNOSUPPORT: 'net/unreachable',
  EMFILE: 'net/no-descriptors',
  ENFILE: 'net/no-descriptors',
  EACCES: 'net/denied',
  EPERM: 'net/denied',
};

/** Carries a reason of our own through `socket.destroy(error)`. */
export class StreamError extends Error {
  override readonly name: string = 'StreamError';
  readonly reason: CloseReason;

  constructor(reason: CloseReason) {
    super(reason.code);
    this.reason = reason;
  }
}

export function systemCode(error: unknown): string {
  const code = (error as { code?: unknown } | null)?.code;
  return typeof code === 'string' ? code : 'unknown';
}

/** What a socket's error means, as data. */
export function toCloseReason(error: unknown): CloseReason {
  if (error instanceof StreamError) return error.reason;
  const code = systemCode(error);
  const known = CODES[code];
  if (known !== undefined) return { code: known };
  return { code: 'net/error', detail: code === 'unknown' ? String(error) : code };
}

/** @returns `net/port-in-use`, or `net/listen` for everything else that keeps us from listening */
export function toListenError(error: unknown, at: { host: string; port: number }): BtError {
  const code = systemCode(error);
  if (code === 'EADDRINUSE') return new BtError('net/port-in-use', { host: at.host, port: at.port }, { cause: error });
  const what =
    code === 'EACCES'
      ? 'permission denied (ports below 1024 need privileges)'
      : code === 'EADDRNOTAVAIL'
        ? 'this machine does not have that address'
        : code;
  return new BtError('net/listen', { host: at.host, port: at.port, what }, { cause: error });
}

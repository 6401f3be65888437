/** `garbage`: something answered, but no tracker. `unreachable`: nobody did. */
export class TrackerCallError extends Error {
  readonly kind: 'garbage' | 'unreachable';
  constructor(kind: 'garbage' | 'unreachable', what: string, options?: ErrorOptions) {
    super(what, options);
    this.kind = kind;
  }
}

const FAILURES: Readonly<Record<string, string>> = {
  ECONNREFUSED: 'connection refused: nothing listens there',
  ECONNRESET: 'it hung up before it answered',
  EPIPE: 'it hung up before it answered',
  ETIMEDOUT: 'no answer to our call',
  EHOSTUNREACH: 'no way to that host',
  ENETUNREACH: 'no way to that network',
  ENOTFOUND: 'there is no such host name',
  EAI_AGAIN: 'host names cannot be looked up now',
  EACCES: 'the system forbids it',
  EPERM: 'the system forbids it',
  CERT_HAS_EXPIRED: 'its certificate has expired',
  DEPTH_ZERO_SELF_SIGNED_CERT: 'its certificate is not signed by anybody we trust',
  SELF_SIGNED_CERT_IN_CHAIN: 'its certificate is not signed by anybody we trust',
  UNABLE_TO_VERIFY_LEAF_SIGNATURE: 'its certificate is not signed by anybody we trust',
  ERR_TLS_CERT_ALTNAME_INVALID: 'its certificate is for another name',
};

/** A sentence for a code of the system; the code itself where there is none. */
export function describeFailure(code: string): string {
  return FAILURES[code] ?? code;
}

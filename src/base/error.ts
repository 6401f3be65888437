/**
 * Every failure that leaves Eider has a stable code. `ErrorDetail` is the one map from code to its typed detail; the message is built
 * from both, says what happened and, where a person can do something, what.
 *
 * Families: `bencode/` `metainfo/` `magnet/` `wire/` codecs · `disk/` storage · `tracker/` announces · `net/` sockets · `swarm/` the
 * brain · `client/` misuse of the library · `config/` the tracker's configuration · `cli/` misuse of the command line.
 */
export interface ErrorDetail {
  'bencode/syntax': { at: number; what: string };
  'bencode/limit': { at: number; what: string };
  'metainfo/invalid': { field: string; what: string };
  'metainfo/unsafe-path': { path: string; what: string };
  'metainfo/limit': { field: string; what: string };
  'magnet/invalid': { what: string };
  'wire/invalid': { message: string; what: string };
  'wire/truncated': { message: string; neededBytes: number; gotBytes: number };
  'wire/bad-action': { message: string; action: number };
  'disk/no-space': { path: string };
  'disk/not-found': { path: string };
  'disk/access': { path: string; what: string };
  'disk/io': { path: string; what: string };
  'disk/changed': { path: string; what: string };
  'disk/unsafe-path': { path: string; what: string };
  'disk/exists': { path: string };
  /** `retryInSec`: how long the tracker wants to be left alone (BEP 31), Infinity = for ever. */
  'tracker/refused': { url: string; reason: string; retryInSec?: number };
  'tracker/garbage': { url: string; what: string };
  'tracker/unreachable': { url: string; what: string };
  'tracker/timeout': { url: string };
  'tracker/unsupported': { url: string };
  'net/port-in-use': { host: string; port: number };
  'net/listen': { host: string; port: number; what: string };
  'net/http': { url: string; what: string };
  'swarm/inconsistent-hashes': { piece: number };
  /** A fault of Eider itself; `cause` has where. */
  'swarm/internal': { what: string };
  'swarm/state-newer': { what: string };
  'swarm/state-damaged': { what: string };
  'client/closed': { what: string };
  'client/aborted': { what: string };
  'client/duplicate': { infoHash: string };
  'client/invalid': { what: string };
  'client/timeout': { what: string };
  /** Every problem found, one sentence each. */
  'config/invalid': { problems: readonly string[] };
  'cli/usage': { what: string };
}
export type ErrorCode = keyof ErrorDetail;

const messages: { [C in ErrorCode]: (d: ErrorDetail[C]) => string } = {
  'bencode/syntax': (d) => `not valid bencode at byte ${d.at}: ${d.what}`,
  'bencode/limit': (d) => `bencode beyond a limit at byte ${d.at}: ${d.what}`,
  'metainfo/invalid': (d) => `bad torrent: ${d.field}: ${d.what}`,
  'metainfo/unsafe-path': (d) => `bad torrent: unsafe file path ${JSON.stringify(d.path)}: ${d.what}`,
  'metainfo/limit': (d) => `torrent beyond a limit: ${d.field}: ${d.what}`,
  'magnet/invalid': (d) => `bad magnet link: ${d.what}`,
  'wire/invalid': (d) => `bad ${d.message}: ${d.what}`,
  'wire/truncated': (d) => `${d.message} too short: ${d.gotBytes} bytes, ${d.neededBytes} needed`,
  'wire/bad-action': (d) => `${d.message} has unexpected action ${d.action}`,
  'disk/no-space': (d) => `no space left on the disk of ${d.path}`,
  'disk/not-found': (d) => `no such file or directory: ${d.path}`,
  'disk/access': (d) => `cannot access ${d.path}: ${d.what}`,
  'disk/io': (d) => `disk error at ${d.path}: ${d.what}`,
  'disk/changed': (d) => `${d.path} ${d.what}`,
  'disk/exists': (d) => `${d.path} exists already`,
  'disk/unsafe-path': (d) => `refused to touch ${d.path}: ${d.what}`,
  'tracker/refused': (d) => `tracker ${d.url} refused: ${d.reason}`,
  'tracker/garbage': (d) => `tracker ${d.url} sent an answer that makes no sense: ${d.what}`,
  'tracker/unreachable': (d) => `tracker ${d.url} cannot be reached: ${d.what}`,
  'tracker/timeout': (d) => `tracker ${d.url} did not answer in time`,
  'tracker/unsupported': (d) => `tracker ${d.url} uses a protocol that is not supported`,
  'net/port-in-use': (d) => `port ${d.port} on ${d.host} is in use: choose another, or port 0 for any that is free`,
  'net/listen': (d) => `cannot listen on ${d.host} port ${d.port}: ${d.what}`,
  'net/http': (d) => `cannot fetch ${d.url}: ${d.what}`,
  'swarm/inconsistent-hashes': (d) => `the torrent's v1 and v2 hashes contradict each other at piece ${d.piece}`,
  'swarm/internal': (d) => `a fault in Eider ended this torrent: ${d.what}`,
  'swarm/state-newer': (d) =>
    `${d.what} was written by a newer version of Eider: use that version, or move it away to begin without`,
  'swarm/state-damaged': (d) => `${d.what} is damaged`,
  'client/closed': (d) => `${d.what} is closed`,
  'client/aborted': (d) => `${d.what} was aborted`,
  'client/duplicate': (d) => `a torrent with info-hash ${d.infoHash} is here already`,
  'client/invalid': (d) => d.what,
  'client/timeout': (d) => `${d.what} took too long`,
  'config/invalid': (d) => d.problems.join('\n'),
  'cli/usage': (d) => d.what,
};

export class BtError<C extends ErrorCode = ErrorCode> extends Error {
  override readonly name: string = 'BtError';
  readonly code: C;
  readonly detail: ErrorDetail[C];
  /** Marks the class across duplicate installs, where `instanceof` fails. */
  readonly isBtError: true = true;

  constructor(code: C, detail: ErrorDetail[C], options?: ErrorOptions) {
    super((messages[code] as (d: ErrorDetail[C]) => string)(detail), options);
    this.code = code;
    this.detail = detail;
  }

  static is<C extends ErrorCode>(error: unknown, code?: C): error is BtError<C> {
    if (typeof error !== 'object' || error === null || !('isBtError' in error)) return false;
    return code === undefined || (error as { code?: unknown }).code === code;
  }
}

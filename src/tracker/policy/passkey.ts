import type { CallVia } from '../calls.ts';

/** Characters of a passkey: letters, digits, `-` and `_`, so that it stands in a path and in a query as it is. */
export const passkeyLength: { readonly min: number; readonly max: number } = { min: 16, max: 64 };

/** Whether a text can be a passkey at all. */
export function isPasskey(text: string): boolean {
  return text.length >= passkeyLength.min && isPasskeyAt(text, 0, text.length);
}

/**
 * Finds the passkey in what a client asked for (`AnnounceCall.target`), by HTTP, in the URL data of UDP (BEP 41) and by WebSocket alike:
 *
 *     /PASSKEY/announce   /announce/PASSKEY   /announce?passkey=PASSKEY   (and scrape, announce.php)
 *     /PASSKEY            where a WebSocket connection or a UDP URL has nothing else
 *
 * The path comes before the query, and the first `passkey=` before others. Keeps positions and makes no string.
 */
export class PasskeyFinder {
  /** Where it is in the target that was looked through last. */
  start = 0;
  end = 0;

  /** @returns whether there is one, well-formed; nothing is said about whom it belongs to */
  find(target: string, via: CallVia): boolean {
    const queryAt = target.indexOf('?');
    const pathEnd = queryAt < 0 ? target.length : queryAt;
    return this.#inPath(target, pathEnd, via !== 'http') || (queryAt >= 0 && this.#inQuery(target, queryAt));
  }

  #inPath(target: string, pathEnd: number, mayStandAlone: boolean): boolean {
    const firstAt = target.charCodeAt(0) === SLASH ? 1 : 0;
    let slashAt = target.indexOf('/', firstAt);
    if (slashAt < 0 || slashAt >= pathEnd) slashAt = pathEnd;
    const isFirstName = isServiceName(target, firstAt, slashAt);
    if (slashAt === pathEnd) return mayStandAlone && !isFirstName && this.#take(target, firstAt, pathEnd);
    const end = target.charCodeAt(pathEnd - 1) === SLASH && pathEnd - 1 > slashAt ? pathEnd - 1 : pathEnd;
    if (isFirstName) return this.#take(target, slashAt + 1, end);
    return isServiceName(target, slashAt + 1, end) && this.#take(target, firstAt, slashAt);
  }

  #inQuery(target: string, queryAt: number): boolean {
    for (let at = target.indexOf('passkey=', queryAt); at >= 0; at = target.indexOf('passkey=', at + 8)) {
      const before = target.charCodeAt(at - 1);
      if (before !== QUESTION && before !== AMPERSAND) continue;
      const end = target.indexOf('&', at);
      return this.#take(target, at + 8, end < 0 ? target.length : end);
    }
    return false;
  }

  #take(target: string, start: number, end: number): boolean {
    if (end - start < passkeyLength.min || !isPasskeyAt(target, start, end)) return false;
    this.start = start;
    this.end = end;
    return true;
  }
}

const SLASH = 0x2f;
const QUESTION = 0x3f;
const AMPERSAND = 0x26;
const SERVICES: readonly string[] = ['announce', 'scrape', 'announce.php', 'scrape.php'];

function isServiceName(target: string, start: number, end: number): boolean {
  for (const name of SERVICES) if (name.length === end - start && target.startsWith(name, start)) return true;
  return false;
}

function isPasskeyAt(text: string, start: number, end: number): boolean {
  if (end - start > passkeyLength.max) return false;
  for (let i = start; i < end; i++) {
    const c = text.charCodeAt(i);
    const isLetter = (c | 0x20) >= 0x61 && (c | 0x20) <= 0x7a;
    if (!isLetter && !(c >= 0x30 && c <= 0x39) && c !== 0x2d && c !== 0x5f) return false;
  }
  return true;
}

import { decodeUtf8Loose } from '../base/index.ts';
import { BDict, type BList, type BValue } from './value.ts';

/*
 * Reading what a stranger sent: a member that is absent, or of another type, or asked of something that is no dictionary, is
 * `undefined`. So they can be chained: getInt(getDict(handshake, 'm'), 'ut_metadata').
 */

function member(value: BValue | undefined, key: string): BValue | undefined {
  return value instanceof BDict ? value.get(key) : undefined;
}

/** @returns undefined also for integers beyond 2^53 - 1 either way */
export function getInt(value: BValue | undefined, key: string): number | undefined {
  const found = member(value, key);
  return typeof found === 'number' ? found : undefined;
}

/** A view into the decoded bytes. */
export function getBytes(value: BValue | undefined, key: string): Uint8Array | undefined {
  const found = member(value, key);
  return found instanceof Uint8Array ? found : undefined;
}

/** Bad UTF-8 becomes U+FFFD: for showing, never for paths or identity. */
export function getText(value: BValue | undefined, key: string): string | undefined {
  const found = member(value, key);
  return found instanceof Uint8Array ? decodeUtf8Loose(found) : undefined;
}

export function getList(value: BValue | undefined, key: string): BList | undefined {
  const found = member(value, key);
  return isBList(found) ? found : undefined;
}

export function getDict(value: BValue | undefined, key: string): BDict | undefined {
  const found = member(value, key);
  return found instanceof BDict ? found : undefined;
}

/** `Array.isArray` that narrows readonly arrays. */
export function isBList(value: BValue | undefined): value is BList {
  return Array.isArray(value);
}

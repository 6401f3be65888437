import { fromHex } from '../../base/index.ts';

/**
 * What is said about clients by their peer id (BEP 20): `-qB` (a prefix) or `-qB >=4.5.0 <5` (a prefix with a range of versions, where
 * the four characters behind the prefix are the version, Azureus style).
 */
export interface ClientRule {
  /** The bytes a peer id begins with, 1 to 20. */
  readonly prefix: Uint8Array;
  /** First version that it holds for: four characters, compared as bytes. */
  readonly from?: string;
  /** First version that it does not hold for any more. */
  readonly below?: string;
}

const RULE = /^((?:(?![<>=])[!-~]){1,20})((?:\s*(?:>=|<=|<|>)\s*[0-9A-Za-z.]+)*)$/;
const BOUND = /(>=|<=|<|>)\s*([0-9A-Za-z.]+)/g;
const DIGITS = '0123456789ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz';

/** @returns what is wrong, where it is no rule */
export function parseClientRule(text: string): ClientRule | string {
  const match = RULE.exec(text.trim());
  if (match === null) return `${JSON.stringify(text)} is not a peer id prefix like -qB or -qB >=4.5 <5`;
  const [, prefix = '', bounds = ''] = match;
  let from: string | undefined;
  let below: string | undefined;
  for (const [, sign = '', number = ''] of bounds.matchAll(BOUND)) {
    const version = toVersion(number);
    if (version === undefined) return `${JSON.stringify(number)} is not a version like 4.6.5`;
    if (sign === '>=') from = version;
    else if (sign === '<') below = version;
    else if (sign === '>') from = next(version);
    else below = next(version);
  }
  if (bounds !== '' && prefix.length > 16) return 'no version can stand behind a prefix of more than 16 characters';
  return {
    prefix: Uint8Array.from(prefix, (c) => c.charCodeAt(0)),
    ...(from === undefined ? {} : { from }),
    ...(below === undefined ? {} : { below }),
  };
}

/** A peer id to ban: 40 hex digits, or its 20 characters. @returns undefined where it is neither */
export function parsePeerId(text: string): Uint8Array | undefined {
  if (text.length === 40) return fromHex(text);
  return /^[!-~]{20}$/.test(text) ? Uint8Array.from(text, (c) => c.charCodeAt(0)) : undefined;
}

/** `4.6.5` and `465` are `4650`; a part of 10 or more is a letter, as clients write it. */
function toVersion(text: string): string | undefined {
  const parts = text.includes('.') ? text.split('.') : [...text];
  let version = '';
  for (const part of parts) {
    if (/^[0-9]{1,2}$/.test(part)) version += DIGITS[Number(part)] ?? '?';
    else if (/^[A-Za-z]$/.test(part)) version += part;
    else return undefined;
  }
  return version.length <= 4 && !version.includes('?') ? version.padEnd(4, '0') : undefined;
}

/** The least text above a version of four characters. */
function next(version: string): string {
  return `${version}\0`;
}

/** Rules in the form that a peer id is looked up in: by its first byte but one, where clients differ. */
export class ClientMatcher {
  readonly #buckets: readonly (readonly ClientRule[])[];

  constructor(rules: readonly ClientRule[]) {
    const buckets: ClientRule[][] = Array.from({ length: 256 }, () => []);
    for (const rule of rules) {
      const second = rule.prefix[1];
      if (second === undefined) for (const bucket of buckets) bucket.push(rule);
      else buckets[second]?.push(rule);
    }
    this.#buckets = buckets;
  }

  /** Whether a rule holds for the peer id of 20 bytes at `at`. */
  matches(bytes: Uint8Array, at: number): boolean {
    const bucket = this.#buckets[bytes[at + 1] as number] as readonly ClientRule[];
    for (let i = 0; i < bucket.length; i++) if (isRuleFor(bucket[i] as ClientRule, bytes, at)) return true;
    return false;
  }
}

function isRuleFor(rule: ClientRule, bytes: Uint8Array, at: number): boolean {
  const { prefix, from, below } = rule;
  for (let i = 0; i < prefix.length; i++) if (prefix[i] !== bytes[at + i]) return false;
  const versionAt = at + prefix.length;
  if (from !== undefined && compareVersion(bytes, versionAt, from) < 0) return false;
  return below === undefined || compareVersion(bytes, versionAt, below) < 0;
}

/** Four bytes against a version; below, at or above 0. */
function compareVersion(bytes: Uint8Array, at: number, version: string): number {
  for (let i = 0; i < 4; i++) {
    const difference = (bytes[at + i] as number) - version.charCodeAt(i);
    if (difference !== 0) return difference;
  }
  return version.length > 4 ? -1 : 0;
}

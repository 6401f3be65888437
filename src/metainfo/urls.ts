import { limits } from './limits.ts';

/**
 * A URL as strangers write it: blanks and control characters around it go. Schemes are not judged here: a torrent may name trackers
 * that Eider does not speak to, and `info` shows them; who opens a URL looks at its scheme first.
 *
 * @returns undefined where nothing could be meant by it: empty, over-long, control characters or bad UTF-8 inside
 */
export function cleanUrl(text: string): string | undefined {
  // By hand: an expression for blanks at the end takes quadratic time on blanks in the middle.
  let start = 0;
  let end = text.length;
  while (start < end && text.charCodeAt(start) <= 0x20) start++;
  while (end > start && text.charCodeAt(end - 1) <= 0x20) end--;
  if (start === end || end - start > limits.urlCharsMax) return undefined;
  const url = text.slice(start, end);
  return /[\u0000-\u001f\u007f-\u009f\ufffd]/.test(url) ? undefined : url;
}

/** As `cleanUrl`, blanks inside escaped: web seeds are often plain paths with a scheme before them (BEP 19). */
export function cleanWebSeed(text: string): string | undefined {
  return cleanUrl(text)?.replaceAll(' ', '%20');
}

/** Tiers of trackers (BEP 12) that keep each URL once, where it stood first, and no more than the limit of them. */
export class TierList {
  readonly tiers: string[][] = [];
  readonly #seen = new Set<string>();

  get isFull(): boolean {
    return this.#seen.size >= limits.trackerCountMax;
  }

  /** Adds a tier of what is new among `texts`. */
  addTier(texts: Iterable<string>): void {
    const tier: string[] = [];
    for (const text of texts) {
      if (this.isFull) break;
      const url = cleanUrl(text);
      if (url === undefined || this.#seen.has(url)) continue;
      this.#seen.add(url);
      tier.push(url);
    }
    if (tier.length > 0) this.tiers.push(tier);
  }
}

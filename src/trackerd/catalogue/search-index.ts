/**
 * Finds texts by the beginnings of their words, in memory: `index.find('deb 12')` gives what has a word that begins with `deb` and one
 * that begins with `12`. Case and accents do not matter. Words are kept sorted, so a beginning is a range of them.
 */
export class SearchIndex {
  readonly #words: string[] = [];
  readonly #idsOf = new Map<string, Set<string>>();
  readonly #wordsOf = new Map<string, readonly string[]>();

  /** Adds a text, or replaces the one of that id. */
  put(id: string, text: string): void {
    this.remove(id);
    const words = [...new Set(toWords(text))];
    this.#wordsOf.set(id, words);
    for (const word of words) {
      const ids = this.#idsOf.get(word);
      if (ids !== undefined) ids.add(id);
      else {
        this.#idsOf.set(word, new Set([id]));
        this.#words.splice(this.#firstAt(word), 0, word);
      }
    }
  }

  remove(id: string): void {
    for (const word of this.#wordsOf.get(id) ?? []) {
      const ids = this.#idsOf.get(word);
      ids?.delete(id);
      if (ids?.size !== 0) continue;
      this.#idsOf.delete(word);
      this.#words.splice(this.#firstAt(word), 1);
    }
    this.#wordsOf.delete(id);
  }

  /** @returns ids of the texts that have all the words' beginnings; undefined where the query has no word */
  find(query: string): Set<string> | undefined {
    // The longest word is in the fewest texts: what it leaves is checked against the others.
    const [first, ...others] = [...new Set(toWords(query))].sort((a, b) => b.length - a.length);
    if (first === undefined) return undefined;
    const found = new Set<string>();
    for (let at = this.#firstAt(first); this.#words[at]?.startsWith(first) === true; at++) {
      for (const id of this.#idsOf.get(this.#words[at] as string) ?? []) {
        const words = this.#wordsOf.get(id) ?? [];
        if (others.every((other) => words.some((word) => word.startsWith(other)))) found.add(id);
      }
    }
    return found;
  }

  /** Place of the first word that is not before `word`. */
  #firstAt(word: string): number {
    let low = 0;
    let high = this.#words.length;
    while (low < high) {
      const middle = (low + high) >>> 1;
      if ((this.#words[middle] as string) < word) low = middle + 1;
      else high = middle;
    }
    return low;
  }
}

/** At most 64 words of at most 40 characters: names of releases are long, and nobody types more. */
function toWords(text: string): string[] {
  const plain = text
    .normalize('NFKD')
    .replace(/\p{M}+/gu, '')
    .toLowerCase();
  return (plain.match(/[\p{L}\p{N}]+/gu) ?? []).slice(0, 64).map((word) => word.slice(0, 40));
}

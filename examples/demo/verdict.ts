import { formatBytes, formatPercent } from '#room/cli/format';

/** Copies of the content that the seeder may send in all: with three downloaders who did not help each other it would be 3. */
export const copiesMax = 2;
/** Share of the content that every downloader has to give to its fellows. */
export const givenMin = 0.1;

export interface Figures {
  readonly contentBytes: number;
  readonly seederBytes: number;
  /** Payload that each downloader sent, in order. */
  readonly givenBytes: readonly number[];
}

export interface Verdict {
  readonly ok: boolean;
  readonly lines: readonly string[];
}

/** Did the swarm do the work? */
export function judge({ contentBytes, seederBytes, givenBytes }: Figures): Verdict {
  const copies = seederBytes / contentBytes;
  const isFair = copies <= copiesMax;
  const lines = [
    `${mark(isFair)} the seeder sent ${formatBytes(seederBytes)}: ${copies.toFixed(2)} copies (at most ${copiesMax.toFixed(1)})`,
  ];
  let ok = isFair;
  givenBytes.forEach((given, i) => {
    const isEnough = given >= contentBytes * givenMin;
    ok &&= isEnough;
    const share = formatPercent(Math.min(given, contentBytes), contentBytes);
    const more = given > contentBytes ? ` (${(given / contentBytes).toFixed(2)} copies)` : '';
    lines.push(
      `${mark(isEnough)} downloader ${i + 1} gave ${formatBytes(given)} to its fellows: ${share} of the content${more} (at least ${givenMin * 100} %)`,
    );
  });
  return { ok, lines };
}

function mark(ok: boolean): string {
  return ok ? '✓' : '✗';
}

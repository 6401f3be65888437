import type { Millis } from '../../base/index.ts';
import type { SimClient } from '../client.ts';

/** How the copies of the rarest piece stood over the run. */
export interface Copies {
  /** Virtual seconds in which there was a piece with fewer than two copies: had its one owner left, it would have been gone. */
  readonly thinSec: number;
  /** Copies of the rarest piece, averaged over the time until half of the downloaders were done. */
  readonly rarestMean: number;
}

/** A client got a piece, or has gone with all it had. */
type Change = { readonly at: Millis; readonly client: number } & (
  | { readonly kind: 'piece'; readonly piece: number }
  | { readonly kind: 'gone' }
);

/**
 * Counts copies afterwards, from what clients told as they went on.
 *
 * @param seeds have every piece from the start
 * @param until end of the time that `rarestMean` looks at
 */
export function measureCopies(
  clients: readonly SimClient[],
  options: { readonly seeds: readonly SimClient[]; readonly pieceCount: number; readonly until: Millis },
): Copies {
  const { seeds, pieceCount, until } = options;
  const copies = new Int32Array(pieceCount).fill(seeds.length);
  const has = clients.map((client) => new Uint8Array(pieceCount).fill(seeds.includes(client) ? 1 : 0));
  let from = 0;
  let rarest = seeds.length;
  let thinMs = 0;
  let sum = 0;
  for (const change of changesOf(clients)) {
    const at = Math.min(change.at, until);
    sum += rarest * Math.max(0, at - Math.min(from, until));
    if (rarest < 2) thinMs += change.at - from;
    from = change.at;
    const mine = has[change.client] as Uint8Array;
    if (change.kind === 'piece') {
      if (mine[change.piece] === 1) continue;
      mine[change.piece] = 1;
      const before = copies[change.piece] as number;
      copies[change.piece] = before + 1;
      if (before > rarest) continue;
    } else for (let p = 0; p < pieceCount; p++) copies[p] = (copies[p] as number) - (mine[p] as number);
    rarest = copies.reduce((least, n) => Math.min(least, n));
  }
  return { thinSec: thinMs / 1000, rarestMean: sum / Math.max(1, Math.min(from, until)) };
}

/** In the order of time, up to the last piece: what comes then is the end of the run. */
function changesOf(clients: readonly SimClient[]): Change[] {
  const changes = clients.flatMap((client, i) =>
    client.events.flatMap(({ at, event }): Change[] => {
      if (event.type === 'piece') return [{ at, client: i, kind: 'piece', piece: event.piece }];
      return event.type === 'stopped' ? [{ at, client: i, kind: 'gone' }] : [];
    }),
  );
  changes.sort((a, b) => a.at - b.at);
  let end = changes.length;
  while (end > 0 && (changes[end - 1] as Change).kind === 'gone') end--;
  return changes.slice(0, end);
}

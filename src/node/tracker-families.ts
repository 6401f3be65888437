import { BtError, formatAddress, type PeerAddress } from '../base/index.ts';
import { type AnnounceResponse, trackerWireLimits } from '../wire/index.ts';

/** How long the slower family may take once the faster one has answered well: often it has no way out at all. */
const GRACE_MS = 2_000;

/**
 * Waits for calls made at the same time by several address families: for all of them, or, after the first good one, two seconds more.
 * The others go on by themselves, so that a tracker still hears of us by them.
 *
 * @returns the good ones, at least one
 * @throws what says most about the failure where there is none: a refusal, then garbage, then whoever tried longest
 */
export async function settleFamilies<T>(calls: readonly Promise<T>[]): Promise<T[]> {
  const good: T[] = [];
  const failures: unknown[] = [];
  let timer: NodeJS.Timeout | undefined;
  await new Promise<void>((resolve) => {
    const check = (): void => {
      if (good.length + failures.length === calls.length) resolve();
      else if (good.length > 0) timer ??= setTimeout(resolve, GRACE_MS);
    };
    for (const call of calls) {
      call.then(
        (value) => {
          good.push(value);
          check();
        },
        (error: unknown) => {
          failures.push(error);
          check();
        },
      );
    }
  });
  clearTimeout(timer);
  if (good.length > 0) return good;
  throw (
    failures.find((error) => BtError.is(error, 'tracker/refused')) ??
    failures.find((error) => BtError.is(error)) ??
    failures.at(-1)
  );
}

/** One answer out of what a tracker said by each family: all peers once, the longest waits, the largest counts. */
export function mergeAnnounces(responses: readonly AnnounceResponse[]): AnnounceResponse {
  const [first, ...others] = responses;
  if (first === undefined) throw new Error('no announce to merge');
  if (others.length === 0) return first;
  const peers = new Map<string, PeerAddress>();
  for (const peer of responses.flatMap((r) => r.peers)) peers.set(formatAddress(peer), peer);
  const largest = (of: (r: AnnounceResponse) => number | undefined): number | undefined => {
    const numbers = responses.map(of).filter((n) => n !== undefined);
    return numbers.length === 0 ? undefined : Math.max(...numbers);
  };
  const minIntervalSec = largest((r) => r.minIntervalSec);
  const complete = largest((r) => r.complete);
  const incomplete = largest((r) => r.incomplete);
  const downloaded = largest((r) => r.downloaded);
  return {
    // Texts and ids of one answer: they do not add up.
    ...Object.assign({}, ...[...responses].reverse()),
    intervalSec: Math.max(...responses.map((r) => r.intervalSec)),
    ...(minIntervalSec === undefined ? {} : { minIntervalSec }),
    ...(complete === undefined ? {} : { complete }),
    ...(incomplete === undefined ? {} : { incomplete }),
    ...(downloaded === undefined ? {} : { downloaded }),
    peers: [...peers.values()].slice(0, trackerWireLimits.peersMax),
  };
}

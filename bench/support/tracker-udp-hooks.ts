import type { TrackerHooks } from '#tracker';

let seen = 0;

/** Three hooks that look at a call and let it go on, for the worker threads of the bench `tracker-udp`. */
export const hooks: TrackerHooks[] = [
  { preAnnounce: (call) => (call.left < 0 ? { reason: 'never' } : undefined) },
  {
    preAnnounce: (call) => (call.hashBytes[call.hashAt] === 256 ? { reason: 'never' } : undefined),
    postAnnounce: (call) => {
      seen += call.complete;
    },
  },
  {
    postAnnounce: (call) => {
      seen -= call.incomplete;
    },
    preScrape: () => undefined,
  },
];

export function seenSum(): number {
  return seen;
}

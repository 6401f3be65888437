import type { TrackerHooks } from '#tracker';

/** An operator's hooks, as a module: path and query are needed. */
export const hooks: TrackerHooks = {
  preAnnounce: (call) => (call.target === '/bad' ? { reason: 'not with this URL' } : undefined),
};

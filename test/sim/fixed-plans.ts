import type { SwarmPlan } from '#sim';

/** Random swarms that once failed, as small as they could be made; each stays here for good. `npm run sim:soak` prints them. */
export const fixedPlans: readonly { readonly about: string; readonly plan: SwarmPlan }[] = [];

import type { Suspicion } from '../../tracker/index.ts';

/** What an operator may want to see in the log. */
export type PolicyEvent =
  /** A file could not be read; the generation before it was taken. */
  | { readonly type: 'policy.damaged'; readonly error: unknown }
  /** A report of a user that cannot be true. */
  | { readonly type: 'policy.suspicion'; readonly suspicion: Suspicion }
  /** Accounts could not be saved; tried again later. */
  | { readonly type: 'policy.unsaved'; readonly error: unknown };

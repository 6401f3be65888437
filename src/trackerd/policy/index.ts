export { AccountsView, type SuspicionFacts, type UserTorrentFacts } from './accounts-view.ts';
export { HashList } from './hash-list.ts';
export { loadHookModules } from './hook-modules.ts';
export type { PolicyEvent } from './policy-event.ts';
export { type ClientRuleTexts, PolicyHost, type PolicyHostOptions, type PolicyReload } from './policy-host.ts';
export type { PrivateOptions, PrivateRules } from './private-books.ts';
export { type NewUser, PrivateUsers, type UserChanges, type UserFacts } from './users.ts';
export type { TrackerUser } from './users-file.ts';
export { accountsMessage } from './worker-policy.ts';

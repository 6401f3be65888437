export {
  ClientMatcher,
  type ClientRule,
  parseClientRule,
  parsePeerId,
} from './client-rules.ts';
export { HashTable, type HashTableData } from './hash-table.ts';
export { type LineProblem, ListParser } from './list-parser.ts';
export { isPasskey, PasskeyFinder, passkeyLength } from './passkey.ts';
export { Places, type PlacesData, toSeed, writePlace } from './places.ts';
export * from './policy.ts';
export { type UserRules, UserTable, type UserTableData } from './user-table.ts';

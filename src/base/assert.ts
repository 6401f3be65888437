/** Our own bug: never caught and carried on from. */
export class AssertionError extends Error {
  override readonly name: string = 'AssertionError';
}

export function assert(condition: boolean, what: string): asserts condition {
  if (!condition) throw new AssertionError(`broken invariant: ${what}`);
}

/** For `switch` statements that must name every case; does not compile while one is missing. */
export function unreachable(value: never): never {
  throw new AssertionError(`unreachable: ${String(value)}`);
}

/** A reporter for node:test that writes one JSON line an event; tools/run-tests.mjs counts them. */
export default async function* report(source) {
  for await (const { type, data } of source) {
    if (type !== 'test:dequeue' && type !== 'test:pass' && type !== 'test:fail') continue;
    // A `describe` block is no test, and neither is the wrapper Node 20 puts around a file.
    const isSuite = data.details?.type === 'suite' || data.type === 'suite';
    const isSkipped = data.skip !== undefined && data.skip !== false;
    const isTodo = data.todo !== undefined && data.todo !== false;
    const outcome = isSkipped || isTodo ? 'skipped' : type === 'test:pass' ? 'passed' : 'failed';
    // A block fails by itself when its body or a hook throws; else its tests tell.
    const isOwnFailure = outcome === 'failed' && data.details?.error?.failureType !== 'subtestsFailed';
    const event = type === 'test:dequeue' ? 'started' : isSuite && !isOwnFailure ? 'suite' : outcome;
    yield `${JSON.stringify({ event, isSuite, name: data.name, nesting: data.nesting })}\n`;
  }
}

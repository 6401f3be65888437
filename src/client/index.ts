/**
 * client: The public library: promises, AbortSignal, async iterators and Web Streams over a session.
 *
 * May know: pure rooms, node.
 * Must never know: an HTTP API, a terminal.
 */
export {};

/**
 * session: All torrents of one client: budgets, queue, incoming handshakes, announces spread in time.
 *
 * May know: swarm and all below.
 * Must never know: node:*, the clock, promises, tracker (the server's brain).
 */
export type { Rates } from './bandwidth.ts';
export { limits as sessionLimits } from './limits.ts';
export { type AddTorrent, type ReadRun, Session, type SessionOptions } from './session.ts';

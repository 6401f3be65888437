/**
 * session: All torrents of one client: budgets, queue, incoming handshakes.
 *
 * May know: swarm and the rooms below it.
 * Must never know: node:*, the clock, randomness of its own, promises, tracker.
 */
export {};

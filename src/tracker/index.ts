/**
 * tracker: The brain of a tracker: hooks, intervals, limits and the swarm store.
 *
 * May know: base, bencode, trace, wire, metainfo.
 * Must never know: node:*, the clock, randomness of its own, promises, swarm.
 */
export {};

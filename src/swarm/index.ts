/**
 * swarm: The brain of one torrent: inputs and times in, port calls out.
 *
 * May know: base, bencode, trace, wire, metainfo.
 * Must never know: node:*, the clock, randomness of its own, promises, tracker, session.
 */
export {};

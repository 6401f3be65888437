/**
 * wire: Every byte format on the network, both directions in one file each.
 *
 * May know: base, bencode.
 * Must never know: the state of a swarm; timers except through Deadlines parameters.
 */
export * from './compact.ts';
export * from './peer/index.ts';
export * from './peer-id.ts';
export * from './peer-priority.ts';
export * from './stream.ts';
export * from './tracker/index.ts';

/**
 * wire: Every byte format on the network, both directions in one file each.
 *
 * May know: base, bencode.
 * Must never know: the state of a swarm; timers except through Deadlines parameters.
 */
export {};

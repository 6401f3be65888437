/**
 * node: Adapters to the operating system: sockets, disk worker, DNS, HTTP, real time.
 *
 * May know: all pure rooms but sim.
 * Must never know: BitTorrent policy: an `if` about choking here is a bug.
 */
export {};

/**
 * sim: Virtual clock, network, disk and peers: whole swarms in one process, reproducible from a seed.
 *
 * May know: all pure rooms.
 * Must never know: node:*, so that it runs in a browser.
 */
export {};

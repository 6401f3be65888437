/**
 * base: What every room stands on: bytes, sets of pieces, ids, addresses, time, chance, rates, errors.
 *
 * May know: nothing but the language.
 * Must never know: IO of any kind, or that BitTorrent messages exist.
 */
export * from './address.ts';
export * from './assert.ts';
export * from './bitfield.ts';
export * from './bytes.ts';
export * from './crypto.ts';
export * from './error.ts';
export * from './fair-order.ts';
export * from './format-bytes.ts';
export * from './heap.ts';
export * from './host-port.ts';
export * from './ids.ts';
export * from './rate.ts';
export * from './rng.ts';
export * from './time.ts';

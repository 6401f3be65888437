/**
 * bencode: Strict, bounded decoding and canonical encoding.
 *
 * May know: base.
 * Must never know: what the decoded values mean.
 */
export * from './access.ts';
export * from './decode.ts';
export * from './encode.ts';
export { limits as bencodeLimits } from './limits.ts';
export * from './value.ts';

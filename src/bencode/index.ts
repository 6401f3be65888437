/**
 * bencode: Bencode: strict, bounded decoding and canonical encoding.
 *
 * May know: base.
 * Must never know: what the decoded values mean.
 */
export {};

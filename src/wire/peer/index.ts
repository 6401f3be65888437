/** The peer protocol: what two clients say to each other. Part of the room `wire`. */
export * from './decoder.ts';
export * from './donthave.ts';
export * from './extended.ts';
export * from './fast.ts';
export * from './handshake.ts';
export * from './hashes.ts';
export * from './holepunch.ts';
export * from './limits.ts';
export * from './message.ts';
export * from './metadata.ts';
export * from './pex.ts';
export * from './upload-only.ts';

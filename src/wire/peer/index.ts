/** The peer protocol: what two clients say to each other. Part of the room `wire`. */
export * from './decoder.ts';
export * from './handshake.ts';
export * from './limits.ts';
export * from './message.ts';

/**
 * sim: Virtual clock, network, disk and peers: whole swarms in one process, reproducible from a seed.
 *
 * May know: all pure rooms.
 * Must never know: node:*, so that it runs in a browser.
 */
export * from './checkers.ts';
export * from './client.ts';
export type { TransferBuffer } from './disk/buffers.ts';
export * from './disk/content.ts';
export * from './disk/disk.ts';
export * from './disk/image.ts';
export * from './gate.ts';
export * from './host.ts';
export * from './net/line.ts';
export { POISON } from './net/link.ts';
export * from './net/net.ts';
export { SimSocket } from './net/socket.ts';
export * from './net/socket-types.ts';
export * from './peers/fake-peer.ts';
export * from './peers/message-text.ts';
export * from './peers/sim-peer.ts';
export * from './peers/traits.ts';
export * from './policies/index.ts';
export * from './random/draw-plan.ts';
export * from './random/plan.ts';
export * from './random/random-swarm.ts';
export * from './random/run-plan.ts';
export * from './random/run-sessions.ts';
export * from './random/sessions-plan.ts';
export * from './random/shrink-plan.ts';
export * from './run-scenario.ts';
export * from './scenarios/index.ts';
export type { Scenario } from './scenarios/scenario.ts';
export * from './swarm.ts';
export * from './torrents.ts';
export * from './tracker.ts';
export * from './world.ts';

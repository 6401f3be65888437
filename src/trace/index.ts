/**
 * trace: Event kinds, the Tracer interface, the ring recorder and the JSONL form.
 *
 * May know: base.
 * Must never know: who reads a trace, files, sockets.
 */
export * from './kinds.ts';
export * from './tracer.ts';

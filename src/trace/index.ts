/**
 * trace: Event kinds, the Tracer interface, the ring recorder and the JSONL form.
 *
 * May know: base.
 * Must never know: who reads a trace, files, sockets.
 */
export * from './event.ts';
export * from './jsonl.ts';
export * from './kinds.ts';
export * from './recorder.ts';
export * from './tracer.ts';

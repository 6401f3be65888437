import type { Millis } from '../../base/index.ts';
import type { TrackerHooks, TrackerLimits } from '../../tracker/index.ts';

/** What a UDP worker thread is started with. Shared memory is shared, everything else copied. */
export interface UdpWorkerData {
  /** Its row in counters and offenders. */
  readonly row: number;
  /** Open sockets, which stay the main thread's: a worker that takes another's place goes on where that stopped. */
  readonly fds: readonly number[];
  /** `performance.timeOrigin` of the main thread: all threads count from there. */
  readonly timeOrigin: number;
  readonly storeShare: unknown;
  readonly limits: TrackerLimits;
  readonly answerBytesMax: number;
  readonly connectionSecret: Uint8Array;
  readonly counters: SharedArrayBuffer;
  readonly addressLimits: SharedArrayBuffer;
  readonly offenders: SharedArrayBuffer;
  /** Word 0 is not 0: stop. */
  readonly control: SharedArrayBuffer;
  /** Module URL that exports `makeHooks` as a `MakeHooks`. */
  readonly policyModule: string | undefined;
  /** What `makeHooks` is given. */
  readonly policy: unknown;
  /** Module URLs of the operator's own hooks (`loadHookModules`). */
  readonly hookModules: readonly string[];
}

/** What hooks in a worker may use beside their call. */
export interface WorkerContext {
  /** The same clock as the main thread's. */
  now(): Millis;
  /**
   * Hands what was learnt to the main thread, where it arrives as `onData` of the service.
   *
   * @param transfer buffers in `data` that change hands instead of being copied
   */
  send(kind: string, data: unknown, transfer?: readonly ArrayBuffer[]): void;
}

/** Hooks that a worker makes out of data, and makes anew whenever new data comes. */
export interface WorkerPolicy {
  readonly hooks: readonly TrackerHooks[];
  /** Called about every 100 ms, before the hooks are replaced, and at the end: the time to `send` what has gathered. */
  flush?(now: Millis): void;
}

/** Called in a worker, at its start and for every policy posted to it. */
export type MakeHooks = (policy: unknown, context: WorkerContext) => WorkerPolicy | Promise<WorkerPolicy>;

export type ToUdpWorker =
  | { readonly type: 'policy'; readonly policy: unknown }
  | { readonly type: 'limits'; readonly limits: TrackerLimits };

export type FromUdpWorker =
  | { readonly type: 'ready' }
  | { readonly type: 'data'; readonly kind: string; readonly data: unknown }
  /** A bug of a hook or of ours that cost one client a refusal. */
  | { readonly type: 'bug'; readonly error: BugReport };

/** An error on its way between threads. */
export interface BugReport {
  readonly message: string;
  readonly stack: string | undefined;
  /** As many more came since the last report and are not told one by one. */
  readonly more: number;
}

import type { Millis, PeerAddress } from '../../base/index.ts';
import type { AddressLimits, CounterTable, Offenders, TrackerLimits, TrackerLogic } from '../../tracker/index.ts';

export type UdpEvent =
  /**
   * How datagrams are taken and sent from now on. `reason` says why not by the batch, where that is so. `receiveBufferBytes`: what the
   * system gave each socket, where it tells; much less than asked for means that bursts are lost (`net.core.rmem_max`).
   */
  | {
      readonly type: 'udp.mode';
      readonly mode: 'batched' | 'dgram';
      readonly threads: number;
      readonly reason: string;
      readonly receiveBufferBytes: number | undefined;
    }
  /** A worker thread has died by a bug; another takes its place, and meanwhile the others serve. */
  | { readonly type: 'udp.worker-restarted'; readonly thread: number; readonly error: Error }
  /** A bug of a hook or of ours that cost clients a refusal; one a second is told. */
  | { readonly type: 'error'; readonly error: Error };

/** What all ways of serving UDP need. */
export interface UdpServing {
  /** Numeric hosts; port 0 = any; `::` takes IPv4 too. */
  readonly addresses: readonly PeerAddress[];
  readonly limits: TrackerLimits;
  /** Bytes of an answer at most. */
  readonly answerBytesMax: number;
  /** Asked of the system for each socket. */
  readonly receiveBufferBytes: number;
  /** 16 unpredictable bytes that connection ids are made with. */
  readonly connectionSecret: Uint8Array;
  readonly counters: CounterTable;
  readonly addressLimits: AddressLimits;
  /** Rows for as many threads as `counters` has. */
  readonly offenders: Offenders;
  /** The first row of `counters` and `offenders` that UDP threads write: one for each thread. */
  readonly firstRow: number;
  readonly now: () => Millis;
  readonly onEvent: (event: UdpEvent) => void;
}

/** What threads over a shared store need. */
export interface UdpThreading {
  /** 1 to 64. */
  readonly threads: number;
  /** What `attachStore` makes the store of: `DenseStore.share()`. */
  readonly storeShare: unknown;
  /** Module URL that exports `makeHooks`, and what it is given first. */
  readonly policyModule?: string | undefined;
  readonly policy?: unknown;
  /** Module URLs of the operator's hooks. */
  readonly hookModules?: readonly string[];
  /** What the hooks of a worker have sent. */
  readonly onData?: (kind: string, data: unknown) => void;
}

/** What the front end on this thread needs. */
export interface UdpHere {
  /** With its hooks set. */
  readonly logic: TrackerLogic;
}

/** UDP listeners that run. */
export interface UdpFront {
  /** Where they listen, ports filled in, in the order asked for. */
  readonly addresses: readonly PeerAddress[];
  /** Gives the hooks of worker threads new data. Nothing to do where hooks run on this thread. */
  setPolicy(policy: unknown): void;
  /** What may change of them while running: intervals, numbers of peers and hashes. Nothing to do where the logic is on this thread. */
  setLimits(limits: TrackerLimits): void;
  /** Resolves when no thread and no socket is left. May be called twice. */
  close(): Promise<void>;
}

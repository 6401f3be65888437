import type {
  AnnounceStep,
  ChokeReason,
  ChokeState,
  ConnEvent,
  Direction,
  PickReason,
  PieceState,
  WireKind,
} from './kinds.ts';

/** `at`: milliseconds on the clock of the run that was traced. */
interface At<Kind extends string> {
  readonly at: number;
  readonly kind: Kind;
}

interface OfConn<Kind extends string> extends At<Kind> {
  readonly conn: number;
}

interface OfBlock<Kind extends string> extends OfConn<Kind> {
  readonly piece: number;
  readonly begin: number;
}

/** One event with words for numbers: what a reader of a trace works with, and, as JSON, one line of a trace file. */
export type TraceEvent =
  | (OfConn<'wire'> & {
      readonly dir: Direction;
      /** A word of `wireKinds`, or the message id in decimal. */
      readonly message: WireKind | `${number}`;
      readonly args: readonly [number, number, number];
    })
  | (OfConn<'pick'> & {
      readonly piece: number;
      readonly reason: PickReason;
      readonly rarity: number;
      readonly candidates: number;
    })
  | (At<'piece'> & { readonly piece: number; readonly from: PieceState; readonly to: PieceState })
  | (OfConn<'conn'> & { readonly what: ConnEvent; readonly detail: number })
  | (OfBlock<'request'> & { readonly length: number })
  | (OfBlock<'cancel'> & { readonly length: number })
  | (OfBlock<'timeout'> & { readonly waitedMs: number })
  | (OfConn<'choke'> & {
      readonly from: ChokeState;
      readonly to: ChokeState;
      readonly reason: ChokeReason;
      readonly rank: number;
    })
  | (OfConn<'closed'> & { readonly code: string; readonly detail?: string })
  | (At<'announce'> & { readonly step: AnnounceStep; readonly url: string; readonly data: unknown })
  | (At<'ban'> & { readonly host: string; readonly reason: string; readonly evidence: unknown })
  | (At<'note'> & { readonly topic: string; readonly data: unknown });

export type TraceKind = TraceEvent['kind'];

/** Every kind, in the order of the Tracer's members. */
export const traceKinds: readonly TraceKind[] = [
  'wire',
  'pick',
  'piece',
  'conn',
  'request',
  'cancel',
  'timeout',
  'choke',
  'closed',
  'announce',
  'ban',
  'note',
];

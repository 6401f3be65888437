import type { ConnId, Millis } from '../base/index.ts';
import type {
  AnnounceStep,
  ChokeReason,
  ChokeState,
  ConnEventCode,
  DirectionCode,
  PickReasonCode,
  PieceStateCode,
} from './kinds.ts';

/**
 * Whoever wants to know what a torrent does and why. Brains call the members that exist (`tracer?.pick?.(...)`), so what nobody
 * watches costs one check. Hot members take numbers only: nothing is allocated for an event that is recorded.
 *
 * A tracer must not change what happens: it never throws and never calls into the brain.
 */
export interface Tracer {
  /**
   * One message of a connection. `kind` is the message id, or one of `wireKinds` above 255.
   * `a b c`: piece, begin, length where the message has them · have, suggest, allowed-fast: piece · bitfield: bytes ·
   * extended: extended id, bytes · hash messages: base layer, index, length · port: port · what is not used is 0.
   */
  wire?(at: Millis, conn: ConnId, direction: DirectionCode, kind: number, a: number, b: number, c: number): void;
  /** A piece was chosen for a peer. `rarity`: how many connected peers have it; `candidates`: from how many it was chosen. */
  pick?(at: Millis, conn: ConnId, piece: number, reason: PickReasonCode, rarity: number, candidates: number): void;
  /** A piece moved from one state to another. */
  piece?(at: Millis, piece: number, from: PieceStateCode, to: PieceStateCode): void;
  /** Something happened to a connection; `connEvents` says what `detail` counts. */
  conn?(at: Millis, conn: ConnId, what: ConnEventCode, detail: number): void;
  /** We asked for a block (bytes). */
  request?(at: Millis, conn: ConnId, piece: number, begin: number, length: number): void;
  /** We took a request back. */
  cancel?(at: Millis, conn: ConnId, piece: number, begin: number, length: number): void;
  /** A block did not come in time. */
  timeout?(at: Millis, conn: ConnId, piece: number, begin: number, waitedMs: number): void;

  // Cold from here on: a few a second at most.

  /** The choker moved a peer. `rank`: his place in the round's ranking from 0, or -1 where he was not ranked. */
  choke?(at: Millis, conn: ConnId, from: ChokeState, to: ChokeState, reason: ChokeReason, rank: number): void;
  /** A connection is over, by us or by them. @param code of the CloseReason, e.g. `peer/bad-data` */
  closed?(at: Millis, conn: ConnId, code: string, detail: string | undefined): void;
  /** An announce was sent or answered. @param data plain, never changed afterwards */
  announce?(at: Millis, step: AnnounceStep, url: string, data: unknown): void;
  /** A host was banned. @param evidence plain, never changed afterwards */
  ban?(at: Millis, host: string, reason: string, evidence: unknown): void;
  /** Anything else worth a line. @param data plain, never changed afterwards */
  note?(at: Millis, topic: string, data: unknown): void;
}

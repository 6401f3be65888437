/** Why a connection ended, as data: shown to people, counted, traced. */
export interface CloseReason {
  /** Stable, e.g. `peer/oversized-message`, `peer/bad-data`, `net/reset`, `session/stopped`. */
  readonly code: string;
  readonly detail?: string;
}

import { type ChokePolicy, slotsForRate, titForTat, turns } from './choke-policy.ts';
import { limits } from './limits.ts';

/** In which order pieces are begun. Pieces that were begun are finished first, and what a reader waits for comes before, in any order. */
export interface PickPolicy {
  /** `rarest`: fewest copies first, by lot among equals · `sequential`: from the first piece on, as a reader goes. */
  readonly order: 'rarest' | 'sequential';
  /** Pieces that are begun at random before the order counts; Infinity = all of them. */
  readonly randomFirstPieces: number;
}

/** When a block that somebody owes us is asked of one more peer. */
export interface EndGamePolicy {
  /** Open requests for one block; 1 = no end-game. */
  readonly askersMax: number;
  /** Only peers with at most this many open requests are asked for such blocks. */
  readonly idleMax: number;
  /** ms for which whoever owes the block must have been silent, and must have owed it, at least. */
  readonly waitMs: number;
  /** How many times as long as usually between two of his blocks he must have been silent, and owed it as his blocks take usually. */
  readonly patience: number;
  /** By how much patience grows with the share of payload that came twice so far: where peers are late and send all the same. */
  readonly regret: number;
  /** Blocks asked of one peer at a time. */
  readonly batch: number;
}

/** What decides in a torrent where there is more than one good way, as data: the simulator compares them (docs/policies.md). */
export interface Policies {
  /** Whom we serve while we download. */
  readonly choker: ChokePolicy;
  /** Whom we serve when we want nothing. */
  readonly seedChoker: ChokePolicy;
  /** Regular upload slots; 0 = nobody gets anything. */
  readonly slots: typeof slotsForRate;
  /** Pieces that each newcomer may fetch while choked (BEP 6). */
  readonly allowedFastPieces: number;
  readonly picker: PickPolicy;
  readonly endGame: EndGamePolicy;
}

/** Chosen by the figures of docs/policies.md. */
export const defaultPolicies: Policies = {
  choker: titForTat,
  seedChoker: turns,
  slots: slotsForRate,
  allowedFastPieces: limits.upload.allowedFastPieces,
  picker: { order: 'rarest', randomFirstPieces: limits.requests.randomFirstPieces },
  endGame: {
    askersMax: limits.requests.endGameAskersMax,
    idleMax: limits.requests.endGameIdleMax,
    waitMs: limits.requests.endGameWaitMs,
    patience: limits.requests.endGamePatience,
    regret: limits.requests.endGameRegret,
    batch: limits.requests.endGameBatch,
  },
};

/** For whoever reads while it downloads. */
export const inOrder: PickPolicy = { order: 'sequential', randomFirstPieces: 0 };

import { defaultPolicies, inOrder, type Policies } from '../../swarm/index.ts';
import { byLot, fastest, roundRobin } from './chokers.ts';

/** One way to decide one thing; all else is as by default. */
export interface Variant {
  readonly name: string;
  readonly policies: Partial<Policies>;
}

/** What is decided, and the ways to decide it that are compared. The first is the default. */
export interface Question {
  readonly name: string;
  readonly about: string;
  readonly variants: readonly [Variant, ...Variant[]];
}

const { picker, endGame } = defaultPolicies;
const asDefault = { name: 'default', policies: {} };

const chokers: Question = {
  name: 'choker',
  about: 'whom a downloader serves',
  variants: [
    { ...asDefault, name: 'tit-for-tat (default)' },
    { name: 'round-robin', policies: { choker: roundRobin } },
    { name: 'by lot', policies: { choker: byLot } },
  ],
};

const slots: Question = {
  name: 'slots',
  about: 'how many are served at a time, and what newcomers get while choked (BEP 6)',
  variants: [
    { ...asDefault, name: `by root of rate, ${defaultPolicies.allowedFastPieces} fast pieces (default)` },
    { name: 'more by root of rate, 10 fast pieces', policies: { slots: manySlots, allowedFastPieces: 10 } },
    { name: '10 fast pieces', policies: { allowedFastPieces: 10 } },
    { name: 'no fast pieces', policies: { allowedFastPieces: 0 } },
    { name: '4 slots', policies: { slots: () => 4 } },
    { name: '16 slots', policies: { slots: () => 16 } },
  ],
};

const seedChokers: Question = {
  name: 'seed-choker',
  about: 'whom a seed serves',
  variants: [
    { ...asDefault, name: 'turns (default)' },
    { name: 'fastest', policies: { seedChoker: fastest } },
    { name: 'longest wait', policies: { seedChoker: roundRobin } },
    { name: 'by lot', policies: { seedChoker: byLot } },
  ],
};

const pickers: Question = {
  name: 'picker',
  about: 'in which order pieces are begun',
  variants: [
    { ...asDefault, name: `rarest, first ${picker.randomFirstPieces} at random (default)` },
    { name: 'rarest from the start', policies: { picker: { order: 'rarest', randomFirstPieces: 0 } } },
    { name: 'rarest, first 16 at random', policies: { picker: { order: 'rarest', randomFirstPieces: 16 } } },
    { name: 'random', policies: { picker: { order: 'rarest', randomFirstPieces: Number.POSITIVE_INFINITY } } },
    { name: 'sequential', policies: { picker: inOrder } },
  ],
};

const endGames: Question = {
  name: 'end-game',
  about: 'when the last blocks are asked of a second peer',
  variants: [
    { ...asDefault, name: `of who is silent, patience ${endGame.patience} (default)` },
    { name: 'none', policies: { endGame: { ...endGame, askersMax: 1 } } },
    { name: 'of all, after 1 s', policies: { endGame: { ...endGame, patience: 0 } } },
    { name: 'of all, at once', policies: { endGame: { ...endGame, waitMs: 0, patience: 0 } } },
    {
      name: 'of all, at once, of everybody',
      policies: { endGame: { askersMax: 255, idleMax: 512, waitMs: 0, patience: 0, regret: 0, batch: 512 } },
    },
  ],
};

/** 8 to 64 slots, and more on the same rate: what the defaults were before they were judged. */
function manySlots(rates: Parameters<Policies['slots']>[0]): number {
  const rate = rates.limitBytesPerSec ?? rates.measuredBytesPerSec;
  return Math.min(64, Math.max(8, Math.floor(Math.sqrt((rate / 1024) * 0.6))));
}

export const questions: readonly Question[] = [chokers, slots, seedChokers, pickers, endGames];

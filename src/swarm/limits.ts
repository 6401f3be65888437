/**
 * Every bound and constant of one torrent's brain, by subject, with its unit and why it has this value. docs/limits.md is made from
 * this file. Nothing here is a promise to users; what they may choose comes in by options.
 */
export const limits = {
  choker: {
    /** ms between rounds. BEP 3: long enough for TCP to show what a connection can give, and for a pipeline to pay. */
    roundMs: 10_000,
    /** ms an optimistic unchoke lasts: three rounds, so that a newcomer can fetch a piece and give something back (BEP 3). */
    optimisticMs: 30_000,
    /** How many times likelier a newcomer is drawn for the optimistic slot (BEP 3): he has nothing to trade yet. */
    newcomerWeight: 3,
    /** ms after connecting during which a peer who never had a slot counts as a newcomer: two draws. */
    newcomerMs: 60_000,
    /** Whoever has a slot is compared with this factor on what he gives: rates wobble, and flapping costs both sides a pipeline. */
    incumbentFactor: 1.1,
    /** ms a seed serves a peer before others go first. About the time to fetch some pieces and pass them on. */
    seedTurnMs: 60_000,
    /** ms a slot is kept whatever the rate while seeding: no rate is known sooner. Two rounds. */
    seedTurnMinMs: 20_000,
    /** One in this many slots changes hands each round while seeding, if somebody waits: new pieces reach more peers. */
    seedRotationShare: 4,
    /** Fewest slots: with fewer a single bad choice idles the line. */
    slotsMin: 2,
    /** Slots where nothing limits uploads and nothing has been measured yet. */
    slotsUnlimited: 8,
    /** Most slots: beyond it each peer gets too little to finish a piece soon. */
    slotsMax: 64,
    /** Slots grow with the root of the upload rate; this many per root of KiB/s squared (as mainline's sqrt(0.6 * rate)). */
    slotsPerKib: 0.6,
  },
} as const;

/** The shape of `limits` with plain numbers, for whoever takes part of it as a parameter. */
export type Limits = Widened<typeof limits>;

type Widened<T> = { readonly [K in keyof T]: T[K] extends number ? number : Widened<T[K]> };

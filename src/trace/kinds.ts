/**
 * The words of a trace and their numbers. Hot events carry the number, files carry the word, so numbers may only be appended to
 * within a process and may change between versions of the program; words may only be added.
 */

/** Why a piece was chosen for a peer. */
export const pickReasons = {
  /** The piece is under way already: finish it before starting another. */
  'resume-partial': 0,
  /** The fewest connected peers have it. */
  rarest: 1,
  /** The user wants the content in order. */
  sequential: 2,
  /** A reader waits for it. */
  deadline: 3,
  /** One of the first pieces: any that can be had fast, so that there is something to trade. */
  'random-first': 4,
  /** All that is missing has been asked for: ask others for it too. */
  'end-game': 5,
  /** The peer chokes us but serves this one (BEP 6). */
  'allowed-fast': 6,
  /** The peer suggested it: it lies in his cache (BEP 6). */
  suggested: 7,
  /** The piece failed its hash before: all of it from one peer, so that it is clear who lies. */
  parole: 8,
  /** The piece this peer's last block was from: whole pieces have few authors. */
  'same-piece': 9,
} as const;
export type PickReason = keyof typeof pickReasons;
export type PickReasonCode = (typeof pickReasons)[PickReason];

/** States of a piece (docs/state.md). */
export const pieceStates = { unwanted: 0, wanted: 1, active: 2, committing: 3, have: 4 } as const;
export type PieceState = keyof typeof pieceStates;
export type PieceStateCode = (typeof pieceStates)[PieceState];

/** What can happen to a connection apart from messages; the meaning of `detail` stands behind each. */
export const connEvents = {
  /** 0 */
  dialing: 0,
  /** 0: they connected to us */
  incoming: 1,
  /** milliseconds since `dialing` */
  connected: 2,
  /** milliseconds since `connected` or `incoming`: their handshake is complete and accepted */
  handshake: 3,
  /** 0: what they have is known, requests may flow */
  open: 4,
  /** milliseconds without a block that we asked for */
  snubbed: 5,
  /** 0 */
  unsnubbed: 6,
  /** new number of requests that may be outstanding */
  depth: 7,
  /** bytes waiting to be written: reading from them was stopped */
  paused: 8,
  /** 0 */
  resumed: 9,
} as const;
export type ConnEvent = keyof typeof connEvents;
export type ConnEventCode = (typeof connEvents)[ConnEvent];

/** How a peer stands with us as an uploader. */
export const chokeStates = { choked: 0, unchoked: 1, optimistic: 2 } as const;
export type ChokeState = keyof typeof chokeStates;

/** Why a peer was choked or unchoked, or keeps the state it is in. */
export const chokeReasons = {
  /** Unchoked: gives us more than those left out. */
  reciprocates: 0,
  /** Unchoked: there are more slots than peers who give. */
  'slots-free': 1,
  /** Unchoked: seeding, his turn has come. */
  'seed-rotation': 2,
  /** Unchoked: the draw fell on him. */
  optimistic: 3,
  /** Choked: owes us blocks and does not send them. */
  snubbed: 4,
  /** Choked: wants nothing of ours. */
  'no-interest': 5,
  /** Choked: a seed or partial seed wants nothing. */
  'upload-only': 6,
  /** Choked: others give more, or it is others' turn. */
  outranked: 7,
  /** Choked: as good as some who have a slot, but they were there first. */
  'slots-full': 8,
  /** Choked: the optimistic slot has passed to somebody else. */
  'optimistic-over': 9,
  /** Unchoked: nobody has waited longer. */
  'longest-wait': 10,
  /** Unchoked: seeding, takes more than those left out. */
  'takes-most': 11,
  /** Unchoked: lots are drawn each round, and this was one of the first. */
  lot: 12,
} as const;
export type ChokeReason = keyof typeof chokeReasons;

/**
 * Kinds of wire messages: the message id of BEP 3, 5, 6, 10, 52, or, above 255, what has no id of its own.
 * Kinds without a word here are written as their number.
 */
export const wireKinds = {
  choke: 0,
  unchoke: 1,
  interested: 2,
  'not-interested': 3,
  have: 4,
  bitfield: 5,
  request: 6,
  piece: 7,
  cancel: 8,
  port: 9,
  suggest: 13,
  'have-all': 14,
  'have-none': 15,
  reject: 16,
  'allowed-fast': 17,
  extended: 20,
  'hash-request': 21,
  hashes: 22,
  'hash-reject': 23,
  'keep-alive': 256,
  handshake: 257,
} as const;
export type WireKind = keyof typeof wireKinds;

/** Direction of a wire event. */
export const directions = { in: 0, out: 1 } as const;
export type Direction = keyof typeof directions;
export type DirectionCode = (typeof directions)[Direction];

/** Steps of an announce. */
export const announceSteps = { sent: 0, answered: 1, failed: 2 } as const;
export type AnnounceStep = keyof typeof announceSteps;

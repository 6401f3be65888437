import { readU32 } from '#base';
import type { Population } from './population.ts';
import { announceEvent } from './workload.ts';

/** What differs from tracker to tracker without being wrong. */
export interface TrackerRules {
  /** Seeders are given to seeders on every announce; otherwise only to one that starts. */
  readonly seedersToSeeders: boolean;
  /** The asker may be in its own answer. */
  readonly mayGiveSelf: boolean;
  /** `downloaded` of a scrape counts what completed. */
  readonly countsDownloads: boolean;
}

/** An answer that no right tracker gives. */
export class WrongAnswer extends Error {
  override readonly name = 'WrongAnswer';
}

/** A peer that was told of may have left in the meantime, and a repeated request may be heard twice: what is then forgiven. */
const SLACK_AFTER_REPEAT = 4;

/** Torrents of a scrape: what one UDP packet takes (BEP 15). */
export const ROWS_MAX = 74;

/**
 * Knows for every request under way (a slot) what its answer has to say, and compares every answer with it: the counts, how many
 * peers, and of every peer that it is of this torrent, known, not the asker, and there only once. Whatever else is under way in the same
 * torrent widens what is right by as much as it may change, and by no more.
 */
export class Judge {
  readonly #population: Population;
  readonly #rules: TrackerRules;
  readonly #numWant: number;
  readonly #peer: Uint32Array;
  readonly #event: Uint8Array;
  readonly #isSeeder: Uint8Array;
  readonly #slack: Uint32Array;
  readonly #moves: Uint32Array;
  /** Of scrapes: `ROWS_MAX` a slot. */
  readonly #rowCount: Uint8Array;
  readonly #rowTorrent: Uint32Array;
  readonly #rowSlack: Uint32Array;
  readonly #rowMoves: Uint32Array;
  readonly #repeated: Uint8Array;
  /** In which answer a peer was last seen. */
  readonly #seenIn: Uint32Array;
  #answers = 0;

  constructor(options: { population: Population; rules: TrackerRules; numWant: number; slots: number }) {
    const { population, slots } = options;
    this.#population = population;
    this.#rules = options.rules;
    this.#numWant = options.numWant;
    this.#peer = new Uint32Array(slots);
    this.#event = new Uint8Array(slots);
    this.#isSeeder = new Uint8Array(slots);
    this.#slack = new Uint32Array(slots);
    this.#moves = new Uint32Array(slots);
    this.#rowCount = new Uint8Array(slots);
    this.#rowTorrent = new Uint32Array(slots * ROWS_MAX);
    this.#rowSlack = new Uint32Array(slots * ROWS_MAX);
    this.#rowMoves = new Uint32Array(slots * ROWS_MAX);
    this.#repeated = new Uint8Array(population.torrentCount);
    this.#seenIn = new Uint32Array(population.peerCount);
  }

  /** Remembers what an announce that is about to be sent must be answered; the population has it already. */
  expectAnnounce(slot: number, peer: number, ask: { readonly event: number; readonly isSeeder: boolean }): void {
    const { torrentOf, moving, moves } = this.#population;
    const torrent = torrentOf[peer] as number;
    this.#peer[slot] = peer;
    this.#event[slot] = ask.event;
    this.#isSeeder[slot] = ask.isSeeder ? 1 : 0;
    this.#slack[slot] = this.#slackOf(torrent);
    this.#moves[slot] = moves[torrent] as number;
    if (ask.event !== announceEvent.none) moving[torrent] = (moving[torrent] as number) + 1;
  }

  /** The request of a slot was sent again: the tracker may hear it twice, and the second time late. */
  onRepeat(slot: number): void {
    this.#repeated[this.#population.torrentOf[this.#peer[slot] as number] as number] = 1;
  }

  /**
   * Judges an answer and frees the slot's peer.
   *
   * @param peers where `bytes` has them, 6 bytes each
   * @throws WrongAnswer
   */
  judgeAnnounce(
    slot: number,
    answer: { complete: number; incomplete: number },
    peers: { bytes: Uint8Array; start: number; end: number },
  ): void {
    const population = this.#population;
    const peer = this.#peer[slot] as number;
    const event = this.#event[slot] as number;
    const torrent = population.torrentOf[peer] as number;
    const { moving, moves } = population;
    if (event !== announceEvent.none) moving[torrent] = (moving[torrent] as number) - 1;
    population.setBusy(peer, false);
    const slack = (this.#slack[slot] as number) + (moves[torrent] as number) - (this.#moves[slot] as number);
    const complete = population.complete[torrent] as number;
    const incomplete = population.incomplete[torrent] as number;
    if (Math.abs(answer.complete - complete) > slack || Math.abs(answer.incomplete - incomplete) > slack) {
      this.#fail(
        slot,
        `complete ${answer.complete}, incomplete ${answer.incomplete}, right are ${complete} and ${incomplete}, give or take ${slack}`,
      );
    }
    this.#judgeNumber(slot, (peers.end - peers.start) / 6, slack);
    this.#judgePeers(slot, peers, slack);
  }

  #judgeNumber(slot: number, count: number, slack: number): void {
    const { complete, incomplete, torrentOf } = this.#population;
    const torrent = torrentOf[this.#peer[slot] as number] as number;
    const others = this.#mayGetSeeders(slot)
      ? (complete[torrent] as number) + (incomplete[torrent] as number) - 1
      : (incomplete[torrent] as number);
    const isStopped = this.#event[slot] === announceEvent.stopped;
    const least = isStopped ? 0 : Math.min(this.#numWant, Math.max(0, others - slack));
    const most = isStopped
      ? this.#numWant
      : Math.min(this.#numWant, others + slack + (this.#rules.mayGiveSelf ? 1 : 0));
    if (!(count >= least && count <= most)) this.#fail(slot, `${count} peers, right are ${least} to ${most}`);
  }

  #judgePeers(slot: number, peers: { bytes: Uint8Array; start: number; end: number }, slack: number): void {
    const population = this.#population;
    const self = this.#peer[slot] as number;
    const torrent = population.torrentOf[self] as number;
    const mayGetSeeders = this.#mayGetSeeders(slot);
    const answer = ++this.#answers;
    for (let at = peers.start; at < peers.end; at += 6) {
      const peer = population.peerAt(peers.bytes, at);
      if (peer < 0 || population.torrentOf[peer] !== torrent) this.#fail(slot, `a peer of another torrent (${peer})`);
      if (this.#seenIn[peer] === answer) this.#fail(slot, `peer ${peer} twice`);
      this.#seenIn[peer] = answer;
      if (peer === self && !this.#rules.mayGiveSelf) this.#fail(slot, 'the asker itself');
      if (slack > 0) continue;
      if (!population.isPresent(peer) && peer !== self) this.#fail(slot, `peer ${peer}, which has left`);
      if (!mayGetSeeders && population.isSeeder(peer)) this.#fail(slot, `seeder ${peer} for a seeder`);
    }
  }

  #mayGetSeeders(slot: number): boolean {
    return this.#isSeeder[slot] === 0 || this.#rules.seedersToSeeders || this.#event[slot] === announceEvent.started;
  }

  /** Remembers that a slot scrapes these torrents, at most `ROWS_MAX`. */
  expectScrape(slot: number, torrents: ArrayLike<number>): void {
    this.#rowCount[slot] = torrents.length;
    for (let i = 0; i < torrents.length; i++) {
      const torrent = torrents[i] as number;
      this.#rowTorrent[slot * ROWS_MAX + i] = torrent;
      this.#rowSlack[slot * ROWS_MAX + i] = this.#slackOf(torrent);
      this.#rowMoves[slot * ROWS_MAX + i] = this.#population.moves[torrent] as number;
    }
  }

  /**
   * @param rows in the order asked, 12 bytes a torrent: complete, downloaded, incomplete
   * @throws WrongAnswer
   */
  judgeScrape(slot: number, rows: { bytes: Uint8Array; start: number; end: number }): void {
    const count = this.#rowCount[slot] as number;
    if (rows.end - rows.start !== count * 12)
      throw new WrongAnswer(`scrape of ${count}: ${rows.end - rows.start} bytes`);
    for (let i = 0; i < count; i++) {
      const at = rows.start + i * 12;
      this.#judgeRow(
        slot * ROWS_MAX + i,
        readU32(rows.bytes, at),
        readU32(rows.bytes, at + 4),
        readU32(rows.bytes, at + 8),
      );
    }
  }

  #judgeRow(row: number, complete: number, downloaded: number, incomplete: number): void {
    const population = this.#population;
    const torrent = this.#rowTorrent[row] as number;
    const slack =
      (this.#rowSlack[row] as number) + (population.moves[torrent] as number) - (this.#rowMoves[row] as number);
    const isRight =
      Math.abs(complete - (population.complete[torrent] as number)) <= slack &&
      Math.abs(incomplete - (population.incomplete[torrent] as number)) <= slack &&
      (!this.#rules.countsDownloads || Math.abs(downloaded - (population.downloaded[torrent] as number)) <= slack);
    if (isRight) return;
    throw new WrongAnswer(
      `scrape of torrent ${torrent}: complete ${complete}, downloaded ${downloaded}, incomplete ${incomplete}; right are ` +
        `${population.complete[torrent]}, ${population.downloaded[torrent]}, ${population.incomplete[torrent]}, give or take ${slack}`,
    );
  }

  #slackOf(torrent: number): number {
    return (this.#population.moving[torrent] as number) + (this.#repeated[torrent] === 1 ? SLACK_AFTER_REPEAT : 0);
  }

  #fail(slot: number, what: string): never {
    const peer = this.#peer[slot] as number;
    const event = Object.keys(announceEvent)[this.#event[slot] as number];
    const role = this.#isSeeder[slot] === 1 ? 'seeder' : 'leecher';
    throw new WrongAnswer(
      `announce of ${role} ${peer} of torrent ${this.#population.torrentOf[peer]}, event ${event}: ${what}`,
    );
  }
}

import assert from 'node:assert/strict';
import { Bitfield } from '#base';
import { FileMap } from '#metainfo';
import { limits } from '#room/swarm/limits';
import type { FileState, SavedResume } from '#room/swarm/ports';
import { judgeResume } from '#room/swarm/resume-judge';
import { sceneTorrent } from '../../test/support/scene.ts';
import { Tape } from '../support/tape.ts';
import { type FuzzTarget, magnitude } from '../support/target.ts';

const { info } = sceneTorrent({ files: [100_000, 0, 20_000, 66_000, 120_000], pieceLength: 32_768 }).torrent;
const map = new FileMap(info);
const allWanted = info.files.map(() => true);
/** The outsider comes later than anything of ours that may still be counted as our own. */
const laterMs = limits.resumeSave.crashGraceMs + 1_000;

function spansOf(piece: number) {
  const start = piece * info.pieceLength;
  return map.spans(start, Math.min(info.pieceLength, info.spaceLength - start)).filter(({ file }) => file >= 0);
}

interface Saved {
  readonly have: Bitfield;
  readonly files: readonly (FileState | undefined)[];
  readonly final: boolean;
  readonly savedMs: number;
}

/**
 * A disk, a program that writes pieces and records and dies at any moment, a machine that loses what was not forced to the medium, and
 * somebody else who changes files. Nothing that is not right on the disk may ever be believed.
 */
class Play {
  readonly #tape: Tape;
  readonly #files: (FileState | undefined)[] = info.files.map(() => undefined);
  /** Pieces that are right on the disk. */
  readonly #good = new Bitfield(info.pieceCount);
  /** Pieces that the program believes to have. */
  #have = new Bitfield(info.pieceCount);
  #record: Saved | undefined;
  #before: Saved | undefined;
  #committed: number[] = [];
  #written = new Map<number, FileState>();
  #underWay: SavedResume['underWay'];
  #notedMs = 0;
  #now = 1_700_000_000_000;
  readonly seen = new Set<string>();
  judged = 0;

  constructor(tape: Tape) {
    this.#tape = tape;
    this.#save(false);
  }

  move(): void {
    const tape = this.#tape;
    this.#now += 1 + tape.pick([0, 7, 900, 5_000]);
    switch (tape.below(8)) {
      case 0:
      case 1:
      case 2:
      case 3:
        return this.#write(tape.below(info.pieceCount), true);
      case 4:
        return this.#save(false);
      case 5: {
        // A clean stop, and the next start.
        this.#save(true);
        if (tape.isTrue()) this.#outside();
        return this.#start(tape.isTrue(), true);
      }
      case 6: {
        // Killed, perhaps in the middle of a write.
        if (tape.isTrue()) this.#write(tape.below(info.pieceCount), false);
        if (tape.isTrue()) this.#outside();
        return this.#start(true, true);
      }
      default: {
        if (tape.isTrue()) this.#write(tape.below(info.pieceCount), false);
        if (tape.isTrue()) return this.#start(true, false);
        this.#losePower();
        return this.#start(false, true);
      }
    }
  }

  /** @param isWhole it comes to its end */
  #write(piece: number, isWhole: boolean): void {
    if (this.#have.has(piece)) return;
    const spans = spansOf(piece);
    this.#underWay = { piece, sinceMs: this.#now };
    this.#notedMs = this.#now;
    const count = isWhole ? spans.length : this.#tape.below(spans.length + 1);
    for (const { file, fileOffset, length } of spans.slice(0, count)) {
      this.#now += this.#tape.below(3);
      const bytes = isWhole ? length : this.#tape.below(length + 1);
      const before = this.#files[file]?.length ?? 0;
      this.#files[file] = { length: Math.max(before, fileOffset + bytes), modifiedMs: this.#now };
    }
    if (!isWhole) return;
    this.#good.set(piece);
    this.#have.set(piece);
    this.#committed.push(piece);
    for (const { file } of spans) this.#written.set(file, this.#files[file]!);
    this.#underWay = undefined;
    this.#notedMs = this.#now;
  }

  #save(final: boolean): void {
    this.#before = this.#record;
    this.#record = { have: this.#have.clone(), files: [...this.#files], final, savedMs: this.#now };
    this.#committed = [];
    this.#written = new Map();
    this.#underWay = undefined;
    this.#notedMs = 0;
  }

  /** Somebody else changes, cuts or removes a file, while the program does not run. */
  #outside(): void {
    const file = this.#tape.below(info.files.length);
    const state = this.#files[file];
    if (state === undefined || info.files[file]!.length === 0) return;
    this.#now += laterMs;
    const how = this.#tape.below(4);
    if (how === 0) this.#files[file] = undefined;
    else if (how === 1) this.#files[file] = { length: this.#tape.below(state.length), modifiedMs: this.#now };
    else this.#files[file] = { length: state.length, modifiedMs: this.#now };
    const kept = this.#files[file]?.length ?? 0;
    for (let piece = 0; piece < info.pieceCount; piece++) {
      const isHit = spansOf(piece).some((s) => s.file === file && (how > 1 || s.fileOffset + s.length > kept));
      if (isHit) this.#good.clear(piece);
    }
    this.#now += laterMs;
  }

  /** What was written since the machine last put all on its medium may be gone, whatever lengths and times say. */
  #losePower(): void {
    for (let piece = 0; piece < info.pieceCount; piece++) if (this.#tape.isTrue()) this.#good.clear(piece);
    this.#now += 60_000;
  }

  /** @param isBelieved the newest record can be read; otherwise the one before it is taken */
  #start(isSameBoot: boolean, isBelieved: boolean): void {
    const record = isBelieved ? this.#record : this.#before;
    if (record === undefined) return;
    const saved: SavedResume = {
      bytes: new Uint8Array(0),
      files: record.files,
      partFile: undefined,
      final: record.final,
      savedMs: isBelieved ? Math.max(record.savedMs, this.#notedMs) : record.savedMs,
      committed: isBelieved ? this.#committed : [],
      written: isBelieved ? this.#written : new Map(),
      underWay: isBelieved ? this.#underWay : undefined,
      isSameBoot,
      isBelieved,
    };
    const infoHashes = [info.hashV1!];
    const data = { infoHashes, have: record.have, uploaded: 0, downloaded: 0, peers: [] };
    const wallMs = this.#tape.below(8) === 0 ? this.#now - 86_400_000 : this.#now + 1;
    const judge = { saved, data, info, files: this.#files, partFile: undefined, wanted: allWanted, wallMs };
    const { trusted, recheck, notes } = judgeResume(judge);
    this.judged++;
    for (const piece of trusted) assert.ok(this.#good.has(piece), `piece ${piece} is not right on the disk`);
    let end = -1;
    const checked = new Bitfield(info.pieceCount);
    for (const range of recheck) {
      assert.ok(range.first > end && range.end > range.first && range.end <= info.pieceCount, 'ranges in order');
      end = range.end;
      for (let piece = range.first; piece < range.end; piece++) {
        assert.ok(!trusted.has(piece));
        checked.set(piece);
      }
    }
    for (const { reason, verdict } of notes) this.seen.add(`${reason} ${verdict}`);
    // Goes on with what it believes, and what hashing has shown.
    const have = trusted.clone();
    for (const piece of checked) if (this.#good.has(piece)) have.set(piece);
    const lost = [...this.#good].filter((piece) => !have.has(piece));
    // Right pieces may only be overlooked where the record is an old one, or never said that they are there.
    if (isBelieved)
      assert.deepEqual(
        lost.filter((piece) => this.#have.has(piece)),
        [],
        'nothing that it had is overlooked',
      );
    this.#have = have;
    for (const piece of this.#good) if (!have.has(piece)) this.#good.clear(piece);
    this.#save(false);
  }
}

export const target: FuzzTarget = {
  about:
    'what is believed of a resume record after crashes, lost power and strangers: never a piece that is wrong, none overlooked',
  form: 'choices',
  files: ['swarm/resume-judge'],
  parsers: [],
  bytesMax: 500,
  run(input) {
    const tape = new Tape(input);
    const play = new Play(tape);
    tape.moves(60, () => play.move());
    return `${magnitude(play.judged)} ${[...play.seen].sort().join(', ')}`;
  },
};

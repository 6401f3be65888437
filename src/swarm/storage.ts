import { addMs, BtError, type Millis, NEVER } from '../base/index.ts';
import type { Content } from './content.ts';
import type { SwarmContext } from './context.ts';
import { limits } from './limits.ts';
import { PieceCheck, type PieceExpectation, type StoreOpened } from './ports.ts';
import { decodeResume, type ResumeData } from './resume.ts';
import { judgeResume } from './resume-judge.ts';

export interface StorageOptions {
  readonly content: Content;
  /** The data was hashed a moment ago: files of the right length are believed. */
  readonly verified: boolean;
  /** What is to be remembered, as bytes. */
  readonly encode: () => Uint8Array;
  readonly onResume: (data: ResumeData) => void;
  readonly onChecking: (pieces: number) => void;
  /** What is on disk is known: the ledger has it. */
  readonly onReady: () => void;
  readonly onFailed: (error: BtError) => void;
}

/**
 * The torrent's relation to its folder: open, find out what is there, keep the resume record behind the data, close. The record is always
 * written after the data it speaks of, so whatever it claims is on disk, whenever the process dies.
 */
export class Storage {
  readonly #ctx: SwarmContext;
  readonly #o: StorageOptions;
  #state: 'new' | 'opening' | 'checking' | 'open' | 'closing' | 'closed' = 'new';
  #toCheck = 0;
  #checked = 0;
  #saving = false;
  #savingBytes = 0;
  #dirty = false;
  #saveAt: Millis = NEVER;
  /** The record of the last clean stop says all that is to be said. */
  #recordHolds = false;
  #isMoving = false;
  #writeTrouble: BtError | undefined;
  #unread: { pieces: number[]; error: BtError | undefined } = { pieces: [], error: undefined };

  constructor(ctx: SwarmContext, options: StorageOptions) {
    this.#ctx = ctx;
    this.#o = options;
  }

  get isClosed(): boolean {
    return this.#state === 'new' || this.#state === 'closed';
  }
  /** Share of the check that is done, 0 to 1. */
  get checkProgress(): number {
    return this.#toCheck === 0 ? 0 : this.#checked / this.#toCheck;
  }
  /** What the disk could not be asked about in the last check. */
  get unread(): { readonly pieces: readonly number[]; readonly error: BtError | undefined } {
    return this.#unread;
  }
  get isChecking(): boolean {
    return this.#state === 'checking';
  }
  /** Why nothing can be written to the folder, as far as was known when it was opened. */
  get writeTrouble(): BtError | undefined {
    return this.#writeTrouble;
  }
  /** Bytes of the record that is on its way to the disk. */
  get savingBytes(): number {
    return this.#savingBytes;
  }
  /** When `save` is due. */
  get saveAt(): Millis {
    return this.#saveAt;
  }

  open(): void {
    this.#state = 'opening';
    this.#ctx.host.ports.openStore(this.#ctx.torrent, { info: this.#o.content.info, wanted: this.#o.content.wanted });
  }

  onStoreOpened(result: StoreOpened): void {
    if (result.kind === 'failed') {
      // Nothing is open. Where the torrent is stopping, that is all there is to close.
      const wasClosing = this.#state === 'closing';
      this.#state = 'closed';
      if (!wasClosing) this.#o.onFailed(result.error);
      return;
    }
    if (this.#state === 'closing') {
      this.#ctx.host.ports.closeStore(this.#ctx.torrent);
      return;
    }
    const { resumeTrouble } = result;
    this.#writeTrouble = result.writeTrouble;
    if (resumeTrouble !== undefined) this.#note('resume-damaged', resumeTrouble.message);
    const resume = this.#decode(result);
    if (resume === 'newer') {
      // Nothing may be saved over it.
      this.#state = 'closing';
      this.#ctx.host.ports.closeStore(this.#ctx.torrent);
      const what = `the resume data of ${this.#o.content.info.name}`;
      this.#o.onFailed(new BtError('swarm/state-newer', { what }));
      return;
    }
    this.#check(this.#judge(result, resume));
  }

  /** Hashes everything again. */
  recheck(): void {
    this.#check(this.#checkable(0, this.#o.content.geometry.pieceCount));
  }

  #check(ranges: readonly { first: number; end: number }[]): void {
    this.#toCheck = 0;
    this.#checked = 0;
    this.#unread = { pieces: [], error: undefined };
    for (const r of ranges) this.#toCheck += r.end - r.first;
    if (this.#toCheck === 0) {
      this.#ready();
      return;
    }
    this.#state = 'checking';
    this.#o.onChecking(this.#toCheck);
    for (const r of ranges) {
      const expect: PieceExpectation[] = [];
      for (let p = r.first; p < r.end; p++) expect.push(this.#o.content.hashes.expectation(p) as PieceExpectation);
      this.#ctx.host.ports.recheck(this.#ctx.torrent, r.first, expect);
    }
  }

  onRechecked(first: number, good: Uint8Array, error: BtError | undefined): void {
    if (this.#state !== 'checking') return;
    if (error !== undefined) this.#unread.error = error;
    const { ledger } = this.#o.content;
    // A piece that was at the disk when the check began may have come home meanwhile.
    for (let i = 0; i < good.length; i++) {
      if (good[i] === PieceCheck.good && ledger.isIdle(first + i)) ledger.found(first + i);
      else if (good[i] === PieceCheck.unknown && error !== undefined) this.#unread.pieces.push(first + i);
    }
    this.#checked += good.length;
    if (this.#checked >= this.#toCheck) this.#ready();
  }

  /** Something worth remembering has changed. */
  changed(): void {
    this.#dirty = true;
    if (this.#saveAt === NEVER && this.#state === 'open')
      this.#saveAt = addMs(this.#ctx.now, limits.resumeSave.debounceMs);
  }

  /** Writes the record. Where nothing more will be written (complete, or closing), all data is forced to the medium first. */
  save(): void {
    this.#saveAt = NEVER;
    // In the middle of a check little is known, so the last record stays; and a closed store takes nothing.
    if (this.#state !== 'open') return;
    if (this.#isMoving) {
      this.#dirty = true;
      return;
    }
    // One at a time: the newer one follows.
    if (this.#saving) this.#dirty = true;
    else this.#write();
  }

  #write(): void {
    this.#saveAt = NEVER;
    this.#dirty = false;
    this.#saving = true;
    const final = this.#state === 'closing' || this.#o.content.ledger.isComplete;
    const bytes = this.#o.encode();
    this.#savingBytes = bytes.length;
    this.#ctx.host.ports.saveResume(this.#ctx.torrent, bytes, final);
  }

  onResumeSaved(error: BtError | undefined): void {
    this.#saving = false;
    this.#savingBytes = 0;
    if (error !== undefined) this.#note('resume-not-saved', error.message);
    if (this.#state === 'closing') this.#ctx.host.ports.closeStore(this.#ctx.torrent);
    else if (this.#dirty && this.#saveAt === NEVER) this.#saveAt = addMs(this.#ctx.now, limits.resumeSave.debounceMs);
  }

  /**
   * Takes the files to another folder; nothing of the torrent may be at the disk any more but reads. Nothing is saved meanwhile: a record
   * of before goes along.
   * @returns false: come back when something was answered
   */
  move(folder: string): boolean {
    if (this.#state !== 'open' || this.#saving) return false;
    if (this.#dirty || this.#saveAt !== NEVER) {
      this.#write();
      return false;
    }
    this.#isMoving = true;
    this.#ctx.host.ports.moveStore(this.#ctx.torrent, folder);
    return true;
  }

  onMoved(): void {
    this.#isMoving = false;
    this.save();
  }

  /** Begins to close; nothing of the torrent may be at the disk any more. @returns false: come back when something was answered */
  close(): boolean {
    if (this.#state === 'closing') return false;
    if (this.isClosed) return true;
    if (this.#saving) return false;
    const wasOpening = this.#state === 'opening';
    const knows = this.#state === 'open';
    this.#state = 'closing';
    // A check that was broken off knows less than the last record: that one stays.
    if (knows) this.#write();
    else if (!wasOpening) this.#ctx.host.ports.closeStore(this.#ctx.torrent);
    return false;
  }

  /** The torrent is given up in the middle of something: what is open closes, and nothing more is saved. */
  abandon(): void {
    this.#saveAt = NEVER;
    if (this.isClosed || this.#state === 'closing') return;
    const mayClose = this.#state !== 'opening' && !this.#saving;
    this.#state = 'closing';
    // Otherwise an answer is under way, and the store closes when it is here.
    if (mayClose) this.#ctx.host.ports.closeStore(this.#ctx.torrent);
  }

  onStoreClosed(): void {
    this.#state = 'closed';
  }

  #ready(): void {
    this.#state = 'open';
    this.#o.onReady();
    // From now on files may be newer than the record, and it has to say so before the first write; a seed writes nothing.
    if (!(this.#recordHolds && this.#o.content.ledger.isComplete)) this.save();
  }

  /** Believes what may be believed. @returns pieces that must be hashed, as [first, end) */
  #judge(opened: StoreOpened & { kind: 'ok' }, resume: ResumeData | undefined): { first: number; end: number }[] {
    const content = this.#o.content;
    const { geometry, ledger, hashes, info } = content;
    const present = new Uint8Array(geometry.pieceCount).fill(1);
    if (resume !== undefined && opened.resume !== undefined) {
      const verdict = judgeResume({
        saved: opened.resume,
        data: resume,
        info,
        files: opened.files,
        partFile: opened.partFile,
        wanted: content.wanted,
        wallMs: opened.wallMs,
      });
      this.#recordHolds = opened.resume.final && verdict.recheck.length === 0 && verdict.notes.length === 0;
      this.#o.onResume(resume);
      for (const piece of verdict.trusted) ledger.found(piece);
      for (const note of verdict.notes) this.#ctx.tracer?.note?.(this.#ctx.now, 'resume', note);
      return verdict.recheck.flatMap((r) => this.#checkable(r.first, r.end));
    }
    // No record: whatever bytes are there may be right.
    for (const file of info.files) {
      if (file.length === 0 || (opened.files[file.index]?.length ?? 0) > 0) continue;
      // Without one of its files a piece cannot be whole, unless the file is not selected and its share lies in the part file.
      if (opened.partFile !== undefined && content.wanted[file.index] !== true) continue;
      const { first, end } = geometry.filePieces(file.index);
      present.fill(0, first, end);
    }
    if (this.#o.verified && info.files.every((f) => f.length === 0 || opened.files[f.index]?.length === f.length)) {
      for (let p = 0; p < geometry.pieceCount; p++) if (hashes.expectation(p) !== undefined) ledger.found(p);
      return [];
    }
    const ranges: { first: number; end: number }[] = [];
    for (let p = 0; p < geometry.pieceCount; p++) {
      if (present[p] === 0) continue;
      const last = ranges[ranges.length - 1];
      if (last !== undefined && last.end === p) last.end = p + 1;
      else ranges.push({ first: p, end: p + 1 });
    }
    return ranges.flatMap((r) => this.#checkable(r.first, r.end));
  }

  #decode(opened: StoreOpened & { kind: 'ok' }): ResumeData | 'newer' | undefined {
    if (opened.resume === undefined) return undefined;
    try {
      const data = decodeResume(opened.resume.bytes);
      return this.#o.verified ? undefined : data;
    } catch (error) {
      if (BtError.is(error, 'swarm/state-newer')) return 'newer';
      this.#note('resume-unreadable', (error as Error).message);
      return undefined;
    }
  }

  #note(what: string, message: string): void {
    this.#ctx.tracer?.note?.(this.#ctx.now, what, { message });
  }

  /** Leaves out pieces of which it is not known what they must hash to. */
  #checkable(first: number, end: number): { first: number; end: number }[] {
    const out: { first: number; end: number }[] = [];
    for (let p = first; p < end; p++) {
      if (this.#o.content.hashes.expectation(p) === undefined) continue;
      const last = out[out.length - 1];
      if (last !== undefined && last.end === p) last.end = p + 1;
      else out.push({ first: p, end: p + 1 });
    }
    return out;
  }
}

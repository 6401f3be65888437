import { join } from 'node:path';
import { type BtError, formatAddress } from '../base/index.ts';
import type { Budgets, PeerSnapshot, Torrent, TorrentSnapshot, TrackerSnapshot } from '../client/index.ts';
import { budgetsToJson } from './budgets-json.ts';
import type { Cli } from './context.ts';
import { formatBytes, formatDuration, formatPlural, formatRate, printable } from './format.ts';
import { explainStandstill, isTrackerTrouble, type Standstill } from './standstill.ts';
import { createTransferStatus, formatRatio, type TransferState, transferToJson } from './transfer-view.ts';

/** Peers listed in a `progress` event, most traffic first: a screenful, whatever the swarm. */
const peersShownMax = 20;
/** Trackers whose trouble is told one by one; a torrent may name a hundred, most of them long dead. */
const trackersToldMax = 3;
/** ms that nothing must have moved before people are told why: between two blocks is no standstill. */
const standstillMs = 2_000;

/** Tells of one torrent: events for programs, a view and notes for people. Decides nothing. */
export class TransferReport {
  readonly #cli: Cli;
  readonly #torrent: Torrent;
  readonly #startedAt: number;
  readonly #budgets: () => Budgets;
  readonly #troubled = new Map<string, string>();
  #wasChecked = false;
  #isDone = false;
  #printsPath = false;
  #stillSince: number | undefined;

  /** @param startedAt performance.now() when the session was made: the zero of its clock */
  constructor(cli: Cli, torrent: Torrent, startedAt: number, budgets: () => Budgets) {
    this.#cli = cli;
    this.#budgets = budgets;
    this.#torrent = torrent;
    this.#startedAt = startedAt;
  }

  metadata(): void {
    const { infoHashV1, infoHashV2, name } = this.#torrent;
    const { totalBytes, pieceCount } = this.#torrent.state;
    const fileCount = this.#torrent.files.length;
    const hashes = { infoHashV1: infoHashV1 ?? null, infoHashV2: infoHashV2 ?? null };
    this.#cli.events?.emit('metadata', { name, ...hashes, totalBytes, fileCount, pieceCount });
    this.#cli.note(`this is ${printable(name)}: ${formatPlural(fileCount, 'file')}, ${formatBytes(totalBytes ?? 0)}`);
  }

  /** @param pieces how many are there to be checked */
  checking(pieces: number): void {
    this.#wasChecked = true;
    this.#cli.events?.emit('checking', { pieces });
  }

  /** What is on disk is known. */
  ready(): void {
    // Nothing was there to check, or all of it was believed: for programs the order of events is the same always.
    if (!this.#wasChecked) this.checking(0);
    const { infoHashV1, infoHashV2, name } = this.#torrent;
    const { doneBytes, wantedBytes } = this.#torrent.state;
    const hashes = { infoHashV1: infoHashV1 ?? null, infoHashV2: infoHashV2 ?? null };
    this.#cli.events?.emit('ready', { name, ...hashes, doneBytes, totalBytes: wantedBytes });
    if (doneBytes > 0 && doneBytes < wantedBytes) {
      this.#cli.note(`resuming ${printable(name)}: ${formatBytes(doneBytes)} of ${formatBytes(wantedBytes)} are here`);
    }
  }

  /** Complete and verified; told once. @param printPath the place of the content is the command's result */
  done(printPath: boolean): void {
    if (this.#isDone) return;
    this.#isDone = true;
    this.#printsPath = printPath;
    const path = this.#path();
    this.#cli.events?.emit('done', { name: this.#torrent.name, path, ...this.#totals(this.#torrent.state) });
    if (this.#cli.events !== undefined || !printPath) return;
    // stdout and stderr may be one terminal: the view makes room.
    this.#cli.endStatus('erase');
    this.#cli.print(`${path}\n`);
  }

  stopped(): void {
    const { state } = this.#torrent;
    this.#cli.events?.emit('stopped', this.#totals(state));
    this.#cli.endStatus('erase');
    const seconds = (performance.now() - this.#startedAt) / 1000;
    const parts: string[] = [];
    if (state.downloaded > 0) {
      const rate = formatRate(state.downloaded / seconds);
      parts.push(`${formatBytes(state.downloaded)} downloaded in ${formatDuration(seconds)} (${rate})`);
    }
    if (state.downloaded === 0 && this.#isDone && this.#printsPath) parts.push('everything was here already');
    parts.push(`${formatBytes(state.uploaded)} uploaded`);
    parts.push(`ratio ${formatRatio({ uploadedBytes: state.uploaded, doneBytes: state.doneBytes })}`);
    this.#cli.note(`${printable(state.name)}: ${parts.join(', ')}`);
  }

  badPiece(piece: number): void {
    this.#warn('peer/bad-data', `piece ${piece} was bad and is fetched again`);
  }

  /** Something is in the way, and may pass. */
  waiting(error: BtError): void {
    this.#warn(error.code, `${printable(error.message)}; it goes on by itself when that is over`);
  }

  /** Pieces that were here are not any more. */
  lost(pieces: number): void {
    this.#warn('disk/changed', `${formatPlural(pieces, 'piece')} on disk turned bad, fetched again`);
  }

  banned(host: string, reason: string): void {
    this.#warn('peer/banned', `${printable(host)} is banned: ${reason}`);
  }

  /** A tracker has answered, or failed. Told when that changes, not at every try. */
  tracker(url: string, error: unknown): void {
    const before = this.#troubled.get(url);
    if (error === undefined) {
      if (before !== undefined) this.#cli.note(`tracker ${printable(url)} answers again`);
      this.#troubled.delete(url);
      return;
    }
    if (!isTrackerTrouble(error) || before === error.code || isForBrowsers(url, error.code)) return;
    this.#troubled.set(url, error.code);
    if (this.#troubled.size > trackersToldMax) {
      this.#cli.events?.emit('warning', { code: error.code, message: error.message });
      return;
    }
    this.#warn(error.code, printable(error.message));
  }

  /** Progress as it is now. @returns why nothing moves */
  tick(): Standstill | undefined {
    const { state, peers, trackers } = this.#torrent;
    const now = performance.now();
    const budgets = this.#budgets();
    const { heldBack } = budgets;
    const why = explainStandstill({ state, peers, trackers, heldBack, nowMs: now - this.#startedAt });
    this.#stillSince = why === undefined ? undefined : (this.#stillSince ?? now);
    this.#cli.events?.progress(() => progressToJson({ state, peers, trackers, why, budgets }));
    const shown = now - (this.#stillSince ?? now) >= standstillMs ? why : undefined;
    this.#cli.status(createTransferStatus(toTransferState(state), shown));
    return why;
  }

  #warn(code: string, message: string): void {
    this.#cli.events?.emit('warning', { code, message });
    this.#cli.note(`${this.#cli.paintErr('yellow', 'warning:')} ${message}`);
  }

  #path(): string {
    return join(this.#torrent.path, this.#torrent.files[0]?.entry.path[0] ?? this.#torrent.name);
  }

  #totals(state: TorrentSnapshot): Record<string, unknown> {
    return {
      doneBytes: state.doneBytes,
      totalBytes: state.wantedBytes,
      downloadedBytes: state.downloaded,
      uploadedBytes: state.uploaded,
      downloadedFromSeeds: state.downloadedFromSeeds,
      downloadedFromPeers: state.downloadedFromPeers,
      wastedBytes: state.wasted,
      elapsedMs: Math.round(performance.now() - this.#startedAt),
    };
  }
}

function toTransferState(state: TorrentSnapshot): TransferState {
  const isChecking = state.phase === 'checking';
  return {
    name: state.name,
    state: state.phase,
    // While checking the bar shows how much has been looked at.
    doneBytes: isChecking ? Math.floor(state.progress * state.wantedBytes) : state.doneBytes,
    totalBytes: state.wantedBytes,
    downBytesPerSec: state.downRate,
    upBytesPerSec: state.upRate,
    downloadedBytes: state.downloaded,
    uploadedBytes: state.uploaded,
    peerCount: state.peersConnected,
    seedCount: state.seedsConnected,
  };
}

function progressToJson(facts: {
  readonly state: TorrentSnapshot;
  readonly peers: readonly PeerSnapshot[];
  readonly trackers: readonly TrackerSnapshot[];
  readonly why: Standstill | undefined;
  readonly budgets: Budgets;
}): Record<string, unknown> {
  const { state, peers, why, budgets } = facts;
  const busiest = [...peers].sort((a, b) => b.downloaded + b.uploaded - a.downloaded - a.uploaded);
  return {
    ...transferToJson({ ...toTransferState(state), doneBytes: state.doneBytes }),
    ...(state.phase === 'checking' && { checked: Number(state.progress.toFixed(3)) }),
    downloadedFromSeeds: state.downloadedFromSeeds,
    downloadedFromPeers: state.downloadedFromPeers,
    wastedBytes: state.wasted,
    knownPeerCount: state.peersKnown,
    reason: why ?? null,
    ...budgetsToJson(budgets),
    peers: busiest.slice(0, peersShownMax).map(peerToJson),
  };
}

function peerToJson(p: PeerSnapshot): Record<string, unknown> {
  return {
    address: formatAddress(p.address),
    client: printable(p.client),
    incoming: p.incoming,
    progress: Number(p.progress.toFixed(3)),
    seed: p.isSeed,
    downBytesPerSec: Math.round(p.downRate),
    upBytesPerSec: Math.round(p.upRate),
    downloadedBytes: p.downloaded,
    uploadedBytes: p.uploaded,
    amChoking: p.amChoking,
    amInterested: p.amInterested,
    peerChoking: p.peerChoking,
    peerInterested: p.peerInterested,
    snubbed: p.snubbed,
  };
}

/** WebTorrent's trackers stand in many torrents beside others: that they are not for us is no trouble. */
function isForBrowsers(url: string, code: string): boolean {
  return code === 'tracker/unsupported' && /^wss?:/i.test(url);
}

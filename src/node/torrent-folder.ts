import { join } from 'node:path';
import type { InfoHash } from '../base/index.ts';
import { type SystemCalls, systemCalls } from './disk/system-calls.ts';
import { readIntact, removeIfThere, writeAtomic } from './files.ts';

/**
 * The .torrent files of a session: `<stateDir>/torrents/<info-hash>.torrent`, with the v1 hash where there is one. What a reader gets is
 * proven by the info-hash, so there is no checksum and no previous generation.
 */
export class TorrentFolder {
  readonly #folder: string;
  readonly #calls: SystemCalls;

  constructor(stateDir: string, calls: SystemCalls = systemCalls) {
    this.#folder = join(stateDir, 'torrents');
    this.#calls = calls;
  }

  /** @throws BtError `disk/...` */
  save(infoHash: InfoHash, bytes: Uint8Array): void {
    writeAtomic(this.#pathOf(infoHash), bytes, { sync: true, calls: this.#calls });
  }

  /** @returns undefined where there is none, or none that can be read */
  load(infoHash: InfoHash): Uint8Array | undefined {
    try {
      return readIntact(this.#pathOf(infoHash), (bytes) => bytes, { calls: this.#calls });
    } catch {
      return undefined;
    }
  }

  remove(infoHash: InfoHash): void {
    removeIfThere(this.#calls, this.#pathOf(infoHash));
  }

  #pathOf(infoHash: InfoHash): string {
    return join(this.#folder, `${infoHash}.torrent`);
  }
}

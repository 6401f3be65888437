import type { SimClient } from '../client.ts';
import type { SimSwarm } from '../swarm.ts';
import type { MadeUpTorrent } from '../torrents.ts';

/** A situation a swarm can be in, and what has to come out of it. */
export interface Scenario {
  readonly name: string;
  readonly about: string;
  readonly torrent?: Partial<MadeUpTorrent>;
  /** Walking invariants costs more than the rest in large swarms: there it is done after every so many inputs of a client; 1 where absent. */
  readonly checkEvery?: number;
  /** Sets the swarm up, runs it, and checks what is particular; `finish` checks what always holds. */
  run(w: SimSwarm): void;
}

/** Every piece is whole on the disk of one of the clients. */
export function isWholeTogether(w: SimSwarm, clients: readonly SimClient[]): boolean {
  const images = clients.map((client) => client.disk.image(w.torrent.torrent.info));
  for (let piece = 0; piece < w.torrent.geometry.pieceCount; piece++) {
    if (!images.some((image) => image.isWhole(piece))) return false;
  }
  return true;
}

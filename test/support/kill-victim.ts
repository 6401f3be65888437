import { readFileSync, writeSync } from 'node:fs';
import { createSession } from 'eider';

/** What a victim is told, as JSON in its first argument. */
export interface VictimOrder {
  readonly torrent: string;
  readonly peer: { readonly host: string; readonly port: number };
  readonly downloads: readonly {
    readonly folder: string;
    readonly stateDir: string;
    readonly files: readonly number[];
    readonly bytesPerSec: number;
  }[];
}

/** What it says, a line each: `<download> checking <pieces>`, `<download> ready <pieces>`, `<download> piece <number>`, `<download> done`. */
function say(download: number, ...words: readonly (string | number)[]): void {
  writeSync(1, `${download} ${words.join(' ')}\n`);
}

/**
 * A program that downloads, several times at once and each with a session, a disk thread and folders of its own, until it is killed: one
 * kill meets each of them at another point.
 */
const order = JSON.parse(process.argv[2] as string) as VictimOrder;
const bytes = readFileSync(order.torrent);
await Promise.all(
  order.downloads.map(async ({ folder, stateDir, files, bytesPerSec }, i) => {
    const session = await createSession({ path: folder, stateDir, listen: false, downloadLimit: bytesPerSec });
    const events = session.events();
    await session.add(bytes, { files, peers: [order.peer] });
    for await (const event of events) {
      if (event.type === 'torrent.piece') say(i, 'piece', event.piece);
      else if (event.type === 'torrent.checking') say(i, 'checking', event.pieces);
      else if (event.type === 'torrent.ready') say(i, 'ready', event.torrent.state.piecesHave);
      else if (event.type === 'torrent.error') throw event.error;
      else if (event.type === 'torrent.done') say(i, 'done');
    }
  }),
);

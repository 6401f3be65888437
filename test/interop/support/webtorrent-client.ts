/**
 * Clients of npm's bittorrent-tracker with real WebRTC, as a process: `FOLDER URL INFO-HASH NAME:LEFT...`, where FOLDER holds the foreign
 * packages. Says what happens in JSON lines; what connects says hello to the other side. Ends with its input.
 */
import { join } from 'node:path';
import { pathToFileURL } from 'node:url';

interface ForeignPeer {
  readonly id: string;
  on(event: string, listener: (data: Uint8Array) => void): void;
  send(text: string): void;
}

interface ForeignClient {
  on(event: string, listener: (value: never) => void): void;
  start(): void;
  scrape(): void;
}

const [folder = '', url = '', infoHash = '', ...names] = process.argv.slice(2);
const path = join(folder, 'node_modules/bittorrent-tracker/client.js');
const { default: Client } = (await import(pathToFileURL(path).href)) as {
  default: new (options: object) => ForeignClient;
};
/** WebRTC objects that nobody holds stop without a word. */
const held: object[] = [];

for (const each of names) {
  const [name = '', left] = each.split(':');
  const client = new Client({
    infoHash,
    peerId: Buffer.from(name.padEnd(20)).toString('hex'),
    announce: [url],
    port: 6_881,
    // No servers: all candidates are of this machine.
    rtcConfig: { iceServers: [] },
    getAnnounceOpts: () => ({ left: Number(left), uploaded: 0, downloaded: 0 }),
  });
  const say = (event: string, detail: object = {}): void => {
    process.stdout.write(`${JSON.stringify({ name, event, ...detail })}\n`);
  };
  held.push(client);
  client.on('warning', (error: Error) => say('warning', { message: error.message }));
  client.on('error', (error: Error) => say('error', { message: error.message }));
  client.on('scrape', ({ complete, incomplete }: { complete: number; incomplete: number }) =>
    say('scrape', { complete, incomplete }),
  );
  client.on('update', ({ complete, incomplete }: { complete: number; incomplete: number }) => {
    say('update', { complete, incomplete });
    client.scrape();
  });
  client.on('peer', (peer: ForeignPeer) => {
    held.push(peer);
    const other = Buffer.from(peer.id, 'hex').toString().trim();
    peer.on('connect', () => peer.send(`hello from ${name}`));
    peer.on('data', (data) => say('heard', { from: other, text: Buffer.from(data).toString() }));
    peer.on('error', (error: unknown) => say('peer-error', { message: String(error) }));
  });
  client.start();
}

process.stdin.resume().once('end', () => process.exit(0));

/**
 * One announce of our client, as a process of its own, because which authorities are trusted is settled when Node starts:
 * `URL PORT`. Prints the result as JSON.
 */
import { TrackerClient } from '#node';

const [url, port] = process.argv.slice(2) as [string, string];
const client = new TrackerClient({ timeoutMs: 10_000, families: [4], resolve: () => Promise.resolve(['127.0.0.1']) });
const result = await client.announce(url, {
  infoHash: new Uint8Array(20).fill(0x61),
  peerId: new Uint8Array(20).fill(0x62),
  port: Number(port),
  uploaded: 0,
  downloaded: 0,
  left: 1,
  event: 'started',
  numWant: 50,
  key: 1,
});
await client.close();
const said = result.ok ? { ok: true, peers: result.response.peers } : { ok: false, code: result.error.code };
process.stdout.write(JSON.stringify(said));

import { randomBytes } from 'node:crypto';
import { connect, type Socket } from 'node:net';
import { toBinaryString } from '#base';
import { encodeWsRequest } from '#wire';
import { readCounts } from '../support/arguments.ts';
import { JsonChild } from '../support/processes.ts';

/**
 * Memory of a tracker for each idle WebSocket connection that has announced one torrent: the slope between two numbers of
 * connections, after garbage collection.
 *
 *     npm run bench -- tracker-ws [--from 2000] [--to 10000]
 *
 * Both processes need a descriptor for each connection (`ulimit -n`: 10,100 for 10,000). Connections come from several loopback
 * addresses, so that source ports do not run out.
 */
export async function run(args: readonly string[]): Promise<void> {
  const { from, to } = readCounts(args, { from: 2_000, to: 10_000 });
  const child = new JsonChild('ws-tracker.js', [], { nodeArgs: ['--expose-gc'] });
  const sockets: Socket[] = [];
  try {
    const port = (await child.next('ready'))['port'] as number;
    const rows = [await measure(child, 0)];
    for (const count of [from, to]) {
      while (sockets.length < count) {
        const batch = Array.from({ length: Math.min(100, count - sockets.length) }, (_, i) =>
          openPeer(port, sockets.length + i),
        );
        sockets.push(...(await Promise.all(batch)));
      }
      rows.push(await measure(child, count));
    }
    for (const row of rows) {
      const mib = (bytes: number): string => (bytes / 1_048_576).toFixed(1).padStart(7);
      process.stdout.write(
        `${String(row.connections).padStart(6)} connections: resident ${mib(row.rss)} MiB, heap ${mib(row.heapUsed)} MiB, external ${mib(row.external)} MiB\n`,
      );
    }
    const [, low, high] = rows;
    if (low === undefined || high === undefined) return;
    const slope = (what: 'rss' | 'heapUsed'): string =>
      ((high[what] - low[what]) / (high.connections - low.connections) / 1_024).toFixed(2);
    process.stdout.write(`a connection: resident ${slope('rss')} KiB, heap ${slope('heapUsed')} KiB\n`);
  } finally {
    for (const socket of sockets) socket.destroy();
    await child.end();
  }
}

interface Memory {
  readonly connections: number;
  readonly rss: number;
  readonly heapUsed: number;
  readonly external: number;
}

async function measure(child: JsonChild, expected: number): Promise<Memory> {
  child.child.stdin?.write('measure\n');
  const row = (await child.next('memory')) as unknown as Memory & { announces: number };
  if (row.connections !== expected || row.announces !== expected) throw new Error(`not ${expected} connections`);
  return row;
}

/** Opens a connection as a browser does, announces a torrent, and waits for the answer. */
async function openPeer(port: number, index: number): Promise<Socket> {
  const socket = connect({ host: '127.0.0.1', port, localAddress: `127.0.0.${2 + (index % 8)}` });
  socket.on('error', () => socket.destroy());
  socket.write(
    `GET /announce HTTP/1.1\r\nHost: 127.0.0.1:${port}\r\nUser-Agent: Mozilla/5.0 (X11; Linux x86_64; rv:140.0) Gecko/20100101 Firefox/140.0\r\n` +
      'Accept: */*\r\nAccept-Language: en-US,en;q=0.5\r\nAccept-Encoding: gzip, deflate, br, zstd\r\nOrigin: https://example.org\r\n' +
      'Sec-WebSocket-Extensions: permessage-deflate\r\nConnection: keep-alive, Upgrade\r\nUpgrade: websocket\r\n' +
      `Sec-WebSocket-Version: 13\r\nSec-WebSocket-Key: ${randomBytes(16).toString('base64')}\r\n\r\n`,
  );
  await once(socket, '\r\n\r\n');
  const infoHash = toBinaryString(randomBytes(20)).slice(0, 18) + String.fromCharCode(index % 100, 7);
  const peerId = toBinaryString(randomBytes(20));
  const request = { infoHash, peerId, uploaded: 0, downloaded: 0, left: 1, event: 'started', numWant: 5 } as const;
  socket.write(maskedFrame(Buffer.from(encodeWsRequest({ kind: 'announce', ...request, offers: [] }))));
  await once(socket, '"interval"');
  return socket;
}

function once(socket: Socket, text: string): Promise<void> {
  return new Promise((resolve, reject) => {
    let seen = '';
    const onData = (bytes: Buffer): void => {
      seen += bytes.toString('latin1');
      if (!seen.includes(text)) return;
      socket.off('data', onData);
      resolve();
    };
    socket.on('data', onData);
    socket.once('close', () => reject(new Error('the tracker has closed the connection')));
  });
}

/** A text message of 126 bytes to 64 KiB (RFC 6455 section 5.2), masked with zeros. */
function maskedFrame(payload: Buffer): Buffer {
  const head = Buffer.from([0x81, 0xfe, payload.length >>> 8, payload.length, 0, 0, 0, 0]);
  return Buffer.concat([head, payload]);
}

/**
 * Many seeders in one process, for benches that ask what a connection costs the other side: `TORRENT FILE COUNT`. Each has a port and an
 * id of its own, serves from memory, and does the least that a seeder may: everything is had, everybody is unchoked, every request is
 * answered. Says `ready` with its ports; ends with its standard input.
 */
import { randomBytes } from 'node:crypto';
import { readFileSync } from 'node:fs';
import { type AddressInfo, createServer, type Socket } from 'node:net';
import { nodeCrypto } from 'eider/create';
import { swarmKeyBytes } from '#base';
import { parseTorrentFile } from '#metainfo';
import { encodeHandshake, encodeMessage, HandshakeDecoder, PeerDecoder, type PeerMessage } from '#wire';

const [torrentFile, contentFile, count] = process.argv.slice(2) as [string, string, string];
const { info } = parseTorrentFile(readFileSync(torrentFile), nodeCrypto);
const content = readFileSync(contentFile);
const infoHash = swarmKeyBytes(info.hashV1 ?? (info.hashV2 as NonNullable<typeof info.hashV2>));
const PIECE = 7;
const HEADER_BYTES = 13;

const servers = Array.from({ length: Number(count) }, () => {
  const peerId = randomBytes(20);
  return createServer((socket) => serve(socket, peerId)).listen(0, '127.0.0.1');
});
await Promise.all(servers.map((server) => new Promise((resolve) => server.once('listening', resolve))));
const ports = servers.map((server) => (server.address() as AddressInfo).port);
process.stdout.write(`${JSON.stringify({ event: 'ready', ports })}\n`);
process.stdin.resume();
process.stdin.on('end', () => process.exit(0));

function serve(socket: Socket, peerId: Uint8Array): void {
  socket.setNoDelay(true);
  // A leecher that is done goes away in the middle.
  socket.on('error', () => {});
  const handshake = new HandshakeDecoder();
  const decoder = new PeerDecoder();
  let isOpen = false;
  const sink = {
    onMessage: (message: PeerMessage) => answer(socket, message),
    onBlockStart: () => {},
    onBlockBytes: () => {},
    onBlockEnd: () => {},
  };
  socket.on('data', (bytes: Buffer) => {
    socket.cork();
    if (isOpen) decoder.push(bytes, sink);
    else {
      const done = handshake.push(bytes);
      if (done !== undefined) {
        isOpen = true;
        const flags = { extensions: false, fast: true, dht: false, v2: false };
        socket.write(encodeHandshake({ infoHash, peerId, flags }));
        socket.write(encodeMessage({ kind: 'have-all' }));
        socket.write(encodeMessage({ kind: 'unchoke' }));
        if (done.rest.length > 0) decoder.push(done.rest, sink);
      }
    }
    socket.uncork();
  });
}

function answer(socket: Socket, message: PeerMessage): void {
  if (message.kind === 'interested') socket.write(encodeMessage({ kind: 'unchoke' }));
  if (message.kind !== 'request') return;
  const { piece, begin, length } = message;
  const header = Buffer.allocUnsafe(HEADER_BYTES);
  header.writeUInt32BE(HEADER_BYTES - 4 + length, 0);
  header[4] = PIECE;
  header.writeUInt32BE(piece, 5);
  header.writeUInt32BE(begin, 9);
  const at = piece * info.pieceLength + begin;
  socket.write(header);
  socket.write(content.subarray(at, at + length));
}

/**
 * Asks a tracker as fast as it answers: `PORT KEEP-ALIVE CONNECTIONS`. Speaks JSON lines: `{"event":"count","answers":…}` for each line on
 * its standard input, and ends when that ends. Answers are found by their length; a refusal ends the process.
 */
import { connect, type Socket } from 'node:net';
import { createInterface } from 'node:readline';
import { announceRequest } from './http-requests.ts';

const [port, keepAlive, connections] = process.argv.slice(2).map(Number) as [number, number, number];
const requests = Array.from({ length: 4_096 }, (_, i) => announceRequest(i, keepAlive === 1));
let answers = 0;
let next = 0;

function ask(socket: Socket): void {
  socket.write(requests[next++ % requests.length] as Buffer);
}

function open(): void {
  const socket = connect({ port, host: '127.0.0.1', noDelay: true });
  let unread: Buffer = Buffer.alloc(0);
  socket.on('connect', () => ask(socket));
  socket.on('data', (bytes) => {
    unread = unread.length === 0 ? bytes : Buffer.concat([unread, bytes]);
    const end = endOfAnswer(unread);
    if (end < 0 || end > unread.length) return;
    unread = unread.subarray(end);
    answers++;
    if (keepAlive === 1) ask(socket);
  });
  socket.on('error', () => {});
  socket.on('close', open);
}

function endOfAnswer(bytes: Buffer): number {
  const bodyAt = bytes.indexOf('\r\n\r\n') + 4;
  if (bodyAt < 4) return -1;
  const head = bytes.toString('latin1', 0, bodyAt);
  if (!head.startsWith('HTTP/1.1 200') || bytes.includes('failure reason')) throw new Error(bytes.toString('latin1'));
  return bodyAt + Number(/content-length: (\d+)/i.exec(head)?.[1]);
}

for (let i = 0; i < connections; i++) open();
createInterface({ input: process.stdin })
  .on('line', () => process.stdout.write(`${JSON.stringify({ event: 'count', answers })}\n`))
  .on('close', () => process.exit());

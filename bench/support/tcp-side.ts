/**
 * The other side of the transport bench: `source|sink BYTES PORT`, connects to the port, or where it is 0 listens and says so as a JSON line.
 * A source sends so many bytes as fast as they are taken, a sink throws away what comes.
 */
import { type AddressInfo, connect, createServer, type Socket } from 'node:net';

const [role, total, port] = process.argv.slice(2) as [string, string, string];
const chunk = Buffer.alloc(1_048_576);

function serve(socket: Socket): void {
  socket.on('error', () => {});
  socket.setNoDelay(true);
  if (role === 'sink') {
    socket.resume();
    return;
  }
  let left = Number(total);
  const send = (): void => {
    while (left > 0) {
      const bytes = Math.min(left, chunk.length);
      left -= bytes;
      if (!socket.write(chunk.subarray(0, bytes))) return;
    }
  };
  socket.on('drain', send);
  send();
}

if (port === '0') {
  const server = createServer(serve).listen(0, '127.0.0.1', () => {
    process.stdout.write(`${JSON.stringify({ event: 'ready', port: (server.address() as AddressInfo).port })}\n`);
  });
} else {
  const socket = connect(Number(port), '127.0.0.1', () => serve(socket));
}
process.stdin.resume();
process.stdin.on('end', () => process.exit(0));

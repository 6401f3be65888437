import type { ChildProcess } from 'node:child_process';
import { createSocket } from 'node:dgram';
import { once } from 'node:events';
import { type AddressInfo, connect, createServer } from 'node:net';
import type { PeerAddress } from '#base';

const HOST = '127.0.0.1';
const POLL_MS = 50;
const POLLS_MAX = 100;

/** @returns a port that is free for TCP and UDP, for programs that cannot be told to take any */
export async function findFreePort(): Promise<number> {
  const server = createServer().listen(0, HOST);
  await once(server, 'listening');
  const { port } = server.address() as AddressInfo;
  const socket = createSocket('udp4');
  const isFree = await new Promise<boolean>((resolve) => {
    socket.once('error', () => resolve(false));
    socket.bind(port, HOST, () => resolve(true));
  });
  socket.close();
  server.close();
  await once(server, 'close');
  return isFree ? port : findFreePort();
}

/** Until the program takes connections there. @throws where it has ended, with what it said on stderr */
export async function waitForListener(child: ChildProcess, at: PeerAddress): Promise<void> {
  let said = '';
  child.stderr?.on('data', (text: Buffer) => {
    said += text.toString();
  });
  for (let tries = 0; tries < POLLS_MAX; tries++) {
    if (child.exitCode !== null) throw new Error(`${child.spawnfile} ended: ${said}`);
    const socket = connect(at.port, at.host);
    const isUp = await new Promise<boolean>((resolve) => {
      socket.once('connect', () => resolve(true));
      socket.once('error', () => resolve(false));
    });
    socket.destroy();
    if (isUp) return;
    await new Promise((resolve) => setTimeout(resolve, POLL_MS));
  }
  throw new Error(`${child.spawnfile} does not listen`);
}

import type { PeerAddress } from '#base';
import type { JsonChild } from '../support/processes.ts';
import type { Leecher, Side } from './program.ts';

const HOST = '127.0.0.1';

/** A child that says `{"event":"ready","port":N}` when peers can connect. */
export async function toSide(child: JsonChild): Promise<Side> {
  const { port } = await child.next('ready');
  return {
    pid: child.child.pid as number,
    address: { host: HOST, port: Number(port) },
    [Symbol.asyncDispose]: () => child.end(),
  };
}

/** A child that begins when it gets a line, and says `{"event":"complete","seconds":N}` in the end. */
export async function toLeecher(
  child: JsonChild,
  formatPeers: (peers: readonly PeerAddress[]) => string,
): Promise<Leecher> {
  return {
    ...(await toSide(child)),
    fetch: async (peers) => {
      child.child.stdin?.write(`${formatPeers(peers)}\n`);
      const { seconds } = await child.next('complete');
      return Number(seconds);
    },
  };
}

import { lookup } from 'node:dns/promises';
import { networkInterfaces } from 'node:os';
import { BtError, type HostPort, type PeerAddress, parseIp } from '../base/index.ts';
import { CliError, exitCodes } from './exit.ts';

/** Some containers have no IPv6 at all: binding to `::` fails there. */
function hasIpv6(): boolean {
  return Object.values(networkInterfaces()).some((list) => list?.some((i) => i.family === 'IPv6'));
}

/** Whether nobody can be reached at such an address: it stands for all of this machine's. */
export function isAnyAddress(host: string): boolean {
  return host === '::' || host === '0.0.0.0';
}

/**
 * The numeric addresses meant by a place to listen. Without a host: every address of the machine, as `::` where there is IPv6
 * (a listener there takes IPv4 too, if it is not told otherwise). A name stands for all its addresses (`localhost` often has two).
 *
 * @throws CliError where a name is not known
 */
export async function resolveListen({ host, port }: HostPort): Promise<readonly PeerAddress[]> {
  if (host === undefined || host === '*') return [{ host: hasIpv6() ? '::' : '0.0.0.0', port }];
  if (parseIp(host) !== undefined) return [{ host, port }];
  const found = await lookup(host, { all: true }).catch((cause: unknown) => {
    const { message } = new BtError('net/listen', { host, port, what: 'no such name' });
    throw new CliError(exitCodes.failure, 'net/listen', message, { cause });
  });
  // With port 0 two addresses would get two ports; one is what the user expects.
  return (port === 0 ? found.slice(0, 1) : found).map(({ address }) => ({ host: address, port }));
}

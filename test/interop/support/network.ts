import { execFile, execFileSync } from 'node:child_process';
import { promisify } from 'node:util';

const run = promisify(execFile);

/** Marks namespaces as ours; the process id behind it says whose, so that a later run can remove what a killed one left. */
const prefix = 'eider-interop-';
/** Names of namespaces that exist and are ours; removed at exit if a test did not get to it. */
const live = new Set<string>();
let made = 0;

/**
 * Two network namespaces joined by a wire: an ordinary MTU and addresses of a private network, none of them loopback. Transmission 3.00
 * ignores peers in 127.0.0.0/8, keeps one peer an address, and cuts UDP where the MTU is 65536.
 *
 * Nothing outside can be reached from in here, and every port is free.
 */
export interface Network extends AsyncDisposable {
  /** Our side. */
  readonly near: NetworkSide;
  /** The foreign program's side. */
  readonly far: NetworkSide;
}

export interface NetworkSide {
  readonly namespace: string;
  readonly host: string;
}

export interface NetworkOptions {
  /** Hosts have IPv6 addresses and no others. */
  readonly ipv6?: boolean;
}

export async function makeNetwork({ ipv6 = false }: NetworkOptions = {}): Promise<Network> {
  const name = `${prefix}${process.pid}-${made++}`;
  const near = { namespace: `${name}-near`, host: ipv6 ? 'fd83::1' : '10.83.0.1' };
  const far = { namespace: `${name}-far`, host: ipv6 ? 'fd83::2' : '10.83.0.2' };
  const network = {
    near,
    far,
    [Symbol.asyncDispose]: async () => {
      // The wire goes with its ends.
      for (const { namespace } of [near, far]) await removeNamespace(namespace);
    },
  };
  try {
    for (const { namespace } of [near, far]) {
      live.add(namespace);
      await ip('netns', 'add', namespace);
    }
    await ip('link', 'add', 'wire0', 'netns', near.namespace, 'type', 'veth', 'peer', 'wire0', 'netns', far.namespace);
    for (const { namespace, host } of [near, far]) {
      // Without `nodad` an IPv6 address cannot be used for a second.
      const address = ipv6 ? [`${host}/64`, 'nodad'] : [`${host}/24`];
      await ip('-n', namespace, 'address', 'add', ...address, 'dev', 'wire0');
      await ip('-n', namespace, 'link', 'set', 'wire0', 'mtu', '1500', 'up');
      await ip('-n', namespace, 'link', 'set', 'lo', 'up');
    }
    return network;
  } catch (error) {
    await network[Symbol.asyncDispose]();
    throw error;
  }
}

/** What to put before a command so that it runs in a namespace; the process keeps its id. */
export function inside(side: NetworkSide): readonly string[] {
  return ['ip', 'netns', 'exec', side.namespace];
}

/** Why namespaces cannot be made here; undefined = they can. Removes what a killed run has left. */
export async function whyNoNetwork(): Promise<string | undefined> {
  if (process.platform !== 'linux') return 'needs Linux network namespaces';
  if (process.getuid?.() !== 0) return 'needs root to make network namespaces';
  try {
    await removeOrphans();
    const network = await makeNetwork();
    await network[Symbol.asyncDispose]();
    return undefined;
  } catch (error) {
    return `cannot make network namespaces: ${(error as Error).message.trim()}`;
  }
}

async function ip(...args: string[]): Promise<string> {
  const { stdout } = await run('ip', args, { timeout: 10_000 });
  return stdout;
}

async function removeNamespace(namespace: string): Promise<void> {
  if (!live.has(namespace)) return;
  await ip('netns', 'del', namespace).catch(() => {});
  live.delete(namespace);
}

async function removeOrphans(): Promise<void> {
  for (const line of (await ip('netns', 'list')).split('\n')) {
    const namespace = line.split(' ')[0] ?? '';
    const pid = Number(new RegExp(`^${prefix}(\\d+)-`).exec(namespace)?.[1]);
    if (pid > 0 && !isRunning(pid)) await ip('netns', 'del', namespace).catch(() => {});
  }
}

function isRunning(pid: number): boolean {
  try {
    process.kill(pid, 0);
    return true;
  } catch (error) {
    return (error as NodeJS.ErrnoException).code !== 'ESRCH';
  }
}

process.on('exit', () => {
  for (const namespace of live) {
    try {
      execFileSync('ip', ['netns', 'del', namespace], { stdio: 'ignore', timeout: 5_000 });
    } catch {
      // The next run tries again.
    }
  }
});

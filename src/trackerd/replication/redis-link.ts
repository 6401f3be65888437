import type { Cluster, Redis } from 'iovalkey';
import { BtError } from '../../base/index.ts';
import type { RedisAddress } from './redis-address.ts';
import type { ReplicationLimits } from './types.ts';

type Iovalkey = Pick<typeof import('iovalkey'), 'Redis' | 'Cluster'>;
let loading: Promise<Iovalkey> | undefined;

/** @throws BtError `client/invalid` where the optional package is not there */
export async function loadRedisClient(): Promise<Iovalkey> {
  const missing = (why: string, cause?: unknown): BtError =>
    new BtError('client/invalid', { what: `replication needs the package iovalkey: ${why}` }, { cause });
  // Lets tests and operators do without an optional dependency that is installed.
  if ((process.env['EIDER_WITHOUT'] ?? '').split(',').includes('iovalkey')) {
    throw missing('it is switched off by EIDER_WITHOUT');
  }
  const library = (loading ??= import('iovalkey'));
  try {
    return await library;
  } catch (error) {
    loading = undefined;
    throw missing('install it with `npm install iovalkey`', error);
  }
}

type LinkLimits = Pick<ReplicationLimits, 'commandTimeoutMs' | 'connectTimeoutMs'>;

/** What Redis answers: strings of bytes are `Buffer`. */
export type RedisReply = Buffer | number | null | RedisReply[];

/**
 * One connection to a server, or to a cluster, as long as it lasts. It never reconnects by itself: who uses it must look again at what
 * Redis still has, so a fault ends the link and a new one is made.
 */
export class RedisLink {
  readonly #client: Redis | Cluster;
  readonly isCluster: boolean;
  /** The library's own limit does not hold for commands that wait for a node to be found. */
  readonly #clusterTimeoutMs: number;

  private constructor(client: Redis | Cluster, clusterTimeoutMs: number) {
    this.#client = client;
    this.#clusterTimeoutMs = clusterTimeoutMs;
    this.isCluster = clusterTimeoutMs > 0;
  }

  /**
   * @param o.signal aborting gives up connecting, and closes the link later on
   * @throws BtError `client/invalid` without the package, `client/aborted`; whatever the client library throws where Redis cannot be
   *   reached
   */
  static async connect(
    address: RedisAddress,
    o: { connectionName: string; limits: LinkLimits; signal: AbortSignal },
  ): Promise<RedisLink> {
    const client = makeClient(await loadRedisClient(), address, o);
    // A fault is seen by the command that fails, or by the next one; while connecting, only here is said what it was.
    let fault: unknown;
    client.on('error', (error) => {
      fault = error;
    });
    try {
      // A client of a cluster that fails in the wrong moment never says so.
      await within(o.limits.connectTimeoutMs * 2, client.connect(), o.signal);
    } catch (error) {
      client.disconnect();
      throw fault ?? error;
    }
    // What waits for an answer fails at once then: a server that hangs holds up nobody who leaves.
    o.signal.addEventListener('abort', () => client.disconnect(), { once: true });
    return new RedisLink(client, address.kind === 'cluster' ? o.limits.commandTimeoutMs * 2 : 0);
  }

  /** @throws what Redis answers with an error, or the library where the link is broken or an answer does not come in time */
  async call(command: string, ...args: (string | number | Uint8Array)[]): Promise<RedisReply> {
    const reply = this.#client.callBuffer(command, ...args.map(toArgument)) as Promise<RedisReply>;
    return this.isCluster ? await within(this.#clusterTimeoutMs, reply) : await reply;
  }

  close(): void {
    this.#client.disconnect();
  }
}

/** @throws BtError `client/timeout` where it takes longer, `client/aborted` */
async function within<T>(ms: number, result: Promise<T>, signal?: AbortSignal): Promise<T> {
  let timer: NodeJS.Timeout | undefined;
  let stop: (() => void) | undefined;
  const late = new Promise<never>((_, reject) => {
    timer = setTimeout(() => reject(new BtError('client/timeout', { what: 'Redis' })), ms);
    stop = () => reject(new BtError('client/aborted', { what: 'connecting to Redis' }));
    if (signal?.aborted === true) stop();
    signal?.addEventListener('abort', stop, { once: true });
  });
  try {
    return await Promise.race([result, late]);
  } finally {
    clearTimeout(timer);
    if (stop !== undefined) signal?.removeEventListener('abort', stop);
  }
}

function toArgument(value: string | number | Uint8Array): string | number | Buffer {
  return typeof value === 'object' ? Buffer.from(value.buffer, value.byteOffset, value.length) : value;
}

function makeClient(
  library: Iovalkey,
  address: RedisAddress,
  o: { connectionName: string; limits: LinkLimits },
): Redis | Cluster {
  const { commandTimeoutMs, connectTimeoutMs } = o.limits;
  const { nodes, path, username, password, tls, db } = address;
  const shared = {
    lazyConnect: true,
    commandTimeout: commandTimeoutMs,
    connectTimeout: connectTimeoutMs,
    maxRetriesPerRequest: 0,
    autoResendUnfulfilledCommands: false,
    connectionName: o.connectionName,
    // The library's timer for this holds the process up.
    disconnectTimeout: 100,
    ...(username !== undefined && { username }),
    ...(password !== undefined && { password }),
    ...(tls !== undefined && { tls: { ...tls } }),
  };
  if (address.kind === 'cluster') {
    return new library.Cluster([...nodes], {
      lazyConnect: true,
      clusterRetryStrategy: () => null,
      enableOfflineQueue: true,
      slotsRefreshTimeout: connectTimeoutMs,
      redisOptions: shared,
    });
  }
  const single = { ...shared, db, retryStrategy: () => null, enableOfflineQueue: false };
  if (address.kind === 'sentinel') {
    return new library.Redis({
      ...single,
      sentinels: [...nodes],
      name: address.masterName,
      sentinelRetryStrategy: () => null,
      sentinelCommandTimeout: commandTimeoutMs,
      enableTLSForSentinelMode: tls !== undefined,
      ...(tls !== undefined && { sentinelTLS: { ...tls } }),
      ...(password !== undefined && { sentinelPassword: password }),
    });
  }
  const [node] = nodes;
  return new library.Redis(path !== undefined ? { ...single, path } : { ...single, ...node });
}

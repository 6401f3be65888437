import { request } from 'node:http';
import { join } from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';
import { formatAddress, parseIp } from '#base';
import { makeCertificate } from '../../support/certificate.ts';
import { eiderPath } from '../../support/run-cli.ts';
import { writeTree } from '../../support/temp-folder.ts';
import { EventProgram } from './event-program.ts';
import type { NetworkSide } from './network.ts';

export type TrackerProtocol = 'http' | 'https' | 'udp';

/** What the API says of a torrent. */
export interface SwarmCounts {
  readonly seeders: number;
  readonly leechers: number;
  readonly downloads: number;
}

const token = 'f00dfeedf00dfeedf00dfeedf00dfeed';
const pollMs = 50;

/**
 * `eider tracker --config FILE` in a namespace, as an operator runs it: HTTP, HTTPS, and UDP by worker threads with batched system calls
 * (they must be there, or it does not start). Its API is asked over a Unix socket, which no namespace is in the way of.
 */
export class WholeTracker implements AsyncDisposable {
  /** PEM file: who trusts it can come by HTTPS. */
  readonly certFile: string;
  readonly #side: NetworkSide;
  readonly #folder: string;
  readonly #more: readonly string[];
  #program: EventProgram | undefined;
  /** Of the first start: it comes back to the same places. */
  readonly #ports: Record<TrackerProtocol, number> = { http: 0, https: 0, udp: 0 };

  /**
   * @param folder of its own
   * @param more lines of the configuration
   */
  constructor(side: NetworkSide, folder: string, more: readonly string[] = []) {
    this.#side = side;
    this.#folder = folder;
    this.#more = more;
    const { cert, key } = makeCertificate('a tracker', parseIp(side.host) as Uint8Array);
    writeTree(folder, { 'cert.pem': Buffer.from(cert), 'key.pem': Buffer.from(key) });
    this.certFile = join(folder, 'cert.pem');
  }

  /** Resolves when it serves. */
  async start(): Promise<this> {
    const file = join(this.#folder, 'tracker.toml');
    writeTree(this.#folder, { 'tracker.toml': Buffer.from(this.#configuration()) });
    const program = new EventProgram(this.#side, [process.execPath, eiderPath, 'tracker', '--config', file, '--json']);
    this.#program = program;
    await program.until('ready');
    for (const protocol of ['http', 'https', 'udp'] as const) {
      const { port } = await program.until('listening', (said) => said['protocol'] === protocol);
      this.#ports[protocol] = Number(port);
    }
    return this;
  }

  /** @returns the exit code */
  async stop(): Promise<number | undefined> {
    return await this.#program?.program.stop();
  }

  /** Rejects where it dies. */
  get fails(): Promise<never> {
    return (this.#program as EventProgram).fails;
  }

  url(protocol: TrackerProtocol, passkey?: string): string {
    const at = formatAddress({ host: this.#side.host, port: this.#ports[protocol] });
    return `${protocol}://${at}${passkey === undefined ? '' : `/${passkey}`}/announce`;
  }

  /** @returns the answer; undefined where it is 404 */
  async api(method: string, path: string, body?: unknown): Promise<unknown> {
    const { status, text } = await this.#ask(method, `/api/v1${path}`, body);
    if (status === 404) return undefined;
    if (status >= 300) throw new Error(`${method} ${path}: ${status} ${text}`);
    return text === '' ? undefined : JSON.parse(text);
  }

  async metrics(): Promise<string> {
    return (await this.#ask('GET', '/metrics')).text;
  }

  async countsOf(infoHash: string): Promise<SwarmCounts | undefined> {
    return (await this.api('GET', `/swarms/${infoHash}`)) as SwarmCounts | undefined;
  }

  /** Addresses of the peers that it would give, in order. */
  async peerHosts(infoHash: string): Promise<string[]> {
    const { peers } = (await this.api('GET', `/swarms/${infoHash}/peers`)) as { peers: { address: string }[] };
    return peers.map(({ address }) => address).sort();
  }

  /** Resolves when the counts of a torrent are so; the test's time limit ends it otherwise. */
  async untilCounts(infoHash: string, wanted: Partial<SwarmCounts>): Promise<void> {
    await this.until(async () => {
      const counts = await this.countsOf(infoHash);
      return Object.entries(wanted).every(([key, value]) => counts?.[key as keyof SwarmCounts] === value);
    });
  }

  /** Asks again and again; rejects where the tracker dies. */
  async until(isSo: () => Promise<boolean>): Promise<void> {
    const over = new AbortController();
    const asking = async () => {
      while (!over.signal.aborted && !(await isSo())) await sleep(pollMs);
    };
    try {
      await Promise.race([asking(), this.fails]);
    } finally {
      over.abort();
    }
  }

  /** What it has written. */
  get output(): string {
    return this.#program?.program.output ?? '';
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await this.#program?.[Symbol.asyncDispose]();
  }

  #configuration(): string {
    const place = (protocol: TrackerProtocol) =>
      `${protocol} = "${formatAddress({ host: this.#side.host, port: this.#ports[protocol] })}"`;
    return [
      '[listen]',
      ...(['http', 'https', 'udp'] as const).map(place),
      `unix = "${join(this.#folder, 'http.sock')}"`,
      `[tls]\ncert = "${this.certFile}"\nkey = "${join(this.#folder, 'key.pem')}"`,
      '[udp]\nthreads = 2\nbatch = "on"',
      `[admin]\ntoken = "${token}"`,
      ...this.#more,
      '',
    ].join('\n');
  }

  #ask(method: string, path: string, body?: unknown): Promise<{ status: number; text: string }> {
    return new Promise((resolve, reject) => {
      const headers = { authorization: `Bearer ${token}`, 'content-type': 'application/json' };
      const socketPath = join(this.#folder, 'http.sock');
      const asked = request({ socketPath, method, path, headers, agent: false }, (answer) => {
        let text = '';
        answer.setEncoding('utf8').on('data', (more: string) => {
          text += more;
        });
        answer.on('end', () => resolve({ status: answer.statusCode ?? 0, text })).on('error', reject);
      });
      asked.on('error', reject);
      asked.end(body === undefined ? undefined : JSON.stringify(body));
    });
  }
}

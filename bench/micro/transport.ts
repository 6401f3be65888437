import { TcpTransport } from '#room/node/tcp';
import type { ByteStream, StreamHandlers } from '#room/node/transport';
import { readCountsInOrder } from '../support/arguments.ts';
import { JsonChild, median } from '../support/processes.ts';

const MIB = 1_048_576;
const HOST = '127.0.0.1';
/** A run as the uploader has it: 16 blocks and their headers. */
const runBytes = 16 * (16_384 + 13);
/** Bytes at the socket at a time. */
const windowBytes = MIB;

/**
 * What the transport costs this side, in CPU-seconds a GiB and ns a call: bytes received into the one buffer by a socket that was dialled,
 * by one that was accepted, and by one accepted and read by 'data' events, as where the runtime does not let us replace it; and runs sent.
 * The other side is a process of its own.
 *
 *     npm run bench -- transport [MIB] [ROUNDS]
 */
export async function run(args: readonly string[]): Promise<void> {
  const [mib, rounds] = readCountsInOrder(args, [1024, 3]);
  const cases = {
    'receive, dialled': () => measure(mib, 'source', { isDialled: true }),
    'receive, accepted': () => measure(mib, 'source', { isDialled: false }),
    "receive, accepted, 'data' events": () => measure(mib, 'source', { isDialled: false, useOnread: false }),
    'send runs': () => measure(mib, 'sink', { isDialled: true }),
  };
  const costs = new Map<string, Cost[]>();
  for (let round = 0; round < rounds; round++) {
    for (const [what, act] of Object.entries(cases)) costs.set(what, [...(costs.get(what) ?? []), await act()]);
  }
  const figure = (all: readonly Cost[], name: keyof Cost) => Math.round(median(all.map((c) => c[name])) * 1000) / 1000;
  const rows = [...costs].map(([what, all]) => {
    const row = {
      'CPU-s/GiB': figure(all, 'cpu'),
      system: figure(all, 'system'),
      'wall s': figure(all, 'wall'),
      'KiB a call': figure(all, 'kibPerCall'),
    };
    return [what, row] as const;
  });
  console.table(Object.fromEntries(rows));
}

interface Cost {
  readonly cpu: number;
  readonly system: number;
  readonly wall: number;
  readonly kibPerCall: number;
}

interface Order {
  /** We connect; else the other side does. */
  readonly isDialled: boolean;
  readonly useOnread?: boolean;
}

async function measure(mib: number, role: 'source' | 'sink', { isDialled, useOnread = true }: Order): Promise<Cost> {
  const transport = new TcpTransport({ useOnread });
  const total = mib * MIB;
  const job = new Job(role, total);
  const listener = await transport.listen({ host: HOST, port: 0 }, (_from, stream) => job.take(stream));
  const child = new JsonChild('./tcp-side.js', [role, String(total), isDialled ? '0' : String(listener.address.port)]);
  try {
    if (isDialled) {
      const { port } = await child.next('ready');
      job.take(transport.dial({ host: HOST, port: Number(port) }, job));
    }
    await job.opened;
    const cpu = process.cpuUsage();
    const startedAt = performance.now();
    await job.done;
    const { user, system } = process.cpuUsage(cpu);
    const scale = mib / 1024;
    return {
      cpu: (user + system) / 1e6 / scale,
      system: system / 1e6 / scale,
      wall: (performance.now() - startedAt) / 1000,
      kibPerCall: total / 1024 / job.calls,
    };
  } finally {
    await transport.close();
    await child.end();
  }
}

/** Receives or sends so much. */
class Job implements StreamHandlers {
  calls = 0;
  readonly opened: Promise<void>;
  readonly done: Promise<void>;
  readonly #role: 'source' | 'sink';
  readonly #total: number;
  readonly #run = new Uint8Array(runBytes);
  #stream: ByteStream | undefined;
  #moved = 0;
  #atSocket = 0;
  #open!: () => void;
  #finish!: () => void;

  constructor(role: 'source' | 'sink', total: number) {
    this.#role = role;
    this.#total = total;
    this.opened = new Promise((resolve) => {
      this.#open = resolve;
    });
    this.done = new Promise((resolve) => {
      this.#finish = resolve;
    });
  }

  take(stream: ByteStream): StreamHandlers {
    this.#stream = stream;
    return this;
  }
  onOpen(): void {
    this.#open();
    if (this.#role === 'sink') this.#send();
  }
  onBytes(bytes: Uint8Array): void {
    this.#open();
    this.calls++;
    this.#moved += bytes.length;
    if (this.#moved >= this.#total) this.#finish();
  }
  onWritten(): void {
    this.#atSocket -= runBytes;
    this.#send();
  }
  onClosed(): void {}

  #send(): void {
    while (this.#atSocket < windowBytes && this.#moved < this.#total) {
      this.calls++;
      this.#moved += runBytes;
      this.#atSocket += runBytes;
      this.#stream?.writePayload(this.#run, 0);
    }
    if (this.#atSocket === 0) this.#finish();
  }
}

import { createServer, type IncomingMessage, type Server, type ServerResponse } from 'node:http';
import type { Socket } from 'node:net';
import { Duplex } from 'node:stream';
import { type Millis, seededRng } from '#base';
import { HttpConnection, type SocketTaker } from '#room/trackerd/http/connection';
import { Networks } from '#room/trackerd/http/networks';
import { HttpRoutes, type HttpRoutesOptions } from '#room/trackerd/http/routes';
import { type FrontLimits, frontLimits } from '#room/trackerd/limits';
import {
  type CounterRow,
  CounterTable,
  DenseStore,
  type TrackerHooks,
  type TrackerLimits,
  TrackerLogic,
  toTrackerLimits,
} from '#tracker';

/** The parts of a tracker that its HTTP front end needs, with a small store and a clock that stands still until it is moved. */
export class HttpParts {
  readonly store: DenseStore;
  readonly logic: TrackerLogic;
  readonly counts: CounterRow = new CounterTable(1).row(0);
  readonly routes: HttpRoutes;
  readonly limits: FrontLimits;
  readonly errors: unknown[] = [];
  now = 1_000_000 as Millis;

  constructor(
    options: {
      limits?: Partial<FrontLimits>;
      tracker?: Partial<TrackerLimits>;
      hooks?: readonly TrackerHooks[];
      routes?: (parts: HttpParts) => Partial<HttpRoutesOptions>;
    } = {},
  ) {
    const limits = toTrackerLimits({ swarmsMax: 20_000, peersMax: 20_000, intervalJitterSec: 0, ...options.tracker });
    this.limits = { ...frontLimits, ...options.limits };
    this.store = DenseStore.create({ limits, rng: seededRng(3) });
    const { store } = this;
    this.logic = new TrackerLogic({ store, limits, hooks: options.hooks ?? [], rng: seededRng(4) });
    this.routes = new HttpRoutes({
      logic: this.logic,
      counts: this.counts,
      peersMax: limits.numWantMax,
      onBug: (error) => this.errors.push(error),
      ...options.routes?.(this),
    });
  }

  /** A connection without a network: what is given to `receive` comes in, what goes out is collected. */
  connect(
    options: { source?: Uint8Array; trusted?: readonly string[]; other?: SocketTaker; unsentKept?: boolean } = {},
  ): TestLine {
    return new TestLine(this, options);
  }
}

/** Bytes are lent to a connection for one call only: this is overwritten after each. */
const lent = Buffer.alloc(65_536);

/** The other end of a connection without a network. */
export class TestLine {
  readonly connection: HttpConnection;
  readonly socket: Duplex;
  isClosed = false;
  #sent: Buffer[] = [];
  #release: (() => void) | undefined;

  constructor(
    parts: HttpParts,
    o: { source?: Uint8Array; trusted?: readonly string[]; other?: SocketTaker; unsentKept?: boolean },
  ) {
    this.socket = new Duplex({
      read: () => {},
      write: (chunk: Buffer, _encoding, done) => {
        this.#sent.push(Buffer.from(chunk));
        if (o.unsentKept === true) this.#release = done;
        else done();
      },
    });
    const { routes, counts, limits } = parts;
    const setting = {
      ...{ routes, counts, limits },
      now: () => parts.now,
      trusted: new Networks(o.trusted ?? []),
      other: o.other,
      pagesOnly: false,
      sendsLater: false,
    };
    this.connection = new HttpConnection(this.socket as Socket, setting, o.source ?? Uint8Array.of(93, 184, 216, 34));
    this.socket.once('close', () => {
      this.isClosed = true;
    });
  }

  /** @param pieces one call each */
  receive(...pieces: readonly (string | Buffer)[]): void {
    for (const piece of pieces) {
      const length = typeof piece === 'string' ? lent.write(piece, 'latin1') : piece.copy(lent);
      this.connection.onBytes(lent.subarray(0, length));
      lent.fill(0xff, 0, length);
    }
  }

  /** The client takes what waits for it. */
  take(): void {
    const release = this.#release;
    this.#release = undefined;
    release?.();
  }

  /** What has gone out since the last call, one character a byte. */
  sent(): string {
    const text = Buffer.concat(this.#sent).toString('latin1');
    this.#sent = [];
    return text;
  }

  /** Whether the last answer was also the end. */
  get isEnded(): boolean {
    return this.socket.writableEnded;
  }
}

/** An announce of torrent `torrent`: 20 times that character. */
export function announceText(
  options: { torrent?: string; port?: number; query?: string; headers?: readonly string[]; path?: string } = {},
): string {
  const { torrent = 'a', port = 6881, query = '', headers = [], path = '/announce' } = options;
  const target = `${path}?info_hash=${torrent.repeat(20)}&peer_id=-XX0001-abcdefghijkl&port=${port}&left=1${query}`;
  return `GET ${target} HTTP/1.1\r\n${['Host: x', ...headers].join('\r\n')}\r\n\r\n`;
}

/** Pages beside the tracker, served by node:http as an operator's are. */
export function createPages(answer: (request: IncomingMessage, response: ServerResponse) => boolean): Server {
  return createServer((request, response) => {
    if (answer(request, response)) return;
    let length = 0;
    request.on('data', (bytes: Buffer) => {
      length += bytes.length;
    });
    request.on('end', () => response.end(`${request.method} ${request.url} ${length}`));
  });
}

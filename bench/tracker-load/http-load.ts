import { connect, type Socket } from 'node:net';
import type { PeerAddress, Rng } from '#base';
import { type BDict, decode, getBytes, getDict, getInt, getText, isBList } from '#bencode';
import { type AnnounceEvent, encodeAnnounceQuery, encodeScrapeQuery } from '#wire';
import { type Judge, WrongAnswer } from './judge.ts';
import type { Population } from './population.ts';
import type { LoadCounts } from './udp-load.ts';
import type { Workload } from './workload.ts';

export interface HttpPhase {
  readonly work: 'http-announce' | 'http-scrape';
  /** False: every request says `Connection: close`. */
  readonly keepsAlive: boolean;
  readonly answers: number;
  /** Connections, each with one request under way. */
  readonly window: number;
}

export interface HttpLoadOptions {
  readonly tracker: PeerAddress;
  readonly population: Population;
  readonly workload: Workload;
  readonly judge: Judge;
  readonly rng: Rng;
  readonly numWant: number;
}

const EVENTS: readonly AnnounceEvent[] = ['none', 'completed', 'started', 'stopped'];
const END_OF_HEAD = '\r\n\r\n';
const SILENCE_MAX_MS = 10_000;
/** What a leecher has left. */
const LEFT_BYTES = 1_000_000;

/** Asks a tracker by HTTP, over connections from all source addresses, one request under way on each, and has every answer judged. */
export class HttpLoad {
  readonly #o: HttpLoadOptions;

  constructor(options: HttpLoadOptions) {
    this.#o = options;
  }

  /** @throws WrongAnswer */
  run(phase: HttpPhase): Promise<LoadCounts> {
    return new Promise((resolve, reject) => new PhaseRun(this.#o, phase, { resolve, reject }).start());
  }
}

/** One connection's place: it is opened again when the tracker closes it. */
interface Line {
  readonly slot: number;
  readonly source: number;
  socket: Socket | undefined;
  unread: Buffer;
  /** The request under way. */
  request: string;
  /** The connection has carried an answer. */
  isUsed: boolean;
  /** Of a scrape. */
  torrent: number;
  sentAt: number;
}

class PhaseRun {
  readonly #o: HttpLoadOptions;
  readonly #phase: HttpPhase;
  readonly #done: { resolve: (counts: LoadCounts) => void; reject: (error: unknown) => void };
  readonly #counts: LoadCounts = { answers: 0, repeats: 0, slowestMs: 0 };
  readonly #tail: string;
  #lines: Line[] = [];
  #toSend: number;
  /** Every request has a connection of its own. */
  #closes: boolean;
  #openCount = 0;
  #watch: NodeJS.Timeout | undefined;
  #answersSeen = -1;

  constructor(
    options: HttpLoadOptions,
    phase: HttpPhase,
    done: { resolve: (counts: LoadCounts) => void; reject: (error: unknown) => void },
  ) {
    this.#o = options;
    this.#phase = phase;
    this.#done = done;
    this.#toSend = phase.answers;
    this.#closes = !phase.keepsAlive;
    const { host, port } = options.tracker;
    this.#tail = ` HTTP/1.1\r\nHost: ${host}:${port}\r\nUser-Agent: load\r\nAccept-Encoding: identity\r\n${phase.keepsAlive ? '' : 'Connection: close\r\n'}\r\n`;
  }

  start(): void {
    const { sourceCount } = this.#o.population;
    this.#watch = setInterval(() => {
      if (this.#answersSeen === this.#counts.answers) this.#fail(new WrongAnswer('no answer by HTTP for 10 s'));
      this.#answersSeen = this.#counts.answers;
    }, SILENCE_MAX_MS);
    for (let slot = 0; slot < this.#phase.window; slot++) {
      const source = slot % sourceCount;
      this.#lines.push({
        slot,
        source,
        socket: undefined,
        unread: EMPTY,
        request: '',
        isUsed: false,
        torrent: 0,
        sentAt: 0,
      });
    }
    for (const line of this.#lines) this.#next(line);
  }

  /** The next request of a line, or the end of it. */
  #next(line: Line): void {
    if (this.#toSend === 0) {
      line.socket?.end();
      this.#finish();
      return;
    }
    this.#toSend--;
    this.#openCount++;
    line.unread = EMPTY;
    line.sentAt = performance.now();
    line.request = this.#phase.work === 'http-announce' ? this.#announce(line) : this.#scrape(line);
    (line.socket ?? this.#connect(line)).write(line.request, 'latin1');
  }

  #connect(line: Line): Socket {
    const { tracker, population } = this.#o;
    const socket = connect({ ...tracker, localAddress: population.sourceHost(line.source), noDelay: true });
    line.socket = socket;
    line.isUsed = false;
    socket.on('data', (bytes) => this.#guard(() => this.#onBytes(line, bytes)));
    socket.on('error', (error) => (line.isUsed ? this.#onClosedAfterAnswer(line) : this.#fail(error)));
    socket.on('end', () => this.#guard(() => this.#onEnd(line)));
    return socket;
  }

  #announce(line: Line): string {
    const { population, workload, judge, numWant } = this.#o;
    workload.nextAnnounce(line.source);
    const { peer, event, isSeeder } = workload;
    judge.expectAnnounce(line.slot, peer, workload);
    const torrent = population.torrentOf[peer] as number;
    const peerId = new Uint8Array(20);
    population.writePeerId(peer, peerId, 0);
    const query = encodeAnnounceQuery({
      infoHash: population.hashes.subarray(torrent * 20, torrent * 20 + 20),
      peerId,
      port: population.portOf(peer),
      uploaded: 0,
      downloaded: 0,
      left: isSeeder ? 0 : LEFT_BYTES,
      event: EVENTS[event] as AnnounceEvent,
      numWant,
      key: 0x1234_5678,
    });
    return `GET /announce?${query}${this.#tail}`;
  }

  #scrape(line: Line): string {
    const { population, judge, rng } = this.#o;
    line.torrent = rng.below(population.torrentCount);
    judge.expectScrape(line.slot, [line.torrent]);
    return `GET /scrape?${encodeScrapeQuery([this.#hashOf(line.torrent)])}${this.#tail}`;
  }

  #hashOf(torrent: number): Uint8Array {
    return this.#o.population.hashes.subarray(torrent * 20, torrent * 20 + 20);
  }

  #onBytes(line: Line, bytes: Buffer): void {
    line.unread = line.unread.length === 0 ? bytes : Buffer.concat([line.unread, bytes]);
    const headEnd = line.unread.indexOf(END_OF_HEAD);
    if (headEnd < 0) return;
    const head = line.unread.toString('latin1', 0, headEnd);
    const length = /\r\ncontent-length: *(\d+)/i.exec(head)?.[1];
    // Without a length the answer ends with the connection.
    if (length === undefined) return;
    const end = headEnd + END_OF_HEAD.length + Number(length);
    if (line.unread.length < end) return;
    if (line.unread.length > end) throw new WrongAnswer(`${line.unread.length - end} bytes after an answer`);
    this.#onAnswer(line, head, line.unread.subarray(headEnd + END_OF_HEAD.length));
    line.isUsed = true;
    const isClosing = this.#closes || /\r\nconnection: *close/i.test(head) || head.startsWith('HTTP/1.0');
    if (isClosing) this.#drop(line);
    this.#next(line);
  }

  #onEnd(line: Line): void {
    if (line.socket === undefined) return;
    if (line.unread.length === 0 && line.isUsed) {
      this.#onClosedAfterAnswer(line);
      return;
    }
    const headEnd = line.unread.indexOf(END_OF_HEAD);
    if (headEnd < 0) throw new WrongAnswer('half an answer by HTTP');
    const head = line.unread.toString('latin1', 0, headEnd);
    this.#onAnswer(line, head, line.unread.subarray(headEnd + END_OF_HEAD.length));
    this.#drop(line);
    this.#next(line);
  }

  /** It does not keep connections, without saying so: the request goes out again on a new one, and from now on each has its own. */
  #onClosedAfterAnswer(line: Line): void {
    this.#closes = true;
    this.#drop(line);
    this.#connect(line).write(line.request, 'latin1');
  }

  /** The tracker closes, or was asked to: the line goes on with a new connection. */
  #drop(line: Line): void {
    const { socket } = line;
    line.socket = undefined;
    socket?.removeAllListeners('data').removeAllListeners('end').removeAllListeners('error');
    // A reset while we close is as good as an end.
    socket?.on('error', () => {});
    socket?.resume();
    socket?.end();
  }

  #onAnswer(line: Line, head: string, body: Uint8Array): void {
    this.#openCount--;
    this.#counts.answers++;
    this.#counts.slowestMs = Math.max(this.#counts.slowestMs, performance.now() - line.sentAt);
    if (!/^HTTP\/1\.[01] 200 /.test(head)) throw new WrongAnswer(`by HTTP: ${head.split('\r\n')[0]}`);
    const answer = decode(body) as BDict;
    const refusal = getText(answer, 'failure reason');
    if (refusal !== undefined) throw new WrongAnswer(`refused: ${refusal}`);
    if (this.#phase.work === 'http-announce') this.#judgeAnnounce(line, answer);
    else this.#judgeScrape(line, answer);
  }

  #judgeAnnounce(line: Line, answer: BDict): void {
    const list = answer.get('peers');
    // An empty list is `le` to some, whatever was asked for.
    const bytes = isBList(list) && list.length === 0 ? EMPTY : getBytes(answer, 'peers');
    const complete = getInt(answer, 'complete');
    const incomplete = getInt(answer, 'incomplete');
    if (bytes === undefined || complete === undefined || incomplete === undefined || !getInt(answer, 'interval')) {
      throw new WrongAnswer(`an announce answer without its fields: ${Buffer.from(bytes ?? EMPTY).toString('hex')}`);
    }
    this.#o.judge.judgeAnnounce(line.slot, { complete, incomplete }, { bytes, start: 0, end: bytes.length });
  }

  #judgeScrape(line: Line, answer: BDict): void {
    const files = getDict(answer, 'files');
    const key = files?.keys[0];
    if (files?.size !== 1 || key === undefined || Buffer.compare(key, this.#hashOf(line.torrent)) !== 0) {
      throw new WrongAnswer('a scrape answer of another torrent');
    }
    const row = files.values[0] as BDict;
    const rows = Buffer.alloc(12);
    rows.writeUInt32BE(getInt(row, 'complete') ?? 0, 0);
    rows.writeUInt32BE(getInt(row, 'downloaded') ?? 0, 4);
    rows.writeUInt32BE(getInt(row, 'incomplete') ?? 0, 8);
    this.#o.judge.judgeScrape(line.slot, { bytes: rows, start: 0, end: 12 });
  }

  #guard(work: () => void): void {
    try {
      work();
    } catch (error) {
      this.#fail(error);
    }
  }

  #finish(): void {
    if (this.#openCount > 0) return;
    clearInterval(this.#watch);
    this.#done.resolve(this.#counts);
  }

  #fail(error: unknown): void {
    clearInterval(this.#watch);
    this.#toSend = 0;
    for (const { socket } of this.#lines) socket?.destroy();
    this.#lines = [];
    this.#done.reject(error);
  }
}

const EMPTY = Buffer.alloc(0);

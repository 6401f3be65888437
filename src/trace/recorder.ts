import type { ConnId, Millis } from '../base/index.ts';
import type { TraceEvent, TraceKind } from './event.ts';
import { traceKinds } from './event.ts';
import {
  announceSteps,
  chokeReasons,
  chokeStates,
  connEvents,
  directions,
  pickReasons,
  pieceStates,
  wireKinds,
} from './kinds.ts';
import type { Tracer } from './tracer.ts';

/** Turns a table of words and numbers round. */
function toWords<Word extends string>(table: Readonly<Record<Word, number>>): Word[] {
  const words: Word[] = [];
  for (const word of Object.keys(table) as Word[]) words[table[word]] = word;
  return words;
}

const words = {
  wire: toWords(wireKinds),
  pick: toWords(pickReasons),
  piece: toWords(pieceStates),
  conn: toWords(connEvents),
  chokeState: toWords(chokeStates),
  chokeReason: toWords(chokeReasons),
  direction: toWords(directions),
  step: toWords(announceSteps),
};

const kindCode = Object.fromEntries(traceKinds.map((kind, i) => [kind, i])) as Record<TraceKind, number>;

/**
 * Keeps the last events in typed arrays, so that recording allocates nothing on the hot members and an old event costs nothing to
 * forget. Words are put in only when somebody reads.
 *
 *     row i:  kind u8 | code u16 | at f64 | conn u32 | a b c f64 | extra (text or data of cold events)
 *
 * 47 bytes a row: 3 MiB at the default 65,536 rows, some seconds of a fast torrent or an hour of a quiet one.
 */
export class TraceRecorder {
  static readonly defaultRows = 65_536;
  readonly rows: number;
  readonly #kind: Uint8Array;
  readonly #code: Uint16Array;
  readonly #at: Float64Array;
  readonly #conn: Uint32Array;
  readonly #a: Float64Array;
  readonly #b: Float64Array;
  readonly #c: Float64Array;
  readonly #extra: unknown[];
  #total = 0;

  /** @param rows how many events are kept, at least 1 */
  constructor(rows: number = TraceRecorder.defaultRows) {
    this.rows = rows;
    this.#kind = new Uint8Array(rows);
    this.#code = new Uint16Array(rows);
    this.#at = new Float64Array(rows);
    this.#conn = new Uint32Array(rows);
    this.#a = new Float64Array(rows);
    this.#b = new Float64Array(rows);
    this.#c = new Float64Array(rows);
    this.#extra = new Array<unknown>(rows).fill(undefined);
  }

  /** Events ever recorded: the sequence number of the next one. */
  get total(): number {
    return this.#total;
  }

  /** Sequence number of the oldest event that is still here. */
  get first(): number {
    return Math.max(0, this.#total - this.rows);
  }

  /**
   * A tracer that records here.
   * @param kinds members it has; the brain does not even prepare the others
   */
  tracer(kinds: readonly TraceKind[] = traceKinds): Tracer {
    const all = this.#members();
    return Object.fromEntries(kinds.map((kind) => [kind, all[kind]])) as Tracer;
  }

  /** Events from sequence number `since` on, oldest first; those overwritten in the meantime are missing. */
  *events(since = 0): Generator<TraceEvent> {
    const end = this.#total;
    for (let i = Math.max(since, this.first); i < end; i++) yield this.#read(i % this.rows);
  }

  #members(): Required<Tracer> {
    const row = this.#write.bind(this);
    return {
      wire: (at, conn, direction, kind, a, b, c) => {
        row(kindCode.wire, (direction << 15) | kind, at, conn, a, b, c, undefined);
      },
      pick: (at, conn, piece, reason, rarity, candidates) => {
        row(kindCode.pick, reason, at, conn, piece, rarity, candidates, undefined);
      },
      piece: (at, piece, from, to) => {
        row(kindCode.piece, (from << 8) | to, at, 0, piece, 0, 0, undefined);
      },
      conn: (at, conn, what, detail) => {
        row(kindCode.conn, what, at, conn, detail, 0, 0, undefined);
      },
      request: (at, conn, piece, begin, length) => {
        row(kindCode.request, 0, at, conn, piece, begin, length, undefined);
      },
      cancel: (at, conn, piece, begin, length) => {
        row(kindCode.cancel, 0, at, conn, piece, begin, length, undefined);
      },
      timeout: (at, conn, piece, begin, waitedMs) => {
        row(kindCode.timeout, 0, at, conn, piece, begin, waitedMs, undefined);
      },
      choke: (at, conn, from, to, reason, rank) => {
        row(
          kindCode.choke,
          (chokeStates[from] << 8) | chokeStates[to],
          at,
          conn,
          chokeReasons[reason],
          rank,
          0,
          undefined,
        );
      },
      closed: (at, conn, code, detail) => {
        row(kindCode.closed, 0, at, conn, 0, 0, 0, [code, detail]);
      },
      announce: (at, step, url, data) => {
        row(kindCode.announce, announceSteps[step], at, 0, 0, 0, 0, [url, data]);
      },
      ban: (at, host, reason, evidence) => {
        row(kindCode.ban, 0, at, 0, 0, 0, 0, [host, reason, evidence]);
      },
      note: (at, topic, data) => {
        row(kindCode.note, 0, at, 0, 0, 0, 0, [topic, data]);
      },
    };
  }

  #write(
    kind: number,
    code: number,
    at: Millis,
    conn: ConnId | 0,
    a: number,
    b: number,
    c: number,
    extra: unknown,
  ): void {
    const i = this.#total % this.rows;
    this.#kind[i] = kind;
    this.#code[i] = code;
    this.#at[i] = at;
    this.#conn[i] = conn;
    this.#a[i] = a;
    this.#b[i] = b;
    this.#c[i] = c;
    this.#extra[i] = extra;
    this.#total++;
  }

  #read(i: number): TraceEvent {
    const kind = traceKinds[this.#kind[i] as number] as TraceKind;
    const code = this.#code[i] as number;
    const at = this.#at[i] as number;
    const conn = this.#conn[i] as number;
    const a = this.#a[i] as number;
    const b = this.#b[i] as number;
    const c = this.#c[i] as number;
    const extra = this.#extra[i] as unknown[];
    switch (kind) {
      case 'wire': {
        const id = code & 0x7fff;
        const dir = word(words.direction, code >> 15);
        return { at, kind, conn, dir, message: words.wire[id] ?? `${id}`, args: [a, b, c] };
      }
      case 'pick':
        return { at, kind, conn, piece: a, reason: word(words.pick, code), rarity: b, candidates: c };
      case 'piece':
        return { at, kind, piece: a, from: word(words.piece, code >> 8), to: word(words.piece, code & 255) };
      case 'conn':
        return { at, kind, conn, what: word(words.conn, code), detail: a };
      case 'request':
      case 'cancel':
        return { at, kind, conn, piece: a, begin: b, length: c };
      case 'timeout':
        return { at, kind, conn, piece: a, begin: b, waitedMs: c };
      case 'choke': {
        const from = word(words.chokeState, code >> 8);
        const to = word(words.chokeState, code & 255);
        return { at, kind, conn, from, to, reason: word(words.chokeReason, a), rank: b };
      }
      case 'closed': {
        const detail = extra[1] as string | undefined;
        return { at, kind, conn, code: extra[0] as string, ...(detail === undefined ? {} : { detail }) };
      }
      case 'announce':
        return { at, kind, step: word(words.step, code), url: extra[0] as string, data: extra[1] };
      case 'ban':
        return { at, kind, host: extra[0] as string, reason: extra[1] as string, evidence: extra[2] };
      default:
        return { at, kind, topic: extra[0] as string, data: extra[1] };
    }
  }
}

/** Recorded numbers come from the tables, so every one has its word. */
function word<W extends string>(table: readonly W[], code: number): W {
  return table[code] as W;
}

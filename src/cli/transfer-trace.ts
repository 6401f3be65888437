import { writeFile } from 'node:fs/promises';
import { toDiskError } from '../hash/index.ts';
import { encodeTrace, TraceRecorder, type Tracer } from '../trace/index.ts';

/** Events kept: some minutes of a fast torrent, 12 MiB. */
const rows = 4 * TraceRecorder.defaultRows;

/** `--trace FILE`: keeps the last events in memory and writes them when the transfer ends, well or not. */
export class TransferTrace {
  readonly #path: string;
  readonly #recorder = new TraceRecorder(rows);
  /** Wall clock of the brain's time 0. */
  readonly #originMs: number;

  private constructor(path: string, originMs: number) {
    this.#path = path;
    this.#originMs = originMs;
  }

  /**
   * Empties the file, so that a bad path is noticed now and not after hours.
   *
   * @param originMs wall clock when the session was made
   */
  static async open(path: string, originMs: number): Promise<TransferTrace> {
    await writeFile(path, '').catch((error: unknown) => {
      throw toDiskError(error, path);
    });
    return new TransferTrace(path, originMs);
  }

  get tracer(): Tracer {
    return this.#recorder.tracer();
  }

  /** @param subject what was traced, for people */
  async write(subject: string): Promise<void> {
    const header = { subject, dropped: this.#recorder.first, originMs: this.#originMs };
    // An iterable is written piece by piece: a quarter of a million lines never stand in memory as one text.
    await writeFile(this.#path, batches(encodeTrace(this.#recorder.events(), header))).catch((error: unknown) => {
      throw toDiskError(error, this.#path);
    });
  }
}

/** Joins lines to texts of some size: one write a line would take minutes. */
function* batches(lines: Iterable<string>): Generator<string> {
  let text = '';
  for (const line of lines) {
    text += line;
    if (text.length < 65_536) continue;
    yield text;
    text = '';
  }
  if (text !== '') yield text;
}

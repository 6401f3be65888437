import { styleText } from 'node:util';
import { fitWidth } from './format.ts';

/** What is shown of work that is going on. */
export interface Status {
  /** One word; a change of it is shown at once, also where there is no terminal. */
  readonly state: string;
  /** For a terminal: one or more lines, redrawn in place. `columns` is what fits. */
  readonly lines: (columns: number) => readonly string[];
  /** For a log: one line that stands alone. */
  readonly plain: () => string;
}

/** The part of a TTY or pipe that is written to. */
export interface Screen {
  readonly isTTY?: boolean | undefined;
  readonly columns?: number | undefined;
  write(text: string): unknown;
}

export interface StatusViewOptions {
  readonly screen: Screen;
  readonly now?: (() => number) | undefined;
  /** `TERM=dumb` and the like: no redrawing even on a terminal. */
  readonly redraw?: boolean | undefined;
}

const redrawEveryMs = 100;
const logEveryMs = 10_000;

/**
 * Progress for people, on stderr. On a terminal a block of lines redrawn in place, ten times a second at most; elsewhere (a log, a pipe)
 * one line every ten seconds and one at every change of state.
 */
export class StatusView {
  readonly #screen: Screen;
  readonly #now: () => number;
  readonly #redraw: boolean;
  #drawnLines = 0;
  #lastAt = Number.NEGATIVE_INFINITY;
  #state: string | undefined;
  #pending: Status | undefined;

  constructor(options: StatusViewOptions) {
    this.#screen = options.screen;
    this.#now = options.now ?? (() => performance.now());
    this.#redraw = options.redraw ?? (options.screen.isTTY === true && process.env['TERM'] !== 'dumb');
  }

  /** Call as often as you like; most calls cost a comparison. */
  show(status: Status): void {
    const now = this.#now();
    const isNewState = status.state !== this.#state;
    const due = now - this.#lastAt >= (this.#redraw ? redrawEveryMs : logEveryMs);
    this.#pending = status;
    if (!isNewState && !due) return;
    this.#state = status.state;
    this.#lastAt = now;
    this.#draw(status);
  }

  /** A line that stays, above the block. */
  note(text: string): void {
    this.#erase();
    this.#screen.write(`${text}\n`);
    if (this.#redraw && this.#pending !== undefined) this.#draw(this.#pending);
  }

  /** Ends the view. 'keep' leaves the last state on the terminal, 'erase' takes it away. */
  close(how: 'keep' | 'erase'): void {
    if (this.#redraw) {
      if (how === 'erase') this.#erase();
      else if (this.#pending !== undefined) {
        this.#draw(this.#pending);
        this.#screen.write('\n');
      }
    }
    this.#drawnLines = 0;
    this.#pending = undefined;
  }

  #draw(status: Status): void {
    if (!this.#redraw) {
      this.#screen.write(`${status.plain()}\n`);
      return;
    }
    // One column stays free: some terminals wrap when the last one is written. Some say 0 where they do not know.
    const columns = Math.max(20, (this.#screen.columns || 80) - 1);
    const lines = status.lines(columns).map((line) => `${fitWidth(line, columns)}\x1b[K`);
    this.#screen.write(`${this.#home()}${lines.join('\n')}\x1b[J`);
    this.#drawnLines = lines.length;
  }

  #erase(): void {
    if (this.#drawnLines === 0) return;
    this.#screen.write(`${this.#home()}\x1b[J`);
    this.#drawnLines = 0;
  }

  /** To the first column of the block's first line. */
  #home(): string {
    return this.#drawnLines > 1 ? `\r\x1b[${this.#drawnLines - 1}A` : '\r';
  }
}

const eighths = ['', '▏', '▎', '▍', '▌', '▋', '▊', '▉'];

/** A bar of `columns` columns, exact to an eighth of one. */
export function formatBar(fraction: number, columns: number): string {
  const filled = Math.max(0, Math.min(1, fraction)) * columns;
  const whole = Math.floor(filled);
  const part = eighths[Math.floor((filled - whole) * 8)] as string;
  return `${'█'.repeat(whole)}${part}`.padEnd(columns, '░');
}

type Style = Parameters<typeof styleText>[0];

/** Colours where `stream` is a terminal that has them; NO_COLOR, FORCE_COLOR and NODE_DISABLE_COLORS are honoured. */
export function createPainter(stream: NodeJS.WriteStream): (style: Style, text: string) => string {
  return (style, text) => styleText(style, text, { stream, validateStream: true });
}

import { fileURLToPath } from 'node:url';
import { EventProgram } from './event-program.ts';
import type { NetworkSide } from './network.ts';

const driver = fileURLToPath(new URL('./driver.js', import.meta.url));

/** Eider in a namespace: a tracker, and a session with one torrent. */
export class EiderSide extends EventProgram {
  constructor(side: NetworkSide) {
    super(side, [process.execPath, '--enable-source-maps', driver]);
  }

  tell(command: Readonly<Record<string, unknown>>): void {
    this.program.writeLine(JSON.stringify(command));
  }

  /** State, peers, trackers and the end of the trace, as text. */
  async report(): Promise<string> {
    if (this.program.hasEnded) return this.program.output;
    this.tell({ do: 'look' });
    const { trace, ...rest } = await this.until('look');
    return `${JSON.stringify(rest)}\n${(trace as string[]).join('\n')}\n${this.events()}`;
  }

  /** Ends it in order. @returns the exit code */
  async quit(): Promise<number> {
    this.tell({ do: 'quit' });
    return this.program.stop('end of input');
  }
}

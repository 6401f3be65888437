import { mkdir, writeFile } from 'node:fs/promises';
import type { EiderSide } from './eider.ts';
import type { ForeignClient, ForeignRun } from './foreign.ts';
import type { NetworkSide } from './network.ts';
import { Program } from './program.ts';

/** From the project's root. */
const folder = 'build/interop-reports';
/** Of each side, in the message of a failed test. */
const linesShown = 25;
/** `EIDER_INTEROP_REPORT=1`: reports of good cases too, all that libtorrent logs, and the packets where tcpdump is there. */
const isWanted = process.env['EIDER_INTEROP_REPORT'] === '1';

/** What both sides have to say about a case. */
export class Report {
  readonly #name: string;
  #ours = '';
  #theirs = 'not started';

  /** @param name of the test */
  constructor(name: string) {
    this.#name = name;
  }

  /** Asks both sides; they may be dead. */
  async take(eider: EiderSide, run: ForeignRun | undefined): Promise<void> {
    this.#ours = await eider.report().catch(String);
    this.#theirs = (await run?.report().catch(String)) ?? this.#theirs;
  }

  /** Keeps it, where reports of good cases are wanted. */
  async keepIfWanted(eider: EiderSide, run: ForeignRun, client: ForeignClient): Promise<void> {
    if (!isWanted) return;
    await this.take(eider, run);
    await this.#write(client);
  }

  /** @returns the error with the end of both reports, and where all of them is */
  async explain(error: unknown, client: ForeignClient): Promise<Error> {
    const file = await this.#write(client);
    const what = error instanceof Error ? error.message : String(error);
    const parts = ['--- Eider', endOf(this.#ours), `--- ${client.name}`, endOf(this.#theirs)];
    return new Error([`${what}; all of it is in ${file}`, ...parts].join('\n'), { cause: error });
  }

  async #write(client: ForeignClient): Promise<string> {
    const file = await toPath(this.#name, 'txt');
    await writeFile(file, `--- Eider\n${this.#ours}\n--- ${client.name}\n${this.#theirs}\n`);
    return file;
  }
}

/** Keeps every packet of a case, where reports are wanted. */
export async function startCapture(name: string, side: NetworkSide): Promise<AsyncDisposable | undefined> {
  if (!isWanted) return undefined;
  return new Program(side, ['tcpdump', '-i', 'any', '-U', '-Z', 'root', '-w', await toPath(name, 'pcap')]);
}

async function toPath(name: string, extension: string): Promise<string> {
  await mkdir(folder, { recursive: true });
  return `${folder}/${name.replace(/[^\w.-]+/g, '-')}.${extension}`;
}

function endOf(text: string): string {
  return text.trimEnd().split('\n').slice(-linesShown).join('\n');
}

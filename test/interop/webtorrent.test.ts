import assert from 'node:assert/strict';
import { existsSync } from 'node:fs';
import { join } from 'node:path';
import { test } from 'node:test';
import { torrent, WebSocketPlace } from '../support/websocket-place.ts';
import { describeUnless } from './support/describe.ts';
import { Program } from './support/program.ts';

const folder = join(import.meta.dirname, '../../interop-npm');
const isMissing = !existsSync(join(folder, 'node_modules/bittorrent-tracker'));
const timeout = 60_000;

interface Line {
  readonly name: string;
  readonly event: string;
  readonly [detail: string]: unknown;
}

/** Processes of foreign clients, and what all of them say. */
class Clients implements AsyncDisposable {
  readonly #url: string;
  readonly #programs: Program[] = [];
  readonly #lines: Line[] = [];
  readonly #waiting = new Set<() => void>();

  constructor(place: WebSocketPlace) {
    this.#url = `ws://127.0.0.1:${place.port}/announce`;
  }

  /** @param names with what is left to them: `name:left` */
  start(...names: string[]): Program {
    const script = join(import.meta.dirname, 'support/webtorrent-client.js');
    const program = new Program(undefined, [
      process.execPath,
      script,
      folder,
      this.#url,
      Buffer.from(torrent).toString('hex'),
      ...names,
    ]);
    program.onLine((line) => {
      this.#lines.push(JSON.parse(line) as Line);
      for (const wake of this.#waiting) wake();
    });
    this.#programs.push(program);
    return program;
  }

  /** Waits for the first line that has all of this. */
  async until(wanted: Line): Promise<void> {
    const isIt = (line: Line): boolean => Object.entries(wanted).every(([key, value]) => line[key] === value);
    const said = new Promise<void>((resolve) => {
      const look = (): void => {
        if (this.#lines.some(isIt)) resolve();
      };
      this.#waiting.add(look);
      look();
    });
    await Promise.race([said, ...this.#programs.map((program) => program.untilItDies())]);
  }

  troubles(): Line[] {
    return this.#lines.filter(({ event }) => ['warning', 'error', 'peer-error'].includes(event));
  }

  async [Symbol.asyncDispose](): Promise<void> {
    for (const program of this.#programs) await program[Symbol.asyncDispose]();
  }
}

const obstacle = isMissing ? 'node tools/install-interop-npm.mjs has not been run' : undefined;
if (isMissing && process.env['CI'] === 'true') throw new Error('must run in CI, but the foreign packages are missing');

describeUnless(obstacle, "npm's bittorrent-tracker as a client over WebSocket, with real WebRTC", () => {
  test('a seeder and a leecher in two processes meet', { timeout }, async () => {
    await using place = await WebSocketPlace.open();
    await using clients = new Clients(place);
    clients.start('leecher:5');
    await clients.until({ name: 'leecher', event: 'update', complete: 0, incomplete: 1 });
    const seeder = clients.start('seeder:0');
    await clients.until({ name: 'seeder', event: 'update', complete: 1, incomplete: 1 });
    await clients.until({ name: 'seeder', event: 'scrape', complete: 1, incomplete: 1 });
    await clients.until({ name: 'leecher', event: 'heard', from: 'seeder', text: 'hello from seeder' });
    await clients.until({ name: 'seeder', event: 'heard', from: 'leecher', text: 'hello from leecher' });
    assert.deepEqual(clients.troubles(), []);
    const { wsOffersRelayed, wsAnswersRelayed, wsUnsolicited, wsRefusedInvalid } = place.counts;
    assert.deepEqual([wsOffersRelayed, wsAnswersRelayed, wsUnsolicited, wsRefusedInvalid], [1, 1, 0, 0]);
    await seeder.stop('end of input');
    const other = await place.client();
    other.scrape();
    const scraped = await other.next();
    assert.deepEqual(scraped.kind === 'scrape' && scraped.files[0]?.counts, {
      complete: 0,
      incomplete: 1,
      downloaded: 0,
    });
  });

  test('two clients of one process, which share a connection, meet', { timeout }, async () => {
    await using place = await WebSocketPlace.open();
    await using clients = new Clients(place);
    clients.start('first:5', 'second:5');
    await clients.until({ name: 'second', event: 'heard', from: 'first', text: 'hello from first' });
    await clients.until({ name: 'first', event: 'heard', from: 'second', text: 'hello from second' });
    assert.equal(place.counts.wsConnections, 1);
    assert.deepEqual(clients.troubles(), []);
  });
});

/**
 * Eider's side of an interop test: runs in a namespace of its own and is led by commands over stdio, one JSON object a line.
 *
 *     < {"do":"tracker","host":H}                      > {"event":"tracker","http":PORT,"udp":PORT}
 *     < {"do":"add","host":H,"input":I,"folder":F}      > {"event":"ready"} and {"event":"done"}, each when it is so
 *     < {"do":"look","rows":N}                          > {"event":"look", ...}: state, peers, trackers, end of the trace; with `rows`
 *                                                        that many of it, requests and blocks too
 *     < {"do":"scrape","n":N}                           > {"event":"scrape","n":N,"answers":[...]}, of every tracker
 *     < {"do":"quit"} or the end of input              > {"event":"stopped"}, and the process ends
 *
 * In between: {"event":"announce"} for every announce the tracker took, {"event":"error"} for what should not have happened.
 */
import { readFile } from 'node:fs/promises';
import { createInterface } from 'node:readline';
import { formatIp } from '#base';
import { createSession, type Session, type Torrent } from '#client';
import { encodeTraceEvent, type TraceEvent, TraceRecorder } from '#trace';
import { startTracker, type Tracker } from '#trackerd';

type Command =
  | { readonly do: 'tracker'; readonly host: string }
  | { readonly do: 'add'; readonly host: string; readonly input: string; readonly folder: string }
  | { readonly do: 'look'; readonly rows?: number }
  | { readonly do: 'scrape'; readonly n: number }
  | { readonly do: 'quit' };

const traceRowsShown = 120;

let tracker: Tracker | undefined;
let session: Session | undefined;
let torrent: Torrent | undefined;
let isQuitting = false;
const recorder = new TraceRecorder();

function say(event: string, fields: Readonly<Record<string, unknown>> = {}): void {
  process.stdout.write(`${JSON.stringify({ event, ...fields })}\n`);
}

async function start(host: string): Promise<void> {
  tracker = await startTracker({
    http: [{ host, port: 0 }],
    udp: [{ host, port: 0 }],
    hooks: [
      {
        postAnnounce: ({ via, source, left, event }) => {
          say('announce', { via, host: formatIp(source), left, what: event });
        },
      },
    ],
    onEvent: (event) => {
      if (event.type === 'error') say('error', { message: String(event.error) });
    },
  });
  const [http, udp] = tracker.addresses;
  say('tracker', { http: http?.port, udp: udp?.port });
}

/** @param input a path of a .torrent file, or a magnet link */
async function add(host: string, input: string, folder: string): Promise<void> {
  session = await createSession({ listen: { host, port: 0 } });
  const source = input.startsWith('magnet:') ? input : await readFile(input);
  torrent = await session.add(source, { path: folder, tracer: recorder.tracer() });
  await torrent.ready();
  say('ready', { progress: torrent.state.progress });
  await torrent.done();
  say('done');
}

function look(rows: number | undefined): void {
  const shown: TraceEvent[] = [];
  for (const event of recorder.events()) if (rows !== undefined || !isBulk(event)) shown.push(event);
  say('look', {
    state: torrent?.state,
    peers: torrent?.peers,
    trackers: torrent?.trackers,
    tracker: tracker?.stats(),
    trace: shown.slice(-(rows ?? traceRowsShown)).map((event) => encodeTraceEvent(event).trimEnd()),
  });
}

/** What fills a trace without saying much. */
function isBulk(event: TraceEvent): boolean {
  if (event.kind === 'wire') return ['request', 'piece', 'have', 'keep-alive'].includes(event.message);
  return ['pick', 'piece', 'request', 'cancel'].includes(event.kind);
}

async function obey(command: Command): Promise<void> {
  switch (command.do) {
    case 'tracker':
      return start(command.host);
    case 'add':
      return add(command.host, command.input, command.folder);
    case 'look':
      return look(command.rows);
    case 'scrape':
      return say('scrape', { n: command.n, answers: await torrent?.scrape() });
    case 'quit':
      return quit();
  }
}

async function quit(): Promise<void> {
  if (isQuitting) return;
  isQuitting = true;
  await session?.close();
  await tracker?.close();
  say('stopped');
  // stdin would keep the process; what else does is a leak that the test shall see as a time-out.
  lines.close();
  process.stdin.destroy();
}

const lines = createInterface({ input: process.stdin });
lines.on('line', (line) => {
  obey(JSON.parse(line) as Command).catch((error: unknown) => {
    say('error', { message: error instanceof Error ? (error.stack ?? error.message) : String(error) });
  });
});
lines.on('close', () => void quit());

import { formatBytes, formatPercent, formatRate, padWidth } from '#room/cli/format';
import { formatBar, type Status } from '#room/cli/render';
import { type EiderProcess, numberIn } from './eider-process.ts';

/** Seconds between two lines where there is no terminal. */
const logEverySec = 3;

export interface SwarmView {
  readonly contentBytes: number;
  readonly seeder: EiderProcess;
  readonly downloaders: readonly EiderProcess[];
  /** Since the downloaders began. */
  readonly seconds: number;
}

/** All clients at this moment: a table on a terminal, one line in a log. */
export function showSwarm(swarm: SwarmView): Status {
  return {
    // A log gets a line whenever the state changes.
    state: `swarm ${Math.floor(swarm.seconds / logEverySec)}`,
    lines: (columns) => table(swarm, columns),
    plain: () => logLine(swarm),
  };
}

const headings = ['', 'down', 'up', 'peers', 'from seeder', 'from fellows', 'given'];
const widths = [0, 11, 11, 5, 11, 12, 10];
const nameColumns = 13;

function table(swarm: SwarmView, columns: number): string[] {
  const barColumns = Math.max(8, Math.min(24, columns - 100));
  const first = nameColumns + barColumns + 8;
  const row = (name: string, cells: readonly string[]) =>
    `${padWidth(name, first)}${cells.map((cell, i) => cell.padStart((widths[i + 1] as number) + 2)).join('')}`;
  const progress = (name: string, share: number, percent: string) =>
    `${padWidth(name, nameColumns)}${formatBar(share, barColumns)} ${percent.padStart(7)}`;
  const clients = swarm.downloaders.map((client) => {
    const e = newest(client);
    const done = numberIn(e, 'doneBytes');
    return row(progress(client.name, done / swarm.contentBytes, formatPercent(done, swarm.contentBytes)), [
      formatRate(numberIn(e, 'downBytesPerSec')),
      formatRate(numberIn(e, 'upBytesPerSec')),
      String(numberIn(e, 'peerCount')),
      formatBytes(numberIn(e, 'downloadedFromSeeds')),
      formatBytes(numberIn(e, 'downloadedFromPeers')),
      formatBytes(numberIn(e, 'uploadedBytes')),
    ]);
  });
  const s = newest(swarm.seeder);
  const sent = numberIn(s, 'uploadedBytes');
  const copies = `${(sent / swarm.contentBytes).toFixed(2)} copies sent`;
  return [
    row('', headings.slice(1)),
    row(`${padWidth(swarm.seeder.name, nameColumns)}${copies}`, [
      '',
      formatRate(numberIn(s, 'upBytesPerSec')),
      String(numberIn(s, 'peerCount')),
      '',
      '',
      formatBytes(sent),
    ]),
    ...clients,
  ];
}

function logLine(swarm: SwarmView): string {
  const s = newest(swarm.seeder);
  const copies = (numberIn(s, 'uploadedBytes') / swarm.contentBytes).toFixed(2);
  const clients = swarm.downloaders.map((client, i) => {
    const e = newest(client);
    const percent = formatPercent(numberIn(e, 'doneBytes'), swarm.contentBytes);
    const from = `${formatBytes(numberIn(e, 'downloadedFromSeeds'))} of seeder, ${formatBytes(numberIn(e, 'downloadedFromPeers'))} of fellows`;
    return `${i + 1}: ${percent} at ${formatRate(numberIn(e, 'downBytesPerSec'))}, ${numberIn(e, 'peerCount')} peers, ${from}, gave ${formatBytes(numberIn(e, 'uploadedBytes'))}`;
  });
  const seconds = `${Math.round(swarm.seconds)} s`.padStart(5);
  return `${seconds} | seeder at ${formatRate(numberIn(s, 'upBytesPerSec'))}, ${copies} copies | ${clients.join(' | ')}`;
}

/** The last word of a client about its traffic. */
function newest(client: EiderProcess) {
  return client.latest.get('stopped') ?? client.latest.get('progress') ?? client.latest.get('ready');
}

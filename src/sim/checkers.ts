import type { TorrentSnapshot } from '../swarm/index.ts';
import type { SimClient } from './client.ts';
import type { SimNet } from './net/net.ts';

/** @returns what is wrong with a finished client's bytes: empty where every wanted piece on its disk is the content */
export function checkBytes(client: SimClient): string[] {
  const { torrent, label } = client;
  const image = client.disk.image(torrent.torrent.info);
  const wrong: number[] = [];
  for (let piece = 0; piece < torrent.geometry.pieceCount; piece++) {
    if (client.wantsPiece(piece) && !image.isWhole(piece)) wrong.push(piece);
  }
  if (wrong.length === 0) return [];
  return [`${label}: ${wrong.length} pieces on disk are not the content, first ${wrong[0]}`];
}

/** @returns files that exist although they were not wanted */
export function checkFiles(client: SimClient, wanted: readonly boolean[]): string[] {
  const states = client.disk.image(client.torrent.torrent.info).fileStates();
  return states.flatMap((state, i) =>
    state !== undefined && wanted[i] === false ? [`${client.label}: file ${i} exists, but was not wanted`] : [],
  );
}

/** @returns what a stopped client has left behind */
export function checkLeaks(client: SimClient): string[] {
  return client.host.leaks().map((leak) => `${client.label}: ${leak}`);
}

/** After everybody has stopped: what was sent is what was read, and what was lost on broken connections. */
export function checkNet(net: SimNet): string[] {
  const { sentBytes, readBytes, lostBytes, pool } = net.fabric;
  const problems: string[] = [];
  if (net.openCount > 0) problems.push(`${net.openCount} sockets are open`);
  if (pool.outCount > 0) problems.push(`${pool.outCount} chunks are under way`);
  if (sentBytes !== readBytes + lostBytes) {
    problems.push(`${sentBytes} bytes were sent, ${readBytes} read and ${lostBytes} lost`);
  }
  return problems;
}

/**
 * Payload sums over everybody and all runs of their processes: what is received was sent, and what was sent is received or was under way
 * on a connection that broke.
 *
 * @param sums.lostBytes the network's count of bytes that nobody read or that were never sent; payload is part of it
 */
export function checkSums(sums: {
  readonly sent: number;
  readonly received: number;
  readonly lostBytes: number;
}): string[] {
  const { sent, received, lostBytes } = sums;
  if (received > sent) return [`${received} payload bytes were received, but only ${sent} sent`];
  if (sent - received <= lostBytes) return [];
  return [`${sent} payload bytes were sent, ${received} received, and only ${lostBytes} bytes were lost`];
}

/** @returns what is wrong with a stopped client's account of what it received in one run: every byte has one use */
export function checkUse(label: string, snapshot: TorrentSnapshot): string[] {
  const { downloaded, verified, wastedBy } = snapshot;
  const used = verified + wastedBy.bad + wastedBy.dropped;
  if (used === downloaded) return [];
  return [`${label}: ${downloaded} payload bytes were taken, ${used} verified, bad or dropped`];
}

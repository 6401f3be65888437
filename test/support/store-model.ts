/** Peers of a store as a test knows them: what a walk over the store must show. */
import { formatIp, type Millis, toHex, writeU16 } from '#base';
import { AnnounceCall, type DenseStore, type PeerNetwork, RunCopy } from '#tracker';
import type { AnnounceEvent } from '#wire';

/** `hash network address port` of every peer, with `seeder` or `leecher` and the age in ticks of 10 s; and `hash downloaded n`. */
export function contentsOf(store: DenseStore, now: Millis, o: { ages?: boolean } = {}): string[] {
  const lines: string[] = [];
  const run = new RunCopy();
  for (let cursor = 0; cursor >= 0; ) {
    cursor = store.walk(cursor, 100, (swarm) => {
      const infoHash = swarm.infoHash.slice();
      const hash = toHex(infoHash).slice(0, 12);
      if (swarm.downloaded > 0) lines.push(`${hash} downloaded ${swarm.downloaded}`);
      for (const network of [4, 6, 'web'] as const) {
        for (let at = 0; at >= 0; ) {
          at = store.copyRun(now, { infoHash, at: 0, network, cursor: at, into: run });
          for (const peer of peersOf(run))
            lines.push(`${hash} ${network} ${peer.name}${o.ages === true ? ` ${peer.age}` : ''}`);
        }
      }
    });
  }
  return lines.sort();
}

function peersOf(run: RunCopy): { name: string; age: number }[] {
  const stride = run.network === 6 ? 5 : 2;
  return Array.from({ length: run.count }, (_, i) => {
    const words = run.words.slice(i * stride, (i + 1) * stride);
    const bytes = new Uint8Array(words.buffer);
    const address = bytes.subarray(0, (stride - 1) * 4);
    const port = ((words[stride - 1]! & 0xff) << 8) | ((words[stride - 1]! >>> 8) & 0xff);
    const kind = i < run.leechers ? 'leecher' : 'seeder';
    return { name: `${formatIp(address)} ${port} ${kind}`, age: words[stride - 1]! >>> 16 };
  });
}

export interface PeerWord {
  readonly infoHash: Uint8Array;
  readonly network: PeerNetwork;
  /** Number of the peer: gives address and port. */
  readonly peer: number;
  readonly isSeeder: boolean;
  readonly event: AnnounceEvent;
}

/** An announce of a numbered peer; `call.out` has room for 50. */
export function fillCall(call: AnnounceCall, word: PeerWord): void {
  const address = new Uint8Array(word.network === 6 ? 16 : 4);
  address[0] = 10;
  writeU16(address, address.length - 2, word.peer & 0xffff);
  address[1] = word.peer >>> 16;
  call.hashBytes = word.infoHash;
  call.peerBytes = address;
  call.network = word.network;
  call.port = 1 + (word.peer % 3);
  call.left = word.isSeeder ? 0 : 1;
  call.event = word.event;
  call.families = word.network === 'web' ? 'web' : 'both';
}

/** The line of `contentsOf` for a peer. */
export function lineOf(word: PeerWord): string {
  const call = new AnnounceCall();
  fillCall(call, word);
  const kind = word.isSeeder ? 'seeder' : 'leecher';
  return `${toHex(word.infoHash).slice(0, 12)} ${word.network} ${formatIp(call.peerBytes)} ${call.port} ${kind}`;
}

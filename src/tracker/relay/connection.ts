import type { WsAnnounceRequest } from '../../wire/index.ts';

/** The way to a peer. */
export interface RelayLink {
  /** Much waits to be taken: nothing of strangers is handed to it, so that they cannot have it dropped. Default: it never is. */
  readonly isBusy?: boolean;
  /** Sends a text message. What waits to be taken is bounded by who implements it, by dropping the connection; calls nothing back. */
  sendText(text: string): void;
}

/** A peer of a connection in a swarm, with what it said last, which is what its leaving says once more. */
export interface Membership {
  readonly infoHash: string;
  readonly peerId: string;
  readonly port: number;
  uploaded: number;
  downloaded: number;
  left: number;
}

/** One connection of WebTorrent peers: who they are and which swarms they are in. Strings of bytes are one character a byte. */
export class RelayConnection {
  readonly number: number;
  readonly link: RelayLink;
  /** 4 or 16 bytes. */
  readonly source: Uint8Array;
  /** Path and query the connection was opened with. */
  readonly target: string;
  /** The peer id of port n is at n - 1. Nearly always there is one, and it never changes. */
  #peerIds: string[] | undefined;
  /** Made when it announces first: many connections only ever scrape or wait. */
  #memberships: Map<string, Membership> | undefined;

  constructor(number: number, link: RelayLink, from: { source: Uint8Array; target: string }) {
    this.number = number;
    this.link = link;
    this.source = from.source;
    this.target = from.target;
  }

  get swarmCount(): number {
    return this.#memberships?.size ?? 0;
  }

  /** The port that stands for a peer id, 1 or more; a new one where it is not known. @returns undefined where `max` others are in use */
  portOf(peerId: string, max: number): number | undefined {
    this.#peerIds ??= [peerId];
    const place = this.#peerIds.indexOf(peerId);
    if (place >= 0) return place + 1;
    if (this.#peerIds.length < max) return this.#peerIds.push(peerId);
    const unused = this.#unusedPort();
    if (unused !== undefined) this.#peerIds[unused - 1] = peerId;
    return unused;
  }

  memberAt(infoHash: string, port: number): Membership | undefined {
    return this.#memberships?.get(membershipKey(infoHash, port));
  }

  memberships(): Iterable<Membership> {
    return this.#memberships?.values() ?? [];
  }

  /** It has announced itself in a swarm, for the first time or once more. */
  enter(r: WsAnnounceRequest, port: number): void {
    const { infoHash, peerId, uploaded, downloaded, left } = r;
    const known = this.memberAt(infoHash, port);
    if (known === undefined) {
      this.#memberships ??= new Map();
      this.#memberships.set(membershipKey(infoHash, port), { infoHash, peerId, port, uploaded, downloaded, left });
      return;
    }
    known.uploaded = uploaded;
    known.downloaded = downloaded;
    known.left = left;
  }

  leave(infoHash: string, port: number): void {
    this.#memberships?.delete(membershipKey(infoHash, port));
  }

  leaveAll(): void {
    this.#memberships = undefined;
  }

  /** A port whose peer id is in no swarm any more. */
  #unusedPort(): number | undefined {
    const unused = new Set(this.#peerIds?.keys());
    for (const { port } of this.memberships()) unused.delete(port - 1);
    const [place] = unused;
    return place === undefined ? undefined : place + 1;
  }
}

function membershipKey(infoHash: string, port: number): string {
  return infoHash + String.fromCharCode(port);
}

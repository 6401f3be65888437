import { assert, type ConnId, type Millis } from '../base/index.ts';
import type { Torrent } from '../swarm/index.ts';
import { type DirectionCode, directions, type Tracer, wireKinds } from '../trace/index.ts';

/** What was said on one connection, and what follows from it. */
class Talk {
  amChoking = true;
  amInterested = false;
  peerChoking = true;
  peerInterested = false;
  /** Requests of ours without an answer: place -> length. */
  readonly asked = new Map<number, number>();
  /** Requests of ours that were taken back and not answered either. */
  readonly cancelled = new Set<number>();
  /** Their requests without an answer. */
  owedCount = 0;
  /** Pieces they were told that we have. */
  readonly told = new Set<number>();
}

/**
 * Hears everything that one torrent says and is told, and knows from this alone what is open on each connection: a second opinion, made
 * of messages and not of calls. `assertAgrees` holds it against the brain's own book: a cancel, reject or HAVE that was forgotten, or a
 * request that is thought to be over and is not, shows at once.
 */
export class WireWatch implements Tracer {
  readonly #talks = new Map<ConnId, Talk>();
  readonly #torrent: () => Torrent | undefined;
  /** A tracer never throws: said at the next check. */
  #problem: string | undefined;

  constructor(torrent: () => Torrent | undefined) {
    this.#torrent = torrent;
  }

  wire(_: Millis, conn: ConnId, direction: DirectionCode, kind: number, a: number, b: number, c: number): void {
    let talk = this.#talks.get(conn);
    if (talk === undefined) {
      talk = new Talk();
      this.#talks.set(conn, talk);
    }
    if (direction === directions.out) this.#onSaid(talk, conn, kind, a, b, c);
    else this.#onHeard(talk, conn, kind, a, b, c);
  }

  closed(_: Millis, conn: ConnId): void {
    this.#talks.delete(conn);
  }

  assertAgrees(): void {
    assert(this.#problem === undefined, this.#problem ?? '');
    const torrent = this.#torrent();
    const content = torrent?.content;
    if (torrent === undefined || content === undefined || !isAtWork(torrent)) return;
    const { have } = content.ledger;
    for (const peer of torrent.connected) {
      const talk = this.#talks.get(peer.conn);
      if (talk === undefined) continue;
      assert(talk.amChoking === peer.amChoking, 'peers are told when they are choked and unchoked');
      assert(talk.amInterested === peer.amInterested, 'peers are told when we are interested');
      assert(talk.peerChoking === peer.peerChoking, 'it is known who chokes us');
      assert(talk.peerInterested === peer.peerInterested, 'it is known who is interested');
      assert(talk.asked.size === peer.outstanding.size, 'a request is open until it is answered or taken back');
      if (peer.flags.fast) assert(talk.owedCount === peer.requests.length, 'every request gets an answer (BEP 6)');
      if (talk.told.size >= have.count) continue;
      for (const piece of have) {
        // Who has it too has no need to know.
        assert(talk.told.has(piece) || peer.have.has(piece), 'peers are told of every piece that they lack');
      }
    }
  }

  #onSaid(talk: Talk, conn: ConnId, kind: number, a: number, b: number, c: number): void {
    const have = this.#torrent()?.content?.ledger.have;
    switch (kind) {
      case wireKinds.choke:
      case wireKinds.unchoke:
        talk.amChoking = kind === wireKinds.choke;
        return;
      case wireKinds.interested:
      case wireKinds['not-interested']:
        talk.amInterested = kind === wireKinds.interested;
        return;
      case wireKinds.have:
        if (have?.has(a) !== true) this.#problem ??= `connection ${conn} was told of piece ${a}, which is not here`;
        talk.told.add(a);
        return;
      case wireKinds.bitfield:
      case wireKinds['have-all']:
        for (const piece of have ?? []) talk.told.add(piece);
        return;
      case wireKinds.request:
        if (talk.asked.has(place(a, b))) this.#problem ??= `connection ${conn} was asked twice for piece ${a} at ${b}`;
        talk.asked.set(place(a, b), c);
        return;
      case wireKinds.cancel:
        if (!talk.asked.delete(place(a, b))) this.#problem ??= `connection ${conn} had a cancel for what is not open`;
        talk.cancelled.add(place(a, b));
        return;
      case wireKinds.piece:
      case wireKinds.reject:
        talk.owedCount--;
    }
  }

  #onHeard(talk: Talk, conn: ConnId, kind: number, a: number, b: number, c: number): void {
    switch (kind) {
      case wireKinds.choke:
        talk.peerChoking = true;
        if (!this.#isFast(conn)) talk.asked.clear();
        return;
      case wireKinds.unchoke:
        talk.peerChoking = false;
        return;
      case wireKinds.interested:
      case wireKinds['not-interested']:
        talk.peerInterested = kind === wireKinds.interested;
        return;
      case wireKinds.piece:
        if (talk.asked.get(place(a, b)) === c) talk.asked.delete(place(a, b));
        else talk.cancelled.delete(place(a, b));
        return;
      case wireKinds.reject:
        // The older request is answered first.
        if (talk.cancelled.delete(place(a, b))) return;
        if (talk.asked.get(place(a, b)) === c) talk.asked.delete(place(a, b));
        return;
      case wireKinds.request: {
        const torrent = this.#torrent();
        // Before anything is known to be here, requests are passed over.
        if (torrent !== undefined && isAtWork(torrent)) talk.owedCount++;
      }
    }
  }

  #isFast(conn: ConnId): boolean {
    for (const peer of this.#torrent()?.connected ?? []) if (peer.conn === conn) return peer.flags.fast;
    return false;
  }
}

function isAtWork({ phase }: Torrent): boolean {
  return phase === 'downloading' || phase === 'seeding';
}

/** Pieces are at most 64 MiB or so. */
function place(piece: number, begin: number): number {
  return piece * 0x1000_0000 + begin;
}

import type { AnnounceEvent, AnnounceRequest, ScrapeCounts } from '../wire/index.ts';
import type { StoreAnnounce, StoreScrape } from './swarm-store.ts';

/** What carried a request. `ws`: the WebTorrent protocol; `replica`: another tracker of the same swarm. */
export type CallVia = 'http' | 'udp' | 'ws' | 'replica';

/** How a peer can be reached: IPv4, IPv6, or by an offer through this tracker (WebTorrent). */
export type PeerNetwork = 4 | 6 | 'web';

const NO_BYTES: Uint8Array = new Uint8Array(0);

/**
 * One announce on its way through the tracker: a front end fills in who asks for what, the logic and the store fill in the answer. A
 * front end uses one object for all its announces, so nothing is allocated for a request: whoever wants to keep something copies it.
 *
 * Byte fields are positions in buffers of the front end (`infoHash` is 20 bytes of `hashBytes` at `hashAt`); the getters make views of
 * them for who prefers that to speed.
 */
export class AnnounceCall implements StoreAnnounce {
  // --- asked -------------------------------------------------------------------------------------------------------------------
  via: CallVia = 'udp';
  hashBytes: Uint8Array = NO_BYTES;
  hashAt = 0;
  peerIdBytes: Uint8Array = NO_BYTES;
  peerIdAt = 0;
  /** Where the request came from: 4 or 16 bytes (`sourceLength`); IPv4-mapped addresses as 4. */
  sourceBytes: Uint8Array = NO_BYTES;
  sourceAt = 0;
  sourceLength: 4 | 16 = 4;
  /** Path and query of the request: `/announce?...` by HTTP, what BEP 41 carried by UDP, empty where there is none. One character a byte. */
  target = '';
  /** 1 to 65535; 0 only from who leaves. */
  port = 0;
  uploaded = 0;
  downloadedBytes = 0;
  /** Bytes missing until complete; 0 = seeder. */
  left = 0;
  event: AnnounceEvent = 'none';
  /** Peers wanted; -1 = the tracker decides. */
  numWant = -1;
  key = 0;
  /** Address the client asks to be known by; empty where it names none. */
  namedIp = '';
  /** Which peers the answer has room for. */
  families: 4 | 6 | 'both' | 'web' = 'both';
  /** Peers the answer has room for. */
  peersMax = 0;
  /** Where the peers of the answer are written: 6 bytes each of IPv4 or web peers, then 18 bytes each of IPv6. */
  out: Uint8Array = NO_BYTES;
  outAt = 0;

  // --- filled in by the logic and its hooks --------------------------------------------------------------------------------------
  /** Who this is in a private tracker: the number of the user, 0 = nobody in particular. */
  userId = 0;
  /** The address others will dial: 4 or 16 bytes by `network`; for web peers 4 bytes that name their connection. */
  peerBytes: Uint8Array = NO_BYTES;
  peerAt = 0;
  network: PeerNetwork = 4;
  /** Peers to give: what is wanted, allowed and has room. */
  numGiven = 0;

  // --- answered ------------------------------------------------------------------------------------------------------------------
  /** Seconds until the next announce. */
  intervalSec = 0;
  minIntervalSec = 0;
  complete = 0;
  incomplete = 0;
  downloaded = 0;
  peerCount4 = 0;
  peerCount6 = 0;
  peerCountWeb = 0;
  isStored = true;
  /** For people to read; empty = none. */
  warning = '';

  get infoHash(): Uint8Array {
    return this.hashBytes.subarray(this.hashAt, this.hashAt + 20);
  }
  get peerId(): Uint8Array {
    return this.peerIdBytes.subarray(this.peerIdAt, this.peerIdAt + 20);
  }
  /** 4 or 16 bytes. */
  get source(): Uint8Array {
    return this.sourceBytes.subarray(this.sourceAt, this.sourceAt + this.sourceLength);
  }
  get isSeeder(): boolean {
    return this.left === 0;
  }
  /** 6 bytes a peer; lent until the next call. */
  get peers4(): Uint8Array {
    return this.out.subarray(this.outAt, this.outAt + this.peerCount4 * 6);
  }
  /** 18 bytes a peer; lent until the next call. */
  get peers6(): Uint8Array {
    const at = this.outAt + (this.peerCount4 + this.peerCountWeb) * 6;
    return this.out.subarray(at, at + this.peerCount6 * 18);
  }

  /**
   * Fills in what was asked. Byte fields are borrowed as long as the call is under way.
   *
   * @param from.source 4 or 16 bytes
   * @param from.out room for `peersMax` peers of the families asked for
   */
  ask(
    r: AnnounceRequest,
    from: {
      via: CallVia;
      source: Uint8Array;
      target?: string;
      families: 4 | 6 | 'both' | 'web';
      peersMax: number;
      out: Uint8Array;
    },
  ): void {
    this.via = from.via;
    this.hashBytes = r.infoHash;
    this.hashAt = 0;
    this.peerIdBytes = r.peerId;
    this.peerIdAt = 0;
    this.sourceBytes = from.source;
    this.sourceAt = 0;
    this.sourceLength = from.source.length === 4 ? 4 : 16;
    this.target = from.target ?? '';
    this.port = r.port;
    this.uploaded = r.uploaded;
    this.downloadedBytes = r.downloaded;
    this.left = r.left;
    this.event = r.event;
    this.numWant = r.numWant;
    this.key = r.key;
    this.namedIp = r.ip ?? '';
    this.families = from.families;
    this.peersMax = from.peersMax;
    this.out = from.out;
    this.outAt = 0;
  }
}

/** One scrape on its way through the tracker, used again for every request like `AnnounceCall`. */
export class ScrapeCall implements StoreScrape {
  via: CallVia = 'udp';
  sourceBytes: Uint8Array = NO_BYTES;
  sourceAt = 0;
  sourceLength: 4 | 16 = 4;
  target = '';
  /** `count` info-hashes of 20 bytes, one after the other. */
  hashBytes: Uint8Array = NO_BYTES;
  hashAt = 0;
  count = 0;
  /** Three numbers a torrent: complete, downloaded, incomplete. */
  rows: Uint32Array = new Uint32Array(3);
  userId = 0;

  get source(): Uint8Array {
    return this.sourceBytes.subarray(this.sourceAt, this.sourceAt + this.sourceLength);
  }
  /** 20 bytes each. */
  get infoHashes(): Uint8Array[] {
    return Array.from({ length: this.count }, (_, i) =>
      this.hashBytes.subarray(this.hashAt + i * 20, this.hashAt + i * 20 + 20),
    );
  }

  /** Fills in what was asked; hashes are copied. @param infoHashes 20 bytes each */
  ask(infoHashes: readonly Uint8Array[], from: { via: CallVia; source: Uint8Array; target?: string }): void {
    this.via = from.via;
    this.sourceBytes = from.source;
    this.sourceAt = 0;
    this.sourceLength = from.source.length === 4 ? 4 : 16;
    this.target = from.target ?? '';
    this.count = infoHashes.length;
    if (this.rows.length < this.count * 3) this.rows = new Uint32Array(this.count * 3);
    this.hashBytes = new Uint8Array(this.count * 20);
    this.hashAt = 0;
    infoHashes.forEach((hash, i) => {
      this.hashBytes.set(hash, i * 20);
    });
  }

  rowAt(i: number): ScrapeCounts {
    const { rows } = this;
    return {
      complete: rows[i * 3] as number,
      downloaded: rows[i * 3 + 1] as number,
      incomplete: rows[i * 3 + 2] as number,
    };
  }
}

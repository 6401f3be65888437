import { type Millis, type PeerId, seededRng, type TorrentId } from '#base';
import type { PeerSnapshot } from '#room/swarm/index';
import { Session } from '#session';
import {
  FakePeer,
  lines,
  makeTorrent,
  SimDisk,
  SimHost,
  SimNet,
  type SimTorrent,
  SimTrackers,
  SimWorld,
  toMs,
} from '#sim';
import { nodeCrypto as crypto } from './node-crypto.ts';

export interface LimitedOptions {
  readonly torrents: number;
  /** Of each torrent; all want, or give, as much as they can. */
  readonly peers: number;
  /** Bytes per second of the session. One of them says which way payload goes. */
  readonly upload?: number;
  readonly download?: number;
  /** A peer of the first torrent, and what its line takes, bytes per second. */
  readonly slow?: { readonly peer: number; readonly rate: number };
  /** A torrent whose peers come with `join`. */
  readonly late?: number;
}

const MIB = 1_048_576;
const sampleMs = 100;
const windowMs = 10_000;

/** A real session with limits, among peers whose only bounds are theirs: what it lets through is measured over every ten seconds. */
export class LimitedSession {
  readonly world: SimWorld = new SimWorld(3);
  readonly session: Session;
  readonly host: SimHost;
  readonly #o: LimitedOptions;
  readonly #net: SimNet;
  readonly #torrents: SimTorrent[];
  readonly #ids: TorrentId[] = [];
  /** By torrent, in order of connecting. */
  readonly #peers: FakePeer[][] = [];

  constructor(options: LimitedOptions) {
    const { world } = this;
    this.#o = options;
    this.#net = new SimNet(world);
    const isUp = options.upload !== undefined;
    // Larger than what is fetched at any rate; small where the same blocks are asked for again and again.
    const size = { files: (isUp ? 4 : 8_192) * MIB, pieceLength: MIB, isPretended: true };
    this.#torrents = Array.from({ length: options.torrents }, (_, i) => makeTorrent(crypto, { seed: 40 + i, ...size }));
    const disk = new SimDisk(world, 'disk', {
      crypto,
      torrents: new Map(this.#torrents.map((t) => [t.key, t])),
      speed: { latencyMs: 0.1, reorderMs: 0, bytesPerSec: 10_000 * MIB },
    });
    if (isUp) for (const { torrent } of this.#torrents) disk.fill(torrent.info);
    const net = this.#net.addHost({ line: lines.ideal });
    this.host = new SimHost({ world, net, disk, trackers: new SimTrackers() });
    this.host.gate.checkEvery = 0;
    this.session = new Session({
      ports: this.host,
      crypto,
      rng: seededRng(1),
      peerId: seededRng(2).bytes(20) as PeerId,
      now: world.now,
      onEvent: () => {},
      uploadLimit: options.upload ?? Number.POSITIVE_INFINITY,
      downloadLimit: options.download ?? Number.POSITIVE_INFINITY,
      // Enough for all that is asked of all: the budget of buffers is another limit.
      pieceBytesMax: 256 * MIB,
    });
    this.host.start(this.session);
    this.session.setListenPort(6881);
    for (const { torrent } of this.#torrents) {
      this.#input((now) => this.#ids.push(this.session.add(now, { info: torrent.info, trackers: [] })));
      this.#peers.push([]);
    }
    this.run('1s');
    for (let t = 0; t < options.torrents; t++) if (t !== options.late) this.join(t);
  }

  run(time: string): void {
    this.world.runFor(toMs(time));
  }

  /** The peers of a torrent connect. */
  join(torrent: number): void {
    for (let i = 0; i < this.#o.peers; i++) this.#peers[torrent]?.push(this.#join(torrent, i));
  }

  setRates(rates: { upload?: number; download?: number }, torrent?: number): void {
    this.#input((now) => this.session.setRates(now, rates, torrent === undefined ? undefined : this.#ids[torrent]));
  }

  /** @returns of every ten seconds within `time`: payload bytes of all, and of each peer, torrent by torrent */
  measure(direction: 'upload' | 'download', time: string): { windows: number[]; shares: number[][] } {
    const samples = [this.#look(direction)];
    for (let ms = 0; ms < toMs(time); ms += sampleMs) {
      this.world.runFor(sampleMs);
      samples.push(this.#look(direction));
    }
    const windows: number[] = [];
    const shares: number[][] = [];
    for (let i = windowMs / sampleMs; i < samples.length; i++) {
      const before = samples[i - windowMs / sampleMs] as number[];
      const got = (samples[i] as number[]).map((bytes, n) => bytes - (before[n] ?? 0));
      shares.push(got);
      windows.push(got.reduce((a, b) => a + b, 0));
    }
    return { windows, shares };
  }

  /** @returns what was left behind */
  stop(): string[] {
    this.host.stopListening();
    this.#input((now) => {
      for (const id of this.#ids) this.session.stop(now, id);
      this.session.close(now);
    });
    this.run('90s');
    return this.host.leaks();
  }

  #look(direction: 'upload' | 'download'): number[] {
    const { now } = this.world;
    const bytes = (p: PeerSnapshot) => (direction === 'upload' ? p.uploaded : p.downloaded);
    return this.#ids.flatMap((id) => this.session.torrent(id)?.peers(now).map(bytes) ?? []);
  }

  #join(t: number, index: number): FakePeer {
    const torrent = this.#torrents[t] as SimTorrent;
    const { slow } = this.#o;
    const rate = slow !== undefined && t === 0 && index === slow.peer ? slow.rate : Number.POSITIVE_INFINITY;
    const net = this.#net.addHost({ line: { ...lines.ideal, upBytesPerSec: rate, downBytesPerSec: rate } });
    const peer = new FakePeer({ world: this.world, net, infoHash: torrent.swarmKey, flags: { fast: true } });
    if (this.#o.upload === undefined) this.#give(peer, torrent);
    else this.#take(peer);
    return peer;
  }

  /** Asks for block after block, a hundred at a time. */
  #take(peer: FakePeer): void {
    let at = 0;
    const ask = () => peer.send(`request ${(at >> 6) & 3} ${(at++ & 63) * 16_384}`);
    peer.onBlock = () => ask();
    peer.dial({ host: this.host.net.name, port: 6881 });
    peer.play(['>* have-all', '< interested', '>* unchoke']);
    for (let n = 0; n < 100; n++) ask();
  }

  /** Gives all it is asked for. */
  #give(peer: FakePeer, torrent: SimTorrent): void {
    const block = new Uint8Array(16_384);
    peer.onMessage = (_link, m) => {
      if (m.kind !== 'request') return;
      torrent.content.read(torrent.geometry.pieceStart(m.piece) + m.begin, block);
      peer.sendBlock(m.piece, m.begin, block);
    };
    peer.dial({ host: this.host.net.name, port: 6881 });
    peer.send('have-all', 'unchoke');
  }

  #input(act: (now: Millis) => void): void {
    this.host.gate.enter((_, now) => act(now));
  }
}

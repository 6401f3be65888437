import { BtError, type CryptoPort, canonicalHost, isDialable, type PeerAddress, toSwarmKey } from '../base/index.ts';
import { type Info, parseMagnet, parseTorrentFile, type TorrentFile } from '../metainfo/index.ts';
import type { TorrentSource } from '../swarm/index.ts';

/** What `add` takes: the bytes of a .torrent file, one that is parsed already, or a magnet link (or a bare info-hash in hex). */
export type TorrentInput = Uint8Array | TorrentFile | string;

export interface ResolvedSource {
  readonly source: TorrentSource;
  /** Present for .torrent files. */
  readonly torrentFile: TorrentFile | undefined;
  /** Host names among a magnet link's peers: to be looked up. */
  readonly namedPeers: readonly PeerAddress[];
  /** BEP 53: only these files. */
  readonly selectOnly: readonly number[] | undefined;
  /** 40 hex digits each. */
  readonly swarmKeys: readonly string[];
}

/** @throws BtError `metainfo/…`, `bencode/…`, `magnet/…` where the input is not what it should be */
export function resolveSource(input: TorrentInput, crypto: CryptoPort): ResolvedSource {
  if (typeof input === 'string') return resolveMagnet(input);
  if (!(input instanceof Uint8Array) && typeof input?.info !== 'object') {
    throw new BtError('client/invalid', { what: 'a torrent is added by its bytes, parsed, or by a magnet link' });
  }
  const file = input instanceof Uint8Array ? parseTorrentFile(new Uint8Array(input), crypto) : input;
  return {
    source: { info: file.info, layers: file.pieceLayers, trackers: file.trackers },
    torrentFile: file,
    namedPeers: [],
    selectOnly: undefined,
    swarmKeys: toKeys(file.info),
  };
}

function resolveMagnet(text: string): ResolvedSource {
  const magnet = parseMagnet(text);
  const peers: PeerAddress[] = [];
  const namedPeers: PeerAddress[] = [];
  for (const { host, port } of magnet.peers) {
    const numeric = canonicalHost(host);
    if (numeric === undefined) namedPeers.push({ host, port });
    else if (isDialable({ host: numeric, port })) peers.push({ host: numeric, port });
  }
  const { hashV1, hashV2, name } = magnet;
  return {
    source: {
      ...(hashV1 === undefined ? {} : { hashV1 }),
      ...(hashV2 === undefined ? {} : { hashV2 }),
      ...(name === undefined ? {} : { name }),
      // The trackers of a magnet link have no order and mostly no common owner: each is a tier of its own.
      trackers: magnet.trackers.map((url) => [url]),
      peers,
    },
    torrentFile: undefined,
    namedPeers,
    selectOnly: magnet.selectOnly,
    swarmKeys: toKeys(magnet),
  };
}

function toKeys(of: Pick<Info, 'hashV1' | 'hashV2'>): string[] {
  return [of.hashV1, of.hashV2].filter((h) => h !== undefined).map(toSwarmKey);
}

/**
 * Which files to fetch, from a list of indexes or a predicate. @throws BtError `client/invalid` where nothing is left
 */
export function toSelection(
  info: Info,
  files: readonly number[] | ((file: Info['files'][number]) => boolean) | undefined,
): readonly boolean[] {
  if (files === undefined) return info.files.map(() => true);
  const wanted = typeof files === 'function' ? info.files.map(files) : info.files.map((f) => files.includes(f.index));
  if (!wanted.some((w) => w)) throw new BtError('client/invalid', { what: 'the selection leaves no file to download' });
  return wanted;
}

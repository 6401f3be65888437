import { concatBytes, type PeerAddress } from '../../base/index.ts';
import { type BDict, encode, getBytes } from '../../bencode/index.ts';
import { compactPeerBytes, decodeCompactPeers, encodeCompactPeer, encodeCompactPeers } from '../compact.ts';
import { decodeDictPrefix } from './bencoded.ts';
import { peerLimits } from './limits.ts';

/** What a client tells of a peer that it is connected to (BEP 11). Claims, all of them. */
export const pexFlags = {
  prefersEncryption: 0x01,
  /** Seed or partial seed. */
  uploadOnly: 0x02,
  utp: 0x04,
  holepunch: 0x08,
  /** The sender dialled it, so it can be reached. */
  reachable: 0x10,
} as const;

export interface PexPeer extends PeerAddress {
  /** Sum of `pexFlags` and of bits yet to be defined, 0 to 255; 0 where the sender gave none. */
  readonly flags: number;
}

/** One `ut_pex` message (BEP 11): what changed since the last one. IPv4 before IPv6, in the order of the lists. */
export interface PexMessage {
  readonly added: readonly PexPeer[];
  readonly dropped: readonly PeerAddress[];
}

/** How many, how often and whom is the sender's business. @returns payload of an `extended` message; empty lists are left out */
export function encodePex(message: PexMessage): Uint8Array {
  const added = { 4: [] as Uint8Array[], 6: [] as Uint8Array[] };
  const flags = { 4: [] as number[], 6: [] as number[] };
  for (const peer of message.added) {
    const entry = encodeCompactPeer(peer);
    if (entry === undefined) continue;
    const family = entry.length === compactPeerBytes[4] ? 4 : 6;
    added[family].push(entry);
    flags[family].push(peer.flags);
  }
  const dropped = encodeCompactPeers(message.dropped);
  return encode({
    added: orNothing(concatBytes(added[4])),
    'added.f': orNothing(Uint8Array.from(flags[4])),
    added6: orNothing(concatBytes(added[6])),
    'added6.f': orNothing(Uint8Array.from(flags[6])),
    dropped: orNothing(dropped.v4),
    dropped6: orNothing(dropped.v6),
  });
}

/**
 * Addresses that nobody can be dialled at are left out, as is what goes beyond `peerLimits.pexPeersMax` a list. Lists of a wrong type
 * count as absent.
 *
 * @param payload borrowed, nothing in the result refers to it
 * @throws BtError `wire/invalid` where it does not begin with a dictionary, or with one beyond the limits
 */
export function decodePex(payload: Uint8Array): PexMessage {
  const { dict } = decodeDictPrefix('ut_pex', payload);
  return {
    added: [...readAdded(dict, 'added', 4), ...readAdded(dict, 'added6', 6)],
    dropped: [...readPeers(dict, 'dropped', 4).peers, ...readPeers(dict, 'dropped6', 6).peers],
  };
}

function readAdded(dict: BDict, key: string, family: 4 | 6): PexPeer[] {
  const { peers, places } = readPeers(dict, key, family);
  const flags = getBytes(dict, `${key}.f`);
  return peers.map((peer, i) => ({ host: peer.host, port: peer.port, flags: flags?.[places[i] as number] ?? 0 }));
}

function readPeers(dict: BDict, key: string, family: 4 | 6): { peers: PeerAddress[]; places: number[] } {
  const bytes = getBytes(dict, key) ?? new Uint8Array();
  return decodeCompactPeers(bytes, { family, countMax: peerLimits.pexPeersMax });
}

function orNothing(bytes: Uint8Array): Uint8Array | undefined {
  return bytes.length === 0 ? undefined : bytes;
}

import {
  BtError,
  formatIp,
  type PeerAddress,
  parseIp,
  readU16,
  readU32,
  writeU16,
  writeU32,
} from '../../base/index.ts';

/** Why a rendezvous failed (BEP 55). */
export const holepunchErrors = { noSuchPeer: 1, notConnected: 2, noSupport: 3, noSelf: 4 } as const;

export type HolepunchMessage =
  /** To a relay: bring me together with this peer. */
  | { readonly kind: 'rendezvous'; readonly peer: PeerAddress }
  /** From a relay: connect to this peer now. */
  | { readonly kind: 'connect'; readonly peer: PeerAddress }
  /** From a relay: it cannot be done. `error` is one of `holepunchErrors`, or a later invention. */
  | { readonly kind: 'error'; readonly peer: PeerAddress; readonly error: number };

const kinds = ['rendezvous', 'connect', 'error'] as const;

/**
 * Encodes a `ut_holepunch` message.
 *
 * Layout (BEP 55): u8 kind (0 rendezvous, 1 connect, 2 error) · u8 family (0 IPv4, 1 IPv6) · address[4 or 16] · u16 port ·
 * u32 error, which like libtorrent 2.0 we leave away where there is none
 *
 * @throws BtError `wire/invalid` where the host is not numeric
 */
export function encodeHolepunch(message: HolepunchMessage): Uint8Array {
  const ip = parseIp(message.peer.host);
  if (ip === undefined) throw invalid('host is no numeric address');
  const portAt = 2 + ip.length;
  const out = new Uint8Array(portAt + (message.kind === 'error' ? 6 : 2));
  out[0] = kinds.indexOf(message.kind);
  out[1] = ip.length === 4 ? 0 : 1;
  out.set(ip, 2);
  writeU16(out, portAt, message.peer.port);
  if (message.kind === 'error') writeU32(out, portAt + 2, message.error);
  return out;
}

/**
 * @param payload borrowed; bytes after the message are ignored, an error code may be missing
 * @throws BtError `wire/invalid` on an unknown kind or family, `wire/truncated`
 */
export function decodeHolepunch(payload: Uint8Array): HolepunchMessage {
  const neededBytes = payload[1] === 1 ? 20 : 8;
  if (payload.length < neededBytes) {
    throw new BtError('wire/truncated', { message: 'ut_holepunch', neededBytes, gotBytes: payload.length });
  }
  const kind = kinds[payload[0] as number];
  if (kind === undefined) throw invalid(`unknown kind ${payload[0]}`);
  if ((payload[1] as number) > 1) throw invalid(`unknown address family ${payload[1]}`);
  const portAt = neededBytes - 2;
  const peer = { host: formatIp(payload.subarray(2, portAt)), port: readU16(payload, portAt) };
  if (kind !== 'error') return { kind, peer };
  return { kind, peer, error: payload.length >= neededBytes + 4 ? readU32(payload, neededBytes) : 0 };
}

function invalid(what: string): BtError<'wire/invalid'> {
  return new BtError('wire/invalid', { message: 'ut_holepunch', what });
}

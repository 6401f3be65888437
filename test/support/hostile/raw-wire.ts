/**
 * A writer of the peer protocol that refuses nothing: lengths that lie, fields that make no sense, messages cut short. Deliberately shares
 * no code with our codecs, which cannot write what an attacker can.
 */

export const ids = {
  choke: 0,
  unchoke: 1,
  interested: 2,
  notInterested: 3,
  have: 4,
  bitfield: 5,
  request: 6,
  piece: 7,
  cancel: 8,
  port: 9,
  suggest: 13,
  haveAll: 14,
  haveNone: 15,
  reject: 16,
  allowedFast: 17,
  extended: 20,
  hashRequest: 21,
  hashes: 22,
  hashReject: 23,
} as const;

/** The ids under which the victim takes extension messages. */
export const extensions = { handshake: 0, metadata: 1, pex: 2, dontHave: 3, uploadOnly: 4 } as const;

export function u32(...values: readonly number[]): Buffer {
  const out = Buffer.alloc(values.length * 4);
  for (const [i, value] of values.entries()) out.writeUInt32BE(value >>> 0, i * 4);
  return out;
}

export function handshake(o: {
  readonly infoHash: Uint8Array;
  readonly peerId: Uint8Array;
  readonly fast?: boolean;
  readonly extensions?: boolean;
  readonly v2?: boolean;
}): Buffer {
  const reserved = Buffer.alloc(8);
  if (o.extensions !== false) reserved[5] = 0x10;
  reserved[7] = (o.fast === false ? 0 : 0x04) | (o.v2 === true ? 0x10 : 0);
  return Buffer.concat([Buffer.from('\x13BitTorrent protocol', 'latin1'), reserved, o.infoHash, o.peerId]);
}

/** A message; `claims` is what its length prefix says where that is not the truth. */
export function message(id: number, body: Uint8Array = Buffer.alloc(0), claims: number = body.length + 1): Buffer {
  return Buffer.concat([u32(claims), Buffer.from([id]), body]);
}

export const keepAlive: Buffer = u32(0);

export function request(piece: number, begin: number, length = 16_384, id: number = ids.request): Buffer {
  return message(id, u32(piece, begin, length));
}

export function block(piece: number, begin: number, bytes: Uint8Array): Buffer {
  return message(ids.piece, Buffer.concat([u32(piece, begin), bytes]));
}

export function extended(id: number, payload: Uint8Array | string): Buffer {
  const bytes = typeof payload === 'string' ? Buffer.from(payload, 'latin1') : payload;
  return message(ids.extended, Buffer.concat([Buffer.from([id]), bytes]));
}

/** Bencode of an extension handshake from raw members, in the order of bencode keys. */
export function extendedHandshake(o: { readonly size?: number; readonly more?: string; readonly reqq?: number } = {}) {
  const size = o.size === undefined ? '' : `13:metadata_sizei${o.size}e`;
  const reqq = o.reqq === undefined ? '' : `4:reqqi${o.reqq}e`;
  const m = '1:md11:lt_donthavei7e6:ut_pexi6e11:ut_metadatai5e11:upload_onlyi8ee';
  return extended(extensions.handshake, `d${m}${size}${reqq}${o.more ?? ''}e`);
}

export function metadataData(piece: number, totalSize: number, bytes: Uint8Array): Buffer {
  const head = Buffer.from(`d8:msg_typei1e5:piecei${piece}e10:total_sizei${totalSize}ee`, 'latin1');
  return extended(extensions.metadata, Buffer.concat([head, bytes]));
}

export function metadataRequest(piece: number): Buffer {
  return extended(extensions.metadata, `d8:msg_typei0e5:piecei${piece}ee`);
}

/** A PEX message of IPv4 addresses as numbers; neither the number of them nor what they are is looked at. */
export function pex(addresses: readonly (readonly [host: string, port: number])[]): Buffer {
  const entries = addresses.map(([host, port]) => {
    const [a = 0, b = 0, c = 0, d = 0] = host.split('.').map(Number);
    return Buffer.from([a, b, c, d, port >> 8, port & 0xff]);
  });
  const added = Buffer.concat(entries);
  return extended(
    extensions.pex,
    Buffer.concat([Buffer.from(`d5:added${added.length}:`, 'latin1'), added, Buffer.from('e', 'latin1')]),
  );
}

export interface HashRange {
  readonly root: Uint8Array;
  readonly baseLayer: number;
  readonly index: number;
  readonly length: number;
  readonly proofLayers: number;
}

export function hashMessage(id: number, r: HashRange, hashes: Uint8Array = Buffer.alloc(0)): Buffer {
  return message(id, Buffer.concat([r.root, u32(r.baseLayer, r.index, r.length, r.proofLayers), hashes]));
}

export function times(count: number, make: (i: number) => Uint8Array): Buffer {
  return Buffer.concat(Array.from({ length: count }, (_, i) => make(i)));
}

import { type PeerAddress, toHex } from '#base';
import {
  type ExtendedHandshake,
  encodeDontHave,
  encodeExtendedHandshake,
  encodeMetadataMessage,
  encodePex,
  encodeUploadOnly,
  type MetadataMessage,
} from '#wire';

/** The ids under which Eider takes messages of its extensions, and those that peers of scripts ask for. */
export const ourIds = { metadata: 1, pex: 2, dontHave: 3, uploadOnly: 4 } as const;
export const theirIds = { metadata: 7, pex: 8, dontHave: 9, uploadOnly: 10 } as const;

const all = new Map([
  ['ut_metadata', theirIds.metadata],
  ['ut_pex', theirIds.pex],
  ['lt_donthave', theirIds.dontHave],
  ['upload_only', theirIds.uploadOnly],
]);

/** `extended 0 …`: the handshake of BEP 10, with all extensions where `m` is left out. */
export function hello(handshake: Partial<ExtendedHandshake> = {}): string {
  return `extended 0 ${toHex(encodeExtendedHandshake({ m: all, ...handshake }))}`;
}

/** A message of BEP 9 as a peer sends it to us, and as we send it. */
export function metadataIn(message: MetadataMessage): string {
  return `extended ${ourIds.metadata} ${toHex(encodeMetadataMessage(message))}`;
}
export function metadataOut(message: MetadataMessage): string {
  return `extended ${theirIds.metadata} ${toHex(encodeMetadataMessage(message))}`;
}

/** What a peer answers to a request for a piece of this info dictionary. */
export function metadataPiece(info: Uint8Array, piece: number): string {
  const bytes = info.subarray(piece * 16_384, (piece + 1) * 16_384);
  return metadataIn({ kind: 'data', piece, totalSize: info.length, bytes });
}

export function pexIn(added: readonly PeerAddress[]): string {
  const peers = added.map((address) => ({ ...address, flags: 0 }));
  return `extended ${ourIds.pex} ${toHex(encodePex({ added: peers, dropped: [] }))}`;
}

export function dontHaveIn(piece: number): string {
  return `extended ${ourIds.dontHave} ${toHex(encodeDontHave(piece))}`;
}

export function dontHaveOut(piece: number): string {
  return `extended ${theirIds.dontHave} ${toHex(encodeDontHave(piece))}`;
}

export function uploadOnlyIn(value: boolean): string {
  return `extended ${ourIds.uploadOnly} ${toHex(encodeUploadOnly(value))}`;
}
export function uploadOnlyOut(value: boolean): string {
  return `extended ${theirIds.uploadOnly} ${toHex(encodeUploadOnly(value))}`;
}

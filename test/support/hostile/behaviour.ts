import type { AttackScene } from './arena.ts';
import type { RawPeer } from './raw-peer.ts';
import { block, handshake, ids, message, u32 } from './raw-wire.ts';

const BLOCK = 16_384;

export interface Greeting {
  readonly infoHash?: Uint8Array;
  readonly peerId?: Uint8Array;
  readonly fast?: boolean;
  readonly extensions?: boolean;
  readonly v2?: boolean;
}

/** A proper handshake, both ways. */
export async function greet(peer: RawPeer, scene: AttackScene, o: Greeting = {}): Promise<void> {
  const hello = handshake({ infoHash: scene.target.infoHash, peerId: peer.peerId, v2: scene.target.isV2, ...o });
  if (scene.direction === 'in') peer.send(hello);
  await Promise.race([peer.greeting, peer.closed, scene.over]);
  if (scene.direction === 'out') peer.send(hello);
}

export function bitfield(pieceCount: number, has: (piece: number) => boolean = () => true): Buffer {
  const bits = Buffer.alloc(Math.ceil(pieceCount / 8));
  for (let p = 0; p < pieceCount; p++) {
    if (has(p)) bits[p >> 3] = (bits[p >> 3] as number) | (0x80 >> (p & 7));
  }
  return message(ids.bitfield, bits);
}

/** Says that it has everything and lets the victim ask. */
export async function poseAsSeed(peer: RawPeer, scene: AttackScene, o: Greeting = {}): Promise<void> {
  await greet(peer, scene, o);
  peer.send(bitfield(scene.target.pieceCount), message(ids.unchoke));
}

export interface BlockRef {
  readonly piece: number;
  readonly begin: number;
  readonly length: number;
  /** Of all that this connection was asked for, from 0. */
  readonly count: number;
}

/** Answers requests; `spoil` says what is sent in place of the right bytes, or undefined for silence. */
export function serve(
  peer: RawPeer,
  scene: AttackScene,
  spoil: (right: Buffer, ref: BlockRef) => Uint8Array | undefined,
): void {
  let count = 0;
  peer.onMessage(({ id, body }) => {
    if (id !== ids.request) return;
    const [piece, begin, length] = [body.readUInt32BE(0), body.readUInt32BE(4), body.readUInt32BE(8)];
    const bytes = spoil(scene.target.read(piece, begin, length), { piece, begin, length, count: count++ });
    if (bytes !== undefined) peer.send(block(piece, begin, bytes));
  });
}

/** The same bytes with one bit turned, at a place that can differ from time to time. */
export function spoilt(right: Buffer, at = 0): Buffer {
  const wrong = Buffer.from(right);
  wrong[at % wrong.length] = (wrong[at % wrong.length] as number) ^ 1;
  return wrong;
}

/** Becomes interested and waits until it may ask, or all is over. */
export async function getUnchoked(peer: RawPeer, scene: AttackScene, o: Greeting = {}): Promise<void> {
  await greet(peer, scene, o);
  const unchoked = peer.next((m) => m.id === ids.unchoke);
  peer.send(message(ids.interested));
  await Promise.race([unchoked, peer.closed, scene.over]);
}

export function have(piece: number): Buffer {
  return message(ids.have, u32(piece));
}

export { BLOCK };

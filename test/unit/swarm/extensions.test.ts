import assert from 'node:assert/strict';
import { test } from 'node:test';
import type { ConnId, Millis } from '#base';
import type { SwarmContext } from '#room/swarm/context';
import { MetadataExtension } from '#room/swarm/extensions/metadata';
import { ExtensionRegistry } from '#room/swarm/extensions/registry';
import { limits } from '#room/swarm/limits';
import { PeerMessages } from '#room/swarm/messages';
import { Peer } from '#room/swarm/peer';
import {
  decodeMetadataMessage,
  encodeExtendedHandshake,
  encodeMessage,
  encodeMetadataMessage,
  peerLimits,
} from '#wire';
import { nodeCrypto as crypto } from '../../support/node-crypto.ts';

const PIECE = 16_384;

test('what many liars send about as many sizes stays within the budget', () => {
  const asked: { peer: Peer; piece: number }[] = [];
  const ctx = {
    now: 0 as Millis,
    peers: new Map<ConnId, Peer>(),
    host: { crypto },
    // Length, id 20, extension id, then the message of BEP 9.
    send: (peer: Peer, bytes: Uint8Array) => {
      const message = decodeMetadataMessage(bytes.subarray(6));
      if (message.kind === 'request') asked.push({ peer, piece: message.piece });
    },
    drop: () => {},
    isBackedUp: () => false,
  };
  const extension = new MetadataExtension(ctx as unknown as SwarmContext, {
    hashV1: 'ab'.repeat(20) as never,
    hashV2: undefined,
    bytes: () => undefined,
    mayFetch: () => true,
    onMetadata: () => assert.fail('none of this is the dictionary'),
    onLiar: () => {},
  });
  for (let i = 0; i < 40; i++) {
    const peer = makePeer(i);
    peer.metadataSize = peerLimits.metadataBytesMax - i;
    ctx.peers.set(peer.conn, peer);
    extension.onHandshake(peer, 7);
  }
  let most = 0;
  for (let n = 0; n < 10_000 && asked.length > 0; n++) {
    const { peer, piece } = asked.shift() as { peer: Peer; piece: number };
    const size = peer.metadataSize as number;
    const bytes = new Uint8Array(Math.min(PIECE, size - piece * PIECE));
    extension.onMessage(peer, encodeMetadataMessage({ kind: 'data', piece, totalSize: size, bytes }));
    most = Math.max(most, extension.heldBytes);
  }
  assert.ok(most > 30_000_000 && most <= limits.extension.metadataHeldBytesMax + PIECE, `${most} bytes held`);
  for (const peer of ctx.peers.values()) extension.onGone(peer);
  assert.equal(extension.heldBytes, 0);
});

test('names of extensions that nobody knows are not kept', () => {
  const registry = new ExtensionRegistry({} as SwarmContext, [
    { name: 'known', localId: 1, isOffered: () => true, onMessage: () => {} },
  ]);
  const peer = makePeer(1);
  for (let i = 0; i < 50; i++) {
    const names = Array.from({ length: 60 }, (_, n) => [`name ${i} ${n}`, 5] as const);
    registry.onMessage(peer, 0, encodeExtendedHandshake({ m: new Map([...names, ['known', 9]]) }));
  }
  assert.deepEqual([...(peer.extensionIds ?? [])], [['known', 9]]);
});

function makePeer(i: number): Peer {
  return new Peer({
    conn: (i + 1) as ConnId,
    address: { host: `10.0.0.${i}`, port: 1 },
    incoming: true,
    id: new Uint8Array(20),
    client: '',
    flags: { extensions: true, fast: false, dht: false, v2: false },
    key: `10.0.0.${i}`,
    now: 0 as Millis,
    pieceCount: 0,
  });
}

test('what peers say they have before the metadata is known is kept within bounds', () => {
  const ctx = { now: 0 as Millis, tracer: undefined, drop: () => assert.fail('no reason to drop it') };
  const peer = makePeer(1);
  const messages = new PeerMessages(ctx as unknown as SwarmContext, peer, { pieceCount: undefined } as never);
  for (let piece = 0; piece < 15_000; piece++) messages.push(encodeMessage({ kind: 'have', piece }));
  assert.equal(peer.early?.pieces.size, limits.peer.earlyHavesMax);
});

import assert from 'node:assert/strict';
import { test } from 'node:test';
import { type InfoHash, toHex, toSwarmKey } from '#base';
import { hello, metadataOut, metadataPiece } from '../../support/extension-lines.ts';
import { check } from '../../support/protocol-check.ts';
import { Scene, sceneTorrent } from '../../support/scene.ts';

const torrent = { files: 400_000, pieceLength: 65_536, format: 'v2' as const };
const info = sceneTorrent(torrent).torrent.info.bytes;
const fetchesMetadata = [
  '> extended 0',
  `< ${hello({ metadataSize: info.length })}`,
  `> ${metadataOut({ kind: 'request', piece: 0 })}`,
  `< ${metadataPiece(info, 0)}`,
];

// libtorrent 2.0.8 sets the bit of BEP 52 only where it was asked for the v1 info-hash of a hybrid.
for (const v2 of [true, false]) {
  check(`who is in the swarm of a v2 info-hash is asked for hashes, with the v2 bit ${v2 ? 'set' : 'clear'}`, {
    torrent,
    client: { isMagnet: true },
    peers: { A: { extensions: true, v2 } },
    script: ['> extended 0', '< bitfield fe', ...fetchesMetadata.slice(1), '>* hash-request 2 0 8'],
  });
}

// libtorrent 2.0.8 drops who knows v2 and stays with v1 all the same.
const hybrid = { files: [100_000], pieceLength: 65_536, format: 'hybrid' as const };
for (const v2 of [true, false]) {
  test(`who asks for the v1 info-hash of a hybrid, v2 bit ${v2 ? 'set' : 'clear'}, is answered with ${v2 ? 'v2' : 'v1'}`, () => {
    const scene = new Scene({ torrent: hybrid, has: 'all' }).start();
    const peer = scene.join('A', { fast: true, v2 });
    const { hashV1, hashV2 } = scene.torrent.torrent.info;
    assert.equal(toHex(peer.handshake?.infoHash ?? new Uint8Array()), toSwarmKey((v2 ? hashV2 : hashV1) as InfoHash));
    assert.equal(peer.handshake?.flags.v2, true);
    scene.play(['> have-all', '< interested', '> unchoke']);
    assert.deepEqual(scene.stop(), []);
  });
}

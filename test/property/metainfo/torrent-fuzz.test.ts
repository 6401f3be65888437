import assert from 'node:assert/strict';
import { test } from 'node:test';
import { BtError, concatBytes, encodeUtf8, type Rng, seededRng } from '#base';
import { FileMap, Geometry, parseMagnet, parseTorrentFile, type TorrentFile } from '#metainfo';
import { nodeCrypto } from '../../support/node-crypto.ts';
import { makeTorrent } from '../../support/torrents.ts';

const files = { 'a b': 100, 'd/é': 40_000, 'd/empty': 0, 'd/e/f': 70_000 };
const seeds = (['v1', 'v2', 'hybrid'] as const).map(
  (format) => makeTorrent({ files, format, pieceLength: 16_384 }).bytes,
);
const tokens = [
  'd',
  'e',
  'l',
  'i',
  '0:',
  'i-1e',
  'i0e',
  'i9007199254740993e',
  '2:..',
  '1:/',
  '4:attr1:p',
  '4:attr1:l',
  'de',
  'le',
  'd0:',
].map(encodeUtf8);

/** One change: a byte, a token put in, a stretch left out, doubled or moved. */
function mutate(bytes: Uint8Array, rng: Rng): Uint8Array {
  const at = rng.below(bytes.length);
  const end = Math.min(bytes.length, at + 1 + rng.below(40));
  switch (rng.below(5)) {
    case 0: {
      const changed = bytes.slice();
      changed[at] = rng.below(3) === 0 ? rng.below(256) : 0x30 + rng.below(10);
      return changed;
    }
    case 1:
      return concatBytes([bytes.subarray(0, at), tokens[rng.below(tokens.length)]!, bytes.subarray(at)]);
    case 2:
      return concatBytes([bytes.subarray(0, at), bytes.subarray(end)]);
    case 3:
      return concatBytes([bytes.subarray(0, end), bytes.subarray(at)]);
    default:
      return concatBytes([bytes.subarray(end), bytes.subarray(0, end)]);
  }
}

/** Whatever loads must be sound: nothing outside the folder, all of space accounted for. */
function checkSound({ info }: TorrentFile): void {
  for (const file of info.files) {
    for (const part of [...file.path, ...(file.symlink ?? [])]) assert.ok(part !== '' && !/[/\\\0]|^\.\.?$/.test(part));
  }
  const geometry = new Geometry(info);
  if (info.pieceCount < 1000) {
    let data = 0;
    for (let p = 0; p < info.pieceCount; p++) data += geometry.dataBytes(p);
    assert.equal(data, info.totalLength);
  }
  const spans = new FileMap(info).spans(0, info.spaceLength);
  assert.equal(
    spans.reduce((sum, s) => sum + s.length, 0),
    info.spaceLength,
  );
}

test('mutated torrents load soundly or are refused, in bounded time', () => {
  const rng = seededRng(52);
  const started = process.cpuUsage();
  const rounds = 12_000;
  let loaded = 0;
  for (let i = 0; i < rounds; i++) {
    let bytes = seeds[i % seeds.length]!;
    for (let n = 1 + rng.below(3); n > 0; n--) bytes = mutate(bytes, rng);
    try {
      checkSound(parseTorrentFile(bytes, nodeCrypto));
      loaded++;
    } catch (e) {
      if (!BtError.is(e)) throw new Error(`round ${i}`, { cause: e });
    }
  }
  assert.ok(loaded > rounds / 100, `only ${loaded} loaded`);
  assert.ok(process.cpuUsage(started).user < 30_000_000);
});

test('mutated magnet links are read or refused', () => {
  const rng = seededRng(9);
  const link = encodeUtf8(
    `magnet:?xt=urn:btih:${'ab'.repeat(20)}&xt=urn:btmh:1220${'cd'.repeat(32)}&dn=a%20b&tr=http%3A%2F%2Ft&x.pe=[::1]:5&so=1-3`,
  );
  for (let i = 0; i < 10_000; i++) {
    const text = new TextDecoder().decode(mutate(mutate(link, rng), rng));
    try {
      parseMagnet(text);
    } catch (e) {
      if (!BtError.is(e)) throw new Error(`round ${i}: ${text}`, { cause: e });
    }
  }
});

import assert from 'node:assert/strict';
import { test } from 'node:test';
import fc from 'fast-check';
import { encode } from '#bencode';
import { BLOCK_LENGTH, FileMap, Geometry, type Info, parseInfo, planTorrent, type TorrentFormat } from '#metainfo';
import { nodeCrypto } from '../../support/node-crypto.ts';

/** An info dictionary of these sizes; hashes are not looked at here. */
function infoOf(lengths: readonly number[], format: TorrentFormat, pieceLength: number): Info {
  const files = lengths.map((length, i) => ({ path: [String(i).padStart(4, '0')], length }));
  const plan = planTorrent({ files, format, pieceLength });
  const root = new Uint8Array(32).fill(1);
  const tree = files.map((f): [string, object] => [
    f.path[0]!,
    { '': { length: f.length, 'pieces root': f.length > 0 ? root : undefined } },
  ]);
  const list = plan.entries.map((e) => ({
    attr: e.file ? undefined : 'p',
    length: e.length,
    path: e.file?.path ?? ['.pad', `${e.length}`],
  }));
  return parseInfo(
    encode({
      'file tree': format === 'v1' ? undefined : (new Map(tree) as never),
      files: format === 'v2' ? undefined : list,
      'meta version': format === 'v1' ? undefined : 2,
      name: 'x',
      'piece length': pieceLength,
      pieces: format === 'v2' ? undefined : new Uint8Array(plan.pieceCount * 20),
    }),
    nodeCrypto,
  );
}

const infos = fc
  .record({
    lengths: fc.array(fc.oneof(fc.nat(100), fc.nat(100_000), fc.constantFrom(0, 16_384, 32_768, 65_536)), {
      minLength: 1,
      maxLength: 12,
    }),
    format: fc.constantFrom<TorrentFormat>('v1', 'v2', 'hybrid'),
    pieceLength: fc.constantFrom(16_384, 32_768, 65_536),
  })
  .filter(({ lengths }) => lengths.some((l) => l > 0))
  .map(({ lengths, format, pieceLength }) => infoOf(lengths, format, pieceLength));

/** The slow way: one number a byte. */
function ownerOf(info: Info, position: number): number {
  return info.files.findIndex((f) => position >= f.offset && position < f.offset + f.length);
}

test('pieces and blocks cover every byte of every file once', () => {
  fc.assert(
    fc.property(infos, (info) => {
      const g = new Geometry(info);
      let data = 0;
      for (let piece = 0; piece < g.pieceCount; piece++) {
        data += g.dataBytes(piece);
        let asked = 0;
        let span = 0;
        for (let b = 0; b < g.blockCount(piece); b++) {
          const bytes = g.blockBytes(piece, b);
          const begin = g.pieceStart(piece) + b * BLOCK_LENGTH;
          asked += bytes;
          span += g.blockSpan(piece, b);
          assert.ok(bytes >= 0 && bytes <= g.blockSpan(piece, b));
          if (bytes > 0) assert.notEqual(ownerOf(info, begin + bytes - 1), -1, 'ends on data');
          if (bytes < g.blockSpan(piece, b)) assert.equal(ownerOf(info, begin + bytes), -1, 'leaves out only pads');
        }
        assert.equal(span, g.pieceBytes(piece));
        assert.ok(asked >= g.dataBytes(piece));
        if (info.format !== 'v1') assert.equal(asked, g.dataBytes(piece), 'one file a piece: no pad before data');
        const file = g.fileOfPiece(piece);
        assert.equal(file, info.format === 'v1' ? -1 : ownerOf(info, g.pieceStart(piece)));
      }
      assert.equal(data, info.totalLength);
      for (const f of info.files) {
        const { first, end } = g.filePieces(f.index);
        if (f.length === 0) assert.equal(first, end);
        else assert.deepEqual([g.pieceAt(f.offset), g.pieceAt(f.offset + f.length - 1) + 1], [first, end]);
      }
    }),
    { numRuns: 200 },
  );
});

test('file map spans say of every byte what the file list says', () => {
  fc.assert(
    fc.property(infos, fc.nat(), fc.nat(200), (info, at, length) => {
      const offset = at % info.spaceLength;
      let position = offset;
      let before: number | undefined;
      for (const span of new FileMap(info).spans(offset, length)) {
        assert.ok(span.length > 0);
        assert.notEqual(span.file, before, 'neighbours are joined');
        before = span.file;
        for (let i = 0; i < span.length; i++, position++) {
          assert.equal(ownerOf(info, position), span.file);
          if (span.file >= 0) assert.equal(position - info.files[span.file]!.offset, span.fileOffset + i);
        }
      }
      assert.equal(position, offset + length);
    }),
    { numRuns: 300 },
  );
});

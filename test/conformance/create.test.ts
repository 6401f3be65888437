import assert from 'node:assert/strict';
import { createHash } from 'node:crypto';
import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { type CreateOptions, createTorrent, verifyTorrent } from '#create';
import { conformance } from '../support/conformance.ts';
import { writeTree } from '../support/temp-folder.ts';

interface Case {
  readonly id: string;
  readonly name: string;
  readonly piece_length: number;
  readonly single_file: boolean;
  readonly tree: readonly {
    readonly path: string | null;
    readonly length: number;
    readonly content: string;
    readonly sha256: string;
  }[];
  readonly v1: { readonly reference: Readonly<Record<string, string>> };
  readonly v2: { readonly reference: string; readonly roots: Readonly<Record<string, string>> };
  readonly hybrid: { readonly reference: Readonly<Record<string, { readonly v1: string; readonly v2: string }>> };
}
interface Published {
  readonly id: string;
  readonly tree: Readonly<Record<string, string>>;
  readonly piece_length: number;
  /** SHA-1 of the pieces, in hex. */
  readonly pieces: readonly string[];
}
interface CaseFile {
  readonly cases: readonly Case[];
  readonly published: readonly Published[];
}

/** The content rule of the data: SHA-256 of `name:0`, `name:1`, … cut to length. */
function makeContent(name: string, length: number): Buffer {
  const blocks: Buffer[] = [];
  for (let i = 0; i * 32 < length; i++) blocks.push(createHash('sha256').update(`${name}:${i}`).digest());
  return Buffer.concat(blocks).subarray(0, length);
}

/** Puts the case's tree on disk, and calls back with the path to share. */
async function withTree(c: Case, use: (path: string, folder: string) => Promise<void>): Promise<void> {
  const folder = mkdtempSync(join(tmpdir(), 'eider-create-'));
  try {
    const files = c.tree.map((f) => {
      const content = makeContent(f.content, f.length);
      assert.equal(createHash('sha256').update(content).digest('hex'), f.sha256, 'the content rule is right');
      return [f.path === null ? c.name : `${c.name}/${f.path}`, content] as const;
    });
    writeTree(folder, Object.fromEntries(files));
    await use(join(folder, c.name), folder);
  } finally {
    rmSync(folder, { recursive: true, force: true });
  }
}

const casesOf = (file: CaseFile) => file.cases;
const nameOf = (c: Case) => c.id;

async function expectHashes(
  c: Case,
  path: string,
  folder: string,
  options: CreateOptions,
  accepted: readonly (readonly [string | undefined, string | undefined])[],
) {
  const { torrent, bytes } = await createTorrent(path, { pieceLength: c.piece_length, noDate: true, ...options });
  const { hashV1, hashV2 } = torrent.info;
  assert.ok(
    accepted.some(([v1, v2]) => v1 === hashV1 && v2 === hashV2),
    `${hashV1} ${hashV2} is none of ${JSON.stringify(accepted)}`,
  );
  const again = await createTorrent(path, { pieceLength: c.piece_length, noDate: true, ...options });
  assert.deepEqual(again.bytes, bytes, 'the same bytes again');
  const verified = await verifyTorrent(torrent, folder);
  assert.equal(verified.ok, true);
  assert.equal(verified.goodPieceCount, torrent.info.pieceCount);
  return torrent;
}

conformance(
  'create: v1 info-hashes of trees on disk',
  'create/cases.json',
  casesOf,
  (c: Case) =>
    withTree(c, async (path, folder) => {
      const orders = (suffix: string) =>
        Object.entries(c.v1.reference)
          .filter(([key]) => (key.includes(',') ? key.endsWith(suffix) && suffix !== '' : suffix === ''))
          .map(([, hash]) => [hash, undefined] as const);
      await expectHashes(c, path, folder, { format: 'v1' }, orders(''));
      await expectHashes(c, path, folder, { format: 'v1', isPrivate: true }, orders('order, private=1'));
      await expectHashes(
        c,
        path,
        folder,
        { format: 'v1', isPrivate: true, source: 'SRC' },
        orders('order, private=1, source=SRC'),
      );
    }),
  nameOf,
);

conformance(
  'create: v2 info-hashes and roots of trees on disk',
  'create/cases.json',
  casesOf,
  (c: Case) =>
    withTree(c, async (path, folder) => {
      const torrent = await expectHashes(c, path, folder, { format: 'v2' }, [[undefined, c.v2.reference]]);
      for (const file of torrent.info.files) {
        if (file.piecesRoot === undefined) continue;
        const name = c.single_file ? c.name : file.path.slice(1).join('/');
        assert.equal(Buffer.from(file.piecesRoot).toString('hex'), c.v2.roots[name], name);
      }
    }),
  nameOf,
);

conformance(
  'create: hybrid info-hashes of trees on disk',
  'create/cases.json',
  casesOf,
  (c: Case) =>
    withTree(c, async (path, folder) => {
      const accepted = Object.values(c.hybrid.reference).map(({ v1, v2 }) => [v1, v2] as const);
      await expectHashes(c, path, folder, { format: 'hybrid' }, accepted);
    }),
  nameOf,
);

/** Those whose content is written out in the data; another is a file that is not there. */
const isComplete = (p: Published) => Object.values(p.tree).every((content) => !content.startsWith('see '));

conformance(
  'create: info-hashes that other projects publish',
  'create/cases.json',
  (file: CaseFile) => file.published.filter(isComplete),
  async (p: Published) => {
    const folder = mkdtempSync(join(tmpdir(), 'eider-create-'));
    try {
      writeTree(folder, p.tree);
      const name = (Object.keys(p.tree)[0] as string).split('/')[0] as string;
      const { torrent } = await createTorrent(join(folder, name), { pieceLength: p.piece_length });
      // Made with `private = 0`, which Eider leaves out: pieces agree, the hash of the dictionary cannot.
      assert.deepEqual(Buffer.from(torrent.info.pieces ?? []).toString('hex'), p.pieces.join(''));
    } finally {
      rmSync(folder, { recursive: true, force: true });
    }
  },
  (p) => p.id,
);

import assert from 'node:assert/strict';
import { BtError, concatBytes, encodeUtf8, fromHex, toHex } from '#base';
import {
  buildTorrent,
  FileHashes,
  formatMagnet,
  Geometry,
  leafCount,
  Merkle,
  parseMagnet,
  parseTorrentFile,
  planTorrent,
  type SourceFile,
  safePart,
  type TorrentFile,
  type TorrentFormat,
} from '#metainfo';
import { conformance, readConformance } from '../support/conformance.ts';
import { content } from '../support/content.ts';
import { hashPlan } from '../support/hash-plan.ts';
import { nodeCrypto } from '../support/node-crypto.ts';

// --- torrents --------------------------------------------------------------------------------------------------------------------

interface Expect {
  v1: string | null;
  v2: string | null;
  piece_length: number;
  total_length: number;
  num_files: number;
  private: boolean;
  trackers?: string[];
  web_seeds: string[];
  created_by?: string;
  creation_date?: number;
  comment?: string;
  source_key?: string;
  name?: string;
  name_either?: string[];
  dht_nodes?: [string, number][];
}
interface TorrentCase {
  id: string;
  file: string;
  verdict: 'accept' | 'sanitise' | 'refuse-or-sanitise' | 'refuse' | 'refuse-or-limit' | 'either';
  expect?: Expect;
}
const mustLoad = new Set(['accept', 'sanitise']);

function load(c: TorrentCase): TorrentFile | undefined {
  try {
    return parseTorrentFile(readConformance(`torrents/${c.file}`), nodeCrypto);
  } catch (e) {
    if (!BtError.is(e)) throw e;
    assert.ok(e.message.length > 10);
    if (mustLoad.has(c.verdict)) throw e;
    return undefined;
  }
}

/** What must hold of every torrent that loads, whatever it is. */
function checkSound({ info }: TorrentFile): void {
  const paths = new Set<string>();
  for (const file of info.files) {
    for (const path of [file.path, file.symlink ?? []]) {
      for (const part of path) {
        assert.ok(part !== '' && part !== '.' && part !== '..', `part ${JSON.stringify(part)}`);
        assert.doesNotMatch(part, /[/\\\u0000-\u001f\u007f-\u009f]/);
        assert.ok(encodeUtf8(part).length <= 255);
      }
    }
    assert.equal(file.path[0], info.singleFile ? file.path[0] : info.name);
    assert.equal(file.path.length === 1, info.singleFile);
    paths.add(file.path.join('/'));
  }
  assert.equal(paths.size, info.files.length, 'distinct files stay distinct');
  for (const path of paths) {
    for (let at = path.lastIndexOf('/'); at > 0; at = path.lastIndexOf('/', at - 1))
      assert.ok(!paths.has(path.slice(0, at)));
  }
  const geometry = new Geometry(info);
  if (info.pieceCount > 20_000) return;
  let data = 0;
  for (let piece = 0; piece < info.pieceCount; piece++) data += geometry.dataBytes(piece);
  assert.equal(data, info.totalLength);
}

function checkShown(t: TorrentFile, expect: Expect): void {
  const { info } = t;
  assert.equal(info.hashV1 ?? null, expect.v1);
  assert.equal(info.hashV2 ?? null, expect.v2);
  assert.equal(info.pieceLength, expect.piece_length);
  assert.equal(info.totalLength, expect.total_length);
  assert.equal(info.files.length, expect.num_files);
  if (expect.trackers !== undefined) assert.deepEqual(t.trackers.flat(), expect.trackers);
  const plain = (url: string) => url.replaceAll(' ', '%20').replace(/\/$/, '');
  assert.deepEqual(t.webSeeds.map(plain), expect.web_seeds.map(plain));
  assert.equal(t.createdBy, expect.created_by);
  assert.equal(t.creationDate, expect.creation_date);
  // Absent where the torrent has only `comment.utf-8`, which may be shown.
  if (expect.comment !== undefined) assert.equal(t.comment, expect.comment);
  assert.equal(info.source, expect.source_key);
  if (expect.name_either !== undefined) assert.ok(expect.name_either.includes(info.name));
  else if (expect.name !== undefined) assert.equal(info.name, expect.name);
  if (expect.dht_nodes !== undefined)
    assert.deepEqual(
      t.dhtNodes.map((n) => [n.host, n.port]),
      expect.dht_nodes,
    );
}

conformance(
  'torrents',
  'torrents/index.json',
  (index: { torrents: TorrentCase[] }) => index.torrents,
  (c) => {
    const torrent = load(c);
    if (torrent === undefined) return;
    assert.notEqual(c.verdict, 'refuse', 'loaded');
    checkSound(torrent);
    // `either` leaves `private` free as well: 2 is taken for private.
    if (c.expect === undefined) return;
    checkShown(torrent, c.expect);
    if (c.verdict !== 'either') assert.equal(torrent.info.isPrivate, c.expect.private);
  },
  (c) => `${c.id} (${c.verdict})`,
);

// --- creation --------------------------------------------------------------------------------------------------------------------

interface CreateCase {
  id: string;
  name: string;
  piece_length: number;
  single_file: boolean;
  tree: { path: string | null; length: number; content: string }[];
  v1: { reference: Record<string, string> };
  v2: { reference: string; roots: Record<string, string>; piece_layers: number };
  hybrid: { reference: Record<string, { v1: string; v2: string }> };
}

function create(
  c: CreateCase,
  format: TorrentFormat,
  more: { isPrivate?: boolean; source?: string } = {},
): TorrentFile {
  const files: SourceFile[] = c.tree.map((f) => ({ path: f.path?.split('/') ?? [], length: f.length }));
  const plan = planTorrent({ files: files.toReversed(), format, pieceLength: c.piece_length });
  const contents = new Map(c.tree.map((f) => [f.path ?? '', content(f.content, f.length)]));
  const hashes = hashPlan(plan, (path) => contents.get(path.join('/'))!);
  const bytes = buildTorrent({ plan, name: c.name, ...hashes, ...more }, nodeCrypto);
  return parseTorrentFile(bytes, nodeCrypto);
}

conformance(
  'creation',
  'create/cases.json',
  (file: { cases: CreateCase[] }) => file.cases,
  (c) => {
    const v1 = create(c, 'v1');
    assert.equal(v1.info.hashV1, c.v1.reference['tree-order']);
    assert.equal(create(c, 'v1', { isPrivate: true }).info.hashV1, c.v1.reference['tree-order, private=1']);
    const withSource = create(c, 'v1', { isPrivate: true, source: 'SRC' });
    assert.equal(withSource.info.hashV1, c.v1.reference['tree-order, private=1, source=SRC']);
    const v2 = create(c, 'v2');
    assert.equal(v2.info.hashV2, c.v2.reference);
    assert.equal(v2.pieceLayers.size, c.v2.piece_layers);
    const hybrid = create(c, 'hybrid').info;
    const accepted = Object.values(c.hybrid.reference);
    assert.ok(accepted.some((r) => r.v1 === hybrid.hashV1 && r.v2 === hybrid.hashV2));
    for (const made of [v2.info, hybrid]) {
      for (const file of made.files.filter((f) => f.length > 0)) {
        const path = made.singleFile ? c.name : file.path.slice(1).join('/');
        assert.equal(toHex(file.piecesRoot!), c.v2.roots[path]);
      }
    }
    assert.equal(v1.info.singleFile, c.single_file);
    assert.equal(v2.info.singleFile, c.single_file);
    assert.equal(hybrid.singleFile, c.single_file);
  },
  (c) => c.id,
);

// --- magnet links ----------------------------------------------------------------------------------------------------------------

interface MagnetExpect {
  v1?: string | null;
  v2?: string | null;
  name?: string;
  trackers?: string[];
  web_seeds?: string[];
  peers?: [string, number][];
  select_only?: number[] | null;
  keywords?: string[];
}

conformance(
  'magnet: valid',
  'vectors/magnet.json',
  (file: { valid: { _id: string; uri: string; expect: MagnetExpect }[] }) => file.valid,
  ({ uri, expect }) => {
    const magnet = parseMagnet(uri);
    const shown: MagnetExpect = {
      v1: magnet.hashV1 ?? null,
      v2: magnet.hashV2 ?? null,
      name: magnet.name ?? '',
      trackers: [...magnet.trackers],
      web_seeds: [...magnet.webSeeds],
      peers: magnet.peers.map((p) => [p.host, p.port]),
      select_only: magnet.selectOnly === undefined ? null : [...magnet.selectOnly],
      keywords: [...magnet.keywords],
    };
    for (const key of Object.keys(expect) as (keyof MagnetExpect)[]) assert.deepEqual(shown[key], expect[key], key);
    assert.doesNotMatch(shown.name!, /[/\\]|^\.\.?$/);
    assert.deepEqual(parseMagnet(formatMagnet(magnet)), magnet);
  },
  (c) => c._id,
);

conformance(
  'magnet: invalid',
  'vectors/magnet.json',
  (file: { invalid: { _id: string; uri: string }[] }) => file.invalid,
  ({ uri }) =>
    assert.throws(
      () => parseMagnet(uri),
      (e) => BtError.is(e, 'magnet/invalid'),
    ),
  (c) => c._id,
);

// --- path rules ------------------------------------------------------------------------------------------------------------------

interface PathCase {
  _id: string;
  in?: string[];
  in_hex?: string;
}

conformance(
  'path rules',
  'vectors/path_sanitise.json',
  (file: Record<'elements' | 'bytes' | 'windows', PathCase[]>) => [...file.elements, ...file.bytes, ...file.windows],
  (c) => {
    const raw = c.in_hex === undefined ? c.in!.map(encodeUtf8) : [fromHex(c.in_hex)!];
    for (const bytes of raw) {
      const part = safePart(bytes);
      assert.ok(part !== '' && part !== '.' && part !== '..');
      assert.doesNotMatch(part, /[/\\\u0000-\u001f\u007f-\u009f\u200e\u200f\u202a-\u202e\ufffd]/);
      assert.ok(encodeUtf8(part).length <= 255);
      assert.equal(safePart(encodeUtf8(part)), part, 'what is safe stays');
    }
  },
  (c) => c._id,
);

// --- hash trees ------------------------------------------------------------------------------------------------------------------

interface MerkleCase {
  _id: string;
  content: string;
  length: number;
  piece_length: number;
  pieces_root: string;
  piece_layer: string | null;
}

conformance(
  'merkle: files',
  'vectors/bep52_merkle.json',
  (file: { files: MerkleCase[] }) => file.files,
  (c) => {
    const merkle = new Merkle(nodeCrypto);
    const bytes = content(c.content, c.length);
    const leaves = concatBytes(
      Array.from({ length: leafCount(c.length) }, (_, i) =>
        nodeCrypto.sha256(bytes.subarray(i * 16_384, (i + 1) * 16_384)),
      ),
    );
    assert.equal(toHex(merkle.fileRoot(leaves)), c.pieces_root);
    const file = { root: fromHex(c.pieces_root)!, length: c.length, pieceLength: c.piece_length };
    const hashes = new FileHashes(merkle, file);
    assert.equal(hashes.isComplete, c.piece_layer === null);
    if (c.piece_layer === null) return;
    assert.equal(toHex(merkle.pieceLayer(leaves, c.piece_length)), c.piece_layer);
    assert.ok(merkle.isPieceLayer(fromHex(c.piece_layer)!, file));
    assert.ok(hashes.acceptLayer(fromHex(c.piece_layer)!));
  },
  (c) => c._id,
);

conformance(
  'merkle: hashes of nothing',
  'vectors/bep52_merkle.json',
  (file: { pad_hashes: { _id: string; level: number; hash: string }[] }) => file.pad_hashes,
  (c) => assert.equal(toHex(new Merkle(nodeCrypto).pad(c.level)), c.hash),
  (c) => c._id,
);

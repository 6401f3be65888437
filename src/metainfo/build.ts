import { assert, type CryptoPort, fromHex, toHex } from '../base/index.ts';
import { type BInput, EncodedBencode, encode } from '../bencode/index.ts';
import { BLOCK_LENGTH } from './geometry.ts';
import { HASH_BYTES, levelOf, Merkle, nextPow2 } from './merkle.ts';
import { checkName, type PlannedEntry, type SourceFile, type TorrentPlan } from './plan.ts';
import { invalid } from './raw-files.ts';

/** What stands around the info dictionary: none of it touches the info-hash. */
export interface TorrentShell {
  /** Tiers (BEP 12). */
  readonly trackers?: readonly (readonly string[])[];
  readonly webSeeds?: readonly string[];
  readonly comment?: string;
  readonly createdBy?: string;
  /** Seconds since 1970. */
  readonly creationDate?: number;
}

/** Nothing is added that is not here: the same input gives the same bytes. */
export interface TorrentSpec extends TorrentShell {
  readonly plan: TorrentPlan;
  /** Name of the folder, or of the file of a single-file torrent. */
  readonly name: string;
  /** v1 and hybrid: SHA-1 of the plan's pieces, 20 bytes each, pads as zeros. */
  readonly sha1?: Uint8Array;
  /** v2 and hybrid: 32 bytes a piece: of a file longer than a piece its piece layer, of a shorter one its root. */
  readonly sha256?: Uint8Array;
  readonly isPrivate?: boolean;
  readonly source?: string;
}

/**
 * Writes a .torrent file: canonical bencode, keys of BEP 3, 12, 19, 27, 47 and 52.
 *
 * @throws BtError `metainfo/invalid`, `metainfo/unsafe-path` for a name that cannot be
 */
export function buildTorrent(spec: TorrentSpec, crypto: Pick<CryptoPort, 'sha256'>): Uint8Array {
  const trees = spec.plan.format === 'v1' ? undefined : readTrees(spec, new Merkle(crypto));
  const info = encode(toInfo(spec, trees));
  return wrapInfo(info, trees === undefined ? spec : { ...spec, pieceLayers: toLayers(trees) });
}

/**
 * Writes a .torrent file around an info dictionary that is there already: one that peers sent (BEP 9), say.
 *
 * @param infoBytes  goes in as it is, so its hash stays
 * @param shell  `pieceLayers` by hex of the root as in `TorrentFile`; needed for v2 and hybrid, even where it is empty
 */
export function wrapInfo(
  infoBytes: Uint8Array,
  shell: TorrentShell & { readonly pieceLayers?: ReadonlyMap<string, Uint8Array> },
): Uint8Array {
  const urls = (shell.trackers ?? []).flat();
  const seeds = shell.webSeeds ?? [];
  const layers = shell.pieceLayers === undefined ? undefined : [...shell.pieceLayers];
  return encode({
    announce: urls[0],
    'announce-list': urls.length > 1 ? shell.trackers?.filter((tier) => tier.length > 0) : undefined,
    comment: shell.comment,
    'created by': shell.createdBy,
    'creation date': shell.creationDate,
    info: new EncodedBencode(infoBytes),
    'piece layers': layers && new Map(layers.map(([hex, layer]) => [fromHex(hex) as Uint8Array, layer])),
    'url-list': seeds.length > 1 ? seeds : seeds[0],
  });
}

function toInfo(spec: TorrentSpec, trees: FileTrees | undefined): BInput {
  const { plan, name } = spec;
  checkName(name, name);
  const hasV1 = plan.format !== 'v2';
  if (hasV1) assert(spec.sha1?.length === plan.pieceCount * 20, 'one SHA-1 for each piece');
  const single = plan.singleFile ? (plan.entries[0] as PlannedEntry) : undefined;
  if (!hasV1 && single === undefined && isLoneNamesake(plan, name)) {
    throw invalid(
      'name',
      'a v2 torrent cannot hold a folder whose one file has its name: choose another name, or v1 or hybrid',
    );
  }
  return {
    attr: hasV1 && single?.file !== undefined ? toAttributes(single.file) : undefined,
    'file tree': trees === undefined ? undefined : toFileTree(plan, name, trees),
    files: hasV1 && single === undefined ? plan.entries.map(toListEntry) : undefined,
    length: hasV1 ? single?.length : undefined,
    'meta version': trees === undefined ? undefined : 2,
    name,
    'piece length': plan.pieceLength,
    pieces: hasV1 ? spec.sha1 : undefined,
    private: spec.isPrivate === true ? 1 : undefined,
    source: spec.source,
  };
}

/** Readers would take it for a single-file torrent (BEP 52 has no sign for the difference). */
function isLoneNamesake(plan: TorrentPlan, name: string): boolean {
  const path = plan.entries[0]?.file?.path;
  return plan.entries.length === 1 && path?.length === 1 && path[0] === name;
}

function toAttributes(file: SourceFile): string | undefined {
  const letters = `${file.hidden === true ? 'h' : ''}${file.executable === true ? 'x' : ''}${file.symlink ? 'l' : ''}`;
  return letters === '' ? undefined : letters;
}

/** The path of a pad file is the one that BEP 47 recommends: clients that do not know pads share one folder of them. */
function toListEntry({ file, length }: PlannedEntry): BInput {
  if (file === undefined) return { attr: 'p', length, path: ['.pad', `${length}`] };
  return { attr: toAttributes(file), length, path: file.path, 'symlink path': file.symlink };
}

interface FileTree {
  readonly root: Uint8Array;
  /** Only of files longer than a piece. */
  readonly layer: Uint8Array | undefined;
}

/** By file; empty files and links have none. */
type FileTrees = ReadonlyMap<SourceFile, FileTree>;

function readTrees(spec: TorrentSpec, merkle: Merkle): FileTrees {
  const { plan, sha256 } = spec;
  assert(sha256?.length === plan.pieceCount * HASH_BYTES, 'one SHA-256 for each piece');
  const level = levelOf(plan.pieceLength / BLOCK_LENGTH);
  const trees = new Map<SourceFile, FileTree>();
  for (const { file, offset, length } of plan.entries) {
    if (file === undefined || length === 0) continue;
    const first = offset / plan.pieceLength;
    const count = Math.ceil(length / plan.pieceLength);
    const hashes = sha256.slice(first * HASH_BYTES, (first + count) * HASH_BYTES);
    trees.set(
      file,
      count === 1
        ? { root: hashes, layer: undefined }
        : { root: merkle.root(hashes, level, nextPow2(count)), layer: hashes },
    );
  }
  return trees;
}

type TreeNode = Map<string, TreeNode | BInput>;

function toFileTree(plan: TorrentPlan, name: string, trees: FileTrees): BInput {
  const root: TreeNode = new Map();
  for (const { file } of plan.entries) {
    if (file === undefined) continue;
    let node = root;
    for (const part of plan.singleFile ? [name] : file.path) {
      const next = (node.get(part) as TreeNode | undefined) ?? new Map<string, TreeNode | BInput>();
      node.set(part, next);
      node = next;
    }
    node.set('', {
      attr: toAttributes(file),
      length: file.length,
      'pieces root': trees.get(file)?.root,
      'symlink path': file.symlink,
    });
  }
  return root as ReadonlyMap<string, BInput>;
}

/** By hex of the root; files of equal content share an entry. */
function toLayers(trees: FileTrees): Map<string, Uint8Array> {
  const layers = new Map<string, Uint8Array>();
  for (const { root, layer } of trees.values()) if (layer !== undefined) layers.set(toHex(root), layer);
  return layers;
}

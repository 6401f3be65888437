import type { Info } from '../../metainfo/index.ts';
import type { Content } from '../content.ts';
import type { SwarmContext } from '../context.ts';
import type { PeerFinder } from '../finder.ts';
import type { Identity } from '../identity.ts';
import type { Poisoner } from '../peering.ts';
import { MetadataExtension } from './metadata.ts';
import { PexExtension } from './pex.ts';
import { ExtensionRegistry } from './registry.ts';
import { dontHaveExtension, type StatementExtension, uploadOnlyExtension } from './statement.ts';

/** What the extensions may ask the torrent they speak for, and what they bring it. */
export interface ExtensionsOwner {
  readonly info: Info | undefined;
  /** The content while requests may flow. */
  readonly active: Content | undefined;
  /** Peers are to be asked for the info dictionary. */
  readonly lacksMetadata: boolean;
  /** The info dictionary has come, and has the info-hash. */
  onMetadata(bytes: Uint8Array): void;
  onPoisoner(poisoner: Poisoner): void;
}

/** The extensions (BEP 10) that a torrent speaks: the list of them, and what each is to it. */
export class TorrentExtensions {
  readonly metadata: MetadataExtension;
  readonly dontHave: StatementExtension<number>;
  readonly uploadOnly: StatementExtension<boolean>;
  readonly registry: ExtensionRegistry;

  constructor(ctx: SwarmContext, parts: { torrent: ExtensionsOwner; identity: Identity; finder: PeerFinder }) {
    const { torrent, identity, finder } = parts;
    this.metadata = new MetadataExtension(ctx, {
      hashV1: identity.hashV1,
      hashV2: identity.hashV2,
      bytes: () => torrent.info?.bytes,
      mayFetch: () => torrent.lacksMetadata,
      onMetadata: (bytes) => torrent.onMetadata(bytes),
      onLiar: (key, close) => torrent.onPoisoner({ key, reason: 'bad-metadata', evidence: close.detail, close }),
    });
    const pex = new PexExtension(ctx, {
      isPrivate: () => torrent.info?.isPrivate === true,
      onPeers: (peers) => finder.addAddresses(peers, 'pex'),
    });
    this.dontHave = dontHaveExtension(ctx, (peer, piece) => torrent.active?.exchange.onDontHave(peer, piece));
    this.uploadOnly = uploadOnlyExtension(ctx, (peer, value) => {
      if (torrent.active === undefined) peer.uploadOnly = value;
      else torrent.active.exchange.onUploadOnly(peer, value);
    });
    this.registry = new ExtensionRegistry(ctx, [this.metadata, pex, this.dontHave, this.uploadOnly]);
  }
}

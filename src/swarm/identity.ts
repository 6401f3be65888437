import { assert, BtError, type InfoHash, swarmKeyBytes, toSwarmKey } from '../base/index.ts';
import type { Info } from '../metainfo/index.ts';
import type { HandshakeStart } from '../wire/index.ts';

/** Who a torrent is: one or both of its info-hashes. A magnet link may name one hash of a hybrid, and the metadata teaches the other. */
export class Identity {
  #hashV1: InfoHash | undefined;
  #hashV2: InfoHash | undefined;

  constructor(hashes: { readonly hashV1?: InfoHash | undefined; readonly hashV2?: InfoHash | undefined }) {
    this.#hashV1 = hashes.hashV1;
    this.#hashV2 = hashes.hashV2;
    assert(this.hashes.length > 0, 'a torrent has an info-hash');
  }

  get hashV1(): InfoHash | undefined {
    return this.#hashV1;
  }
  get hashV2(): InfoHash | undefined {
    return this.#hashV2;
  }
  /** Those there are, v1 first. */
  get hashes(): InfoHash[] {
    return [this.#hashV1, this.#hashV2].filter((hash) => hash !== undefined);
  }
  get first(): InfoHash {
    return (this.#hashV1 ?? this.#hashV2) as InfoHash;
  }
  /** The 20-byte keys that handshakes may carry, as hex. */
  get swarmKeys(): string[] {
    return this.hashes.map(toSwarmKey);
  }

  /**
   * @param asked what an incoming handshake asked for: it is answered with the same, but where both know the v2 info-hash of a hybrid
   *   with that (BEP 52, "upgrade"). libtorrent 2.0.8 drops who knows v2 and answers with v1 all the same.
   */
  handshake(asked?: HandshakeStart): HandshakeStart {
    const v2 = this.#hashV2;
    const isV2 = asked?.flags.v2 === true && v2 !== undefined;
    return {
      infoHash: isV2 ? swarmKeyBytes(v2) : (asked?.infoHash ?? swarmKeyBytes(this.first)),
      flags: { extensions: true, fast: true, dht: false, v2: v2 !== undefined },
    };
  }

  /** @throws BtError `metainfo/invalid` where the dictionary is another torrent's */
  learn(info: Info): void {
    const contradicts = (known: InfoHash | undefined, found: InfoHash | undefined) =>
      known !== undefined && known !== found;
    if (contradicts(this.#hashV1, info.hashV1) || contradicts(this.#hashV2, info.hashV2)) {
      throw new BtError('metainfo/invalid', {
        field: 'info',
        what: 'has one of the magnet link’s hashes and not the other',
      });
    }
    this.#hashV1 = info.hashV1;
    this.#hashV2 = info.hashV2;
  }
}

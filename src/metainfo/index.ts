/**
 * metainfo: Torrent files, magnet links, piece and file arithmetic, Merkle trees, safe names.
 *
 * May know: base, bencode.
 * Must never know: the network, piece states.
 */
export {};

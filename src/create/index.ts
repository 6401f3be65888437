/**
 * create: Makes torrents: walks files, hashes in workers, writes the .torrent.
 *
 * May know: pure rooms, node; reads files itself.
 * Must never know: sockets, a terminal.
 */
export {};

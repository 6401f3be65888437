import { allCases, describeInterop } from './support/describe.ts';
import { libtorrent } from './support/libtorrent.ts';

const overIpv6 = allCases(['v1', 'hybrid'])
  .filter((c) => c.layout === 'single' && c.source === 'magnet')
  .map((c) => ({ ...c, ipv6: true }));
// Who knows one info-hash of a hybrid learns the other with the metadata.
const byOneHash = allCases(['hybrid'])
  .filter((c) => c.layout === 'multi' && c.tracker === 'http')
  .map((c) => ({ ...c, source: c.source === 'torrent' ? ('v1 magnet' as const) : ('v2 magnet' as const) }));

await describeInterop(libtorrent, [...allCases(['v1', 'hybrid', 'v2']), ...byOneHash, ...overIpv6]);

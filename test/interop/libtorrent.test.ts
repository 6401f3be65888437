import { allCases, describeInterop } from './support/describe.ts';
import { libtorrent } from './support/libtorrent.ts';

const overIpv6 = allCases(['v1', 'hybrid'])
  .filter((c) => c.layout === 'single' && c.source === 'magnet')
  .map((c) => ({ ...c, ipv6: true }));

await describeInterop(libtorrent, [...allCases(['v1', 'hybrid', 'v2']), ...overIpv6]);

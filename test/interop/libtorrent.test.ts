import { allCases, describeInterop } from './support/describe.ts';
import { libtorrent } from './support/libtorrent.ts';

await describeInterop(libtorrent, allCases(['v1', 'hybrid', 'v2']));

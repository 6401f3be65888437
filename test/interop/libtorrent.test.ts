import { libtorrent } from './support/libtorrent.ts';
import { allCases, describeInterop } from './support/run-case.ts';

await describeInterop(libtorrent, allCases(['v1', 'hybrid', 'v2']));

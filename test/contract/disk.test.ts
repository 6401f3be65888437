import { DiskPool, InlineDisk } from '#node';
import type { DiskSuite } from '../support/disk-bench.ts';
import { diskContract } from './piece-store.ts';
import { diskFilesContract } from './piece-store-files.ts';
import { diskHostileContract } from './piece-store-hostile.ts';

const suites: DiskSuite[] = [
  {
    name: 'inline',
    make: ({ folder, stateDir, limits }) => new InlineDisk({ folderOf: () => folder, stateDir, limits }),
  },
  {
    name: 'worker',
    make: ({ folder, stateDir, limits }) =>
      new DiskPool({ folderOf: () => folder, stateDir, limits, quickReads: false }),
  },
  {
    // Reads on the main thread from the second one on.
    name: 'worker with quick reads',
    make: ({ folder, stateDir, limits }) =>
      new DiskPool({ folderOf: () => folder, stateDir, limits: { ...limits, quickAfter: 1, quickFilesMax: 3 } }),
  },
  {
    // However little there is to check.
    name: 'worker with hashing threads',
    make: ({ folder, stateDir, limits }) =>
      new DiskPool({
        ...{ folderOf: () => folder, stateDir },
        limits: { ...limits, spreadRecheckBytes: 0 },
      }),
  },
];

for (const suite of suites) {
  diskContract(suite);
  diskFilesContract(suite);
  diskHostileContract(suite);
}

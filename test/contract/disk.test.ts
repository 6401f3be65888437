import { DiskPool, InlineDisk } from '#node';
import { diskContract } from './piece-store.ts';

diskContract({
  name: 'inline',
  make: ({ folder, stateDir, limits }) => new InlineDisk({ folderOf: () => folder, stateDir, limits }),
});
diskContract({
  name: 'worker',
  make: ({ folder, stateDir, limits }) => new DiskPool({ folderOf: () => folder, stateDir, limits }),
});
// Reads on the main thread from the second one on.
diskContract({
  name: 'worker with quick reads',
  make: ({ folder, stateDir, limits }) =>
    new DiskPool({ folderOf: () => folder, stateDir, limits: { ...limits, quickAfter: 1, quickFilesMax: 3 } }),
});

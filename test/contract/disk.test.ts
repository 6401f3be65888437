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

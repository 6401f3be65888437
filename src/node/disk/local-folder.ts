import { statfsSync } from 'node:fs';
import { dirname } from 'node:path';

/**
 * Magic numbers of Linux file systems (linux/magic.h) on disks of the machine itself. A list of the good ones: a network or FUSE file
 * system that is not known here must not be taken for local. Not ZFS, which does not count its reads as the process's (QuickReader).
 */
const LOCAL_TYPES: ReadonlySet<number> = new Set([
  0xef53, // ext2, ext3, ext4
  0x5846_5342, // XFS
  0x9123_683e, // btrfs
  0xf2f5_2010, // F2FS
  0xca45_1a4e, // bcachefs
  0x0102_1994, // tmpfs
  0x794c_7630, // overlayfs
]);

/**
 * Whether a folder, or the nearest one above it that exists, is on a file system of this machine, so that reading what is in the page
 * cache waits for nobody. False where that is not known. May itself wait for a network: not for the main thread.
 */
export function isLocalFolder(path: string): boolean {
  if (process.platform !== 'linux') return false;
  for (let at = path; ; at = dirname(at)) {
    try {
      return LOCAL_TYPES.has(statfsSync(at).type);
    } catch {
      if (dirname(at) === at) return false;
    }
  }
}

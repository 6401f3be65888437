/** Bounds and sizes of the disk's work. Every one can be set through `DiskOptions`. */
export interface DiskLimits {
  /** Files open at once, of all torrents together. A process may have 1,024 descriptors by default, and sockets need most of them. */
  readonly openFilesMax: number;
  /** Bytes a write call; see bench/micro/disk-write.ts for the choice. */
  readonly writeStepBytes: number;
  /** Read buffer of rechecks: small enough to be hashed while it is still in the processor's cache. */
  readonly recheckBufferBytes: number;
  /** A recheck lets other requests pass after so many bytes. */
  readonly recheckStepBytes: number;
  /** The same for pieces that cost no reading because their files are absent. */
  readonly recheckStepPieces: number;
}

export const diskLimits: DiskLimits = {
  openFilesMax: 128,
  writeStepBytes: 16 * 1024,
  recheckBufferBytes: 256 * 1024,
  recheckStepBytes: 8 * 1024 * 1024,
  recheckStepPieces: 4096,
};

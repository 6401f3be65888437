/** Bounds and sizes of the disk's work. Every one can be set through `DiskOptions`. */
export interface DiskLimits {
  /** Files open at once, of all torrents together. A process may have 1,024 descriptors by default, and sockets need most of them. */
  readonly openFilesMax: number;
  /**
   * Bytes a write call. Linux takes memory for the page cache in blocks of up to this size, and only blocks of at most 32 KiB come from
   * lists of memory that was in use a moment ago; larger ones mean untouched memory, which is dear in a virtual machine. System time a
   * GiB of new files, ext4 on Linux 6.18, hot and cold memory mixed: 16 KiB 0.37 s, 32 KiB 0.27, 64 KiB 0.4 to 2.5, 1 MiB 0.5 to 1.9.
   * Overwriting: 0.15, 0.13, 0.12, 0.09 (bench/micro/disk-write.ts).
   */
  readonly writeStepBytes: number;
  /** Files that the main thread keeps open for quick reads, beside those of the worker. */
  readonly quickFilesMax: number;
  /** A read on the main thread that took longer shows that the data was not in the page cache. */
  readonly quickReadMs: number;
  /** Reads by the worker, all quick, after which the main thread may try itself; doubles with every disappointment up to the maximum. */
  readonly quickAfter: number;
  readonly quickAfterMax: number;
  /** Read buffer of rechecks: small enough to be hashed while it is still in the processor's cache. */
  readonly recheckBufferBytes: number;
  /** Bytes of the buffer that segments of a large piece are read back into; the brain chooses segments. */
  readonly segmentBufferBytesMax: number;
  /** A check of less is done by the disk's own thread: others would take longer to start. */
  readonly spreadRecheckBytes: number;
  /** A recheck lets other requests pass after so many bytes. */
  readonly recheckStepBytes: number;
  /** The same for pieces that cost no reading because their files are absent. */
  readonly recheckStepPieces: number;
}

export const diskLimits: DiskLimits = {
  openFilesMax: 128,
  writeStepBytes: 32 * 1024,
  quickFilesMax: 64,
  quickReadMs: 3,
  quickAfter: 8,
  quickAfterMax: 4096,
  recheckBufferBytes: 256 * 1024,
  segmentBufferBytesMax: 1024 * 1024,
  spreadRecheckBytes: 64 * 1024 * 1024,
  recheckStepBytes: 8 * 1024 * 1024,
  recheckStepPieces: 4096,
};

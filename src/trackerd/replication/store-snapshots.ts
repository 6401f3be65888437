import type { Millis } from '../../base/index.ts';
import { type DenseStore, mergeSnapshotChunk, SnapshotChunks } from '../../tracker/index.ts';
import type { SnapshotPort } from './types.ts';

/** Snapshots of the store that the threads of this tracker share. @param now the clock that it is used with */
export function storeSnapshots(store: DenseStore, now: () => Millis): SnapshotPort {
  return {
    *take(): Generator<Uint8Array> {
      const chunks = new SnapshotChunks({ store, now: now() });
      for (let chunk = chunks.next(); chunk !== undefined; chunk = chunks.next()) yield chunk;
    },
    merge: (chunk, takenAt) => mergeSnapshotChunk(chunk, { store, now: now(), takenAt }),
  };
}

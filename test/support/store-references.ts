import assert from 'node:assert/strict';
import { Arena, classOfMark } from '#room/tracker/store/arena';
import {
  AT_SHARDS,
  CLASS_HEADER,
  CLASS_NODE,
  CLASS_SPLIT,
  HEADER_PART,
  META_CLASS_SHIFT,
  META_NODE,
  META_SPLIT,
  recordStart,
  recordsPerPage,
  recordWords,
  SHARD_COUNT,
  SHARD_TAILS,
  SHARD_WORDS,
} from '#room/tracker/store/layout';
import type { DenseStore } from '#tracker';

/** Every record is referred to by the part that it names as its owner, and every part names it back. */
export function checkReferences(store: DenseStore): void {
  const arena = Arena.attach(store.share().buffer);
  const m = arena.words;
  for (let i = 0; i < SHARD_COUNT; i++) {
    const shard = AT_SHARDS + i * SHARD_WORDS;
    for (let recordClass = 0; recordClass <= CLASS_HEADER; recordClass++) {
      const tail = shard + SHARD_TAILS + 2 * recordClass;
      let count = m[tail + 1]!;
      for (let page = m[tail]!; page !== 0; page = m[page]!, count = recordsPerPage[recordClass]!) {
        assert.equal(classOfMark(m[page + 1]!), recordClass);
        for (let n = 0; n < count; n++) {
          const at = page + recordStart[recordClass]! + n * recordWords[recordClass]!;
          if (recordClass === CLASS_HEADER) {
            const meta = m[at + HEADER_PART + 1]!;
            if (meta !== 0) assert.equal(m[m[at + HEADER_PART]!], at + HEADER_PART);
            continue;
          }
          const part = m[at]!;
          assert.equal(m[part], at, `owner of class ${recordClass}`);
          const meta = m[part + 1]!;
          if (recordClass === CLASS_NODE) assert.notEqual(meta & META_NODE, 0);
          else if (recordClass === CLASS_SPLIT) assert.equal(meta, META_SPLIT);
          else assert.equal((meta >>> META_CLASS_SHIFT) & 63, recordClass);
        }
      }
    }
  }
}

/** Records in use, of every class. */
export function recordCount(store: DenseStore): number {
  const m = new Int32Array(store.share().buffer);
  let count = 0;
  for (let i = 0; i < SHARD_COUNT; i++) {
    for (let recordClass = 0; recordClass <= CLASS_HEADER; recordClass++) {
      count += m[AT_SHARDS + i * SHARD_WORDS + SHARD_TAILS + 2 * recordClass + 1]!;
    }
  }
  return count;
}

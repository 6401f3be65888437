/**
 * Loads what transfers and trackers need, room by room, lowest first. Node opens all files at once that a module's imports name, and a
 * process that may have 64 descriptors would fail before it begins.
 */
export async function loadRooms(): Promise<void> {
  await import('../base/index.ts');
  await import('../bencode/index.ts');
  await import('../trace/index.ts');
  await import('../wire/index.ts');
  await import('../metainfo/index.ts');
  await import('../tracker/index.ts');
  await import('../swarm/index.ts');
  await import('../session/index.ts');
  await import('../node/index.ts');
}

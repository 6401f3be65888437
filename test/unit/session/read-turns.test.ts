import assert from 'node:assert/strict';
import { test } from 'node:test';
import type { ConnId, Millis, TorrentId } from '#base';
import { ReadTurns } from '#room/session/read-turns';

const torrent = 1 as TorrentId;

/** A limit that opens for an instant each second, and so many who would use it. @returns how often the limit was asked in the last of them */
function looksWith(readers: number): number {
  let looks = 0;
  let isOpen = true;
  let now = 0 as Millis;
  const read = new Set<ConnId>();
  const turns = new ReadTurns({
    reading: (conn, on) => void (on ? read.add(conn) : read.delete(conn)),
    mayRead: () => {
      looks++;
      return isOpen;
    },
    opensAt: () => {
      looks++;
      return (now + 1) as Millis;
    },
  });
  turns.rate = 1_000;
  for (let conn = 1; conn <= readers; conn++) turns.took(now, torrent, conn as ConnId, 1_000);
  isOpen = false;
  turns.took(now, torrent, 1 as ConnId, 1_000);
  assert.equal(turns.waiting(torrent), readers);
  for (let second = 1; second <= 5; second++) {
    now = (second * 100) as Millis;
    isOpen = true;
    turns.resume(now);
    assert.ok(read.size > 0 && read.size < readers, 'some have their turn');
    isOpen = false;
    const [first] = read;
    looks = 0;
    // Chunks come in, and after each the session asks when to wake.
    turns.took(now, torrent, first as ConnId, 1_000);
    for (let chunk = 0; chunk < 10; chunk++) assert.equal(turns.nextAt(now), now + 1);
    assert.equal(read.size, 0);
    assert.equal(turns.waiting(torrent), readers);
    assert.equal(turns.waiting(2 as TorrentId), 0);
  }
  return looks;
}

test('a limit that is used up is asked for by torrent, not for each connection', () => {
  assert.equal(looksWith(500), looksWith(10));
});

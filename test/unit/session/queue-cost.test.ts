import assert from 'node:assert/strict';
import { test } from 'node:test';
import type { InfoHash, Millis, TorrentId } from '#base';
import { HeldTorrent } from '#room/session/held-torrent';
import type { Session } from '#session';
import { Scene } from '../../support/scene.ts';

/** How often somebody asks what a torrent is at while `run` runs. */
function looksAt(run: () => void): number {
  const { get } = Object.getOwnPropertyDescriptor(HeldTorrent.prototype, 'phase') as Required<PropertyDescriptor>;
  let looks = 0;
  Object.defineProperty(HeldTorrent.prototype, 'phase', {
    configurable: true,
    get() {
      looks++;
      return get.call(this);
    },
  });
  try {
    run();
  } finally {
    Object.defineProperty(HeldTorrent.prototype, 'phase', { configurable: true, get });
  }
  return looks;
}

/** A client with limits on what may be active, and so many complete torrents that sleep. */
function sleepers(count: number): { scene: Scene; ask: (act: (session: Session, now: Millis) => void) => void } {
  const scene = new Scene({ has: 'all', client: { isKept: true, activeLimits: { downloads: 1, seeds: 1 } } });
  scene.client.start();
  const ask = (act: (session: Session, now: Millis) => void) =>
    scene.client.ask((session, _, now) => act(session, now));
  ask((session, now) => {
    const sources = Array.from({ length: count }, (_, n) => ({
      hashV1: n.toString(16).padStart(40, 'a') as InfoHash,
      trackers: [],
      isKept: true,
      known: { isComplete: true },
    }));
    session.restore(now, sources);
  });
  scene.run('1s');
  return { scene, ask };
}

test('what one torrent does costs no look at all that sleep', () => {
  const [small, large] = [20, 400].map((count) => {
    const { scene, ask } = sleepers(count);
    return looksAt(() => {
      // It wakes, with a place; is paused; and somebody asks for it meanwhile, who is refused.
      ask((session, now) => session.wake(now, 1 as TorrentId));
      scene.run('1s');
      scene.join('A', { fast: true });
      scene.run('1s');
      ask((session, now) => session.pause(now, 1 as TorrentId));
      scene.run('1s');
      ask((session, now) => session.unpause(now, 1 as TorrentId));
      scene.run('1s');
    });
  });
  assert.equal(large, small);
});

test('what is ended with all others costs no look at them', () => {
  const perTorrent = [20, 400].map((count) => {
    const { scene, ask } = sleepers(count);
    const looks = looksAt(() => {
      ask((session, now) => session.close(now));
      for (let id = 1; id <= count + 1; id++) ask((session, now) => session.stop(now, id as TorrentId));
      scene.run('1s');
    });
    return Math.floor(looks / count);
  });
  assert.equal(perTorrent[1], perTorrent[0]);
});

import assert from 'node:assert/strict';
import { test } from 'node:test';
import type { TorrentSnapshot } from '#room/swarm/index';
import { Scene, type SceneCast, type SceneOptions } from './scene.ts';

export interface ProtocolCase extends SceneOptions {
  /** Peers that connect before the script begins, in this order; one plain peer `A` where left out. */
  readonly peers?: Readonly<Record<string, SceneCast>>;
  readonly script: readonly (string | ((scene: Scene) => void))[];
  readonly expect?: {
    /** Why the client closed connections; none where left out. */
    readonly closed?: Readonly<Record<string, number>>;
    /** Peers whose connections are open at the end; all that are not in `closed` are not looked at where left out. */
    readonly open?: readonly string[];
    /** Pieces verified. */
    readonly have?: readonly number[];
    readonly banned?: readonly string[];
    readonly snapshot?: Partial<TorrentSnapshot>;
  };
}

/** One exact exchange of messages with a real session. Invariants are walked after every input; at the end nothing may be left. */
export function check(name: string, { peers = { A: {} }, script, expect = {}, ...options }: ProtocolCase): void {
  test(name, () => {
    const scene = new Scene(options).start();
    for (const [peer, cast] of Object.entries(peers)) scene.join(peer, cast);
    scene.play(script);
    scene.run('50ms');
    assert.deepEqual(scene.closed, expect.closed ?? {}, 'connections that the client closed');
    if (expect.open !== undefined) assert.deepEqual(scene.open, expect.open, 'open connections');
    if (expect.have !== undefined) assert.deepEqual(scene.have, expect.have, 'verified pieces');
    assert.deepEqual(scene.banned, expect.banned ?? [], 'banned peers');
    const snapshot = scene.snapshot;
    for (const [key, value] of Object.entries(expect.snapshot ?? {})) {
      assert.deepEqual(snapshot[key as keyof TorrentSnapshot], value, key);
    }
    assert.deepEqual(scene.stop(), []);
  });
}

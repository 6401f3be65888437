import assert from 'node:assert/strict';
import { Scene, type SceneOptions } from './scene.ts';

/** Lets peers serve whatever they are asked for, until the condition holds. */
export function serve(scene: Scene, names: readonly string[], until: () => boolean, time = 120_000): void {
  const end = scene.world.now + time;
  while (!until() && scene.world.now < end) {
    for (const name of names) {
      for (const m of scene.peer(name).received.splice(0)) {
        if (m.kind === 'request') scene.peer(name).play([`< piece ${m.piece} ${m.begin} ${m.length}`]);
      }
    }
    scene.run('20ms');
  }
  assert.ok(until(), `not within ${time} ms: ${JSON.stringify(scene.summary())}`);
}

export const isDone = (scene: Scene) => () => scene.events('done').length > 0;

/** A running client and a peer `A` that has everything and chokes nobody. */
export function withSeed(options: SceneOptions = {}): Scene {
  const scene = new Scene(options).start();
  joinSeed(scene, 'A');
  return scene;
}

export function joinSeed(scene: Scene, name: string): void {
  scene.join(name, { fast: true });
  scene.play([`${name}< have-all`, `${name}< unchoke`]);
}

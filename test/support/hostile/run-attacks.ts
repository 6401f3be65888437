import { after, before, test } from 'node:test';
import { Arena, type Attack, type Direction } from './arena.ts';

/** Tries every attack of a table against one victim, by the way it is given or by both. Linux only: hosts, descriptors. */
export function runAttacks(attacks: readonly Attack[]): void {
  const skip = process.platform === 'linux' ? false : 'needs all of 127.0.0.0/8, and /proc';
  let arena: Arena;
  before(async () => {
    if (skip === false) arena = await Arena.open();
  });
  after(() => arena?.close());
  for (const attack of attacks) {
    const directions: readonly Direction[] = attack.direction === 'both' ? ['in', 'out'] : [attack.direction ?? 'in'];
    for (const direction of directions) {
      const way = attack.unconnected === true ? '' : direction === 'in' ? ', connecting' : ', dialled';
      test(`${attack.name}${way}`, { skip, timeout: 60_000 }, (t) => arena.run(t, attack, direction));
    }
  }
}

import type { MakeHooks } from '#room/trackerd/udp/worker-protocol';

/**
 * Policy of the worker tests: refuses what `policy.refused` says, counts what it lets go, tells of it by the kind `passed`, and fails
 * where the policy is no object. An announce with a key of 666 kills its thread a moment later.
 */
export const makeHooks: MakeHooks = (policy, context) => {
  const { refused } = policy as { refused: string };
  if (refused === undefined) throw new Error('no such policy');
  let passed = 0;
  return {
    hooks: [
      {
        preAnnounce: (call) => {
          if (call.key === 666) {
            setImmediate(() => {
              throw new Error('a thread dies');
            });
          }
          if (refused !== '') return { reason: refused };
          passed++;
          return undefined;
        },
      },
    ],
    flush: () => {
      if (passed === 0) return;
      const buffer = new Uint32Array([passed]);
      context.send('passed', buffer, [buffer.buffer]);
      passed = 0;
    },
  };
};

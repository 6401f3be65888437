import assert from 'node:assert/strict';
import { execFileSync } from 'node:child_process';
import { createHash } from 'node:crypto';
import { test } from 'node:test';
import { fileURLToPath } from 'node:url';

const program = fileURLToPath(new URL('../../support/hash-without-descriptors.js', import.meta.url));

for (const [left, what] of [
  [1, 'none can begin'],
  [5, 'one begins, and cannot read its program'],
  [40, 'there is enough for both'],
] as const) {
  test(`with ${left} descriptors left all is hashed: ${what}`, { skip: process.platform !== 'linux' }, () => {
    const script = 'ulimit -n 96 && exec "$@"';
    const args = ['-c', script, 'sh', process.execPath, program, String(left), '6'];
    const lines = execFileSync('sh', args, { encoding: 'utf8', timeout: 60_000 }).trim().split('\n');
    const sha1 = createHash('sha1').update(Buffer.alloc(16_384)).digest('hex');
    assert.deepEqual(
      lines.sort(),
      [...Array.from({ length: 6 }, (_, n) => `${n} ${sha1}`), 'idle true full false'].sort(),
    );
  });
}

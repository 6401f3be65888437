import assert from 'node:assert/strict';
import { existsSync, readdirSync, readFileSync } from 'node:fs';
import { join } from 'node:path';
import { test } from 'node:test';
import { fileURLToPath } from 'node:url';

const root = fileURLToPath(new URL('../../../../', import.meta.url));

test('the bench that a hot file names is there', () => {
  const files = readdirSync(join(root, 'src'), { recursive: true, encoding: 'utf8' }).filter((f) => f.endsWith('.ts'));
  const named = files.flatMap((file) => {
    const name = /^\/\/ Hot path: (.*)$/m.exec(readFileSync(join(root, 'src', file), 'utf8'))?.[1];
    return name === undefined ? [] : [{ file, name }];
  });
  assert.ok(named.length > 0, 'some files are hot');
  const without = named.filter(({ name }) =>
    ['bench', 'bench/micro'].every((f) => !existsSync(join(root, f, `${name}.ts`))),
  );
  assert.deepEqual(without, []);
});

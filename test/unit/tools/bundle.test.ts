import assert from 'node:assert/strict';
import { readFileSync } from 'node:fs';
import { builtinModules } from 'node:module';
import { join } from 'node:path';
import { test } from 'node:test';

const root = join(import.meta.dirname, '../../../..');
const { name, exports: entries } = JSON.parse(readFileSync(join(root, 'package.json'), 'utf8')) as {
  name: string;
  exports: Record<string, string | { types: string }>;
};

/** What a file of `dist/lib` names in its static imports. */
function importsOf(file: string): string[] {
  const text = readFileSync(join(root, 'dist/lib', file), 'utf8');
  return [...text.matchAll(/^(?:import|export) (?:[^'\n]* from )?'([^']+)';$/gm)].map((match) => match[1] as string);
}

// The names of package.json "imports" and "exports" must lead to the same rooms, in the compiler and at run time alike.
for (const [path, entry] of Object.entries(entries)) {
  if (typeof entry === 'string') continue;
  const room = entry.types.split('/')[2] as string;
  test(`${name}${path.slice(1)} is the face of the room ${room}`, async () => {
    const [shipped, built] = [await import(`${name}${path.slice(1)}`), await import(`#${room}`)];
    assert.ok(Object.keys(built).length > 0);
    assert.deepEqual(Object.keys(shipped).sort(), Object.keys(built).sort());
  });
}

test('#room names lead to the built rooms', async () => {
  assert.equal(await import('#bencode'), await import('#room/bencode/index'));
});

test('two exports share the rooms below them', async () => {
  const [client, metainfo] = [await import('eider'), await import('eider/metainfo')];
  assert.equal(client.formatMagnet, metainfo.formatMagnet);
});

test('threads that begin while somebody waits load one file', () => {
  for (const thread of ['disk-worker.js', 'hash-worker.js']) {
    const named = importsOf(thread);
    assert.ok(named.includes('node:fs'), 'imports are found');
    const foreign = named.filter((one) => !builtinModules.includes(one.replace('node:', '')));
    assert.deepEqual(foreign, [], `${thread} loads nothing but what Node has`);
  }
});

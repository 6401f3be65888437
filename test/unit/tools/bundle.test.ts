import assert from 'node:assert/strict';
import { readFileSync } from 'node:fs';
import { builtinModules } from 'node:module';
import { join } from 'node:path';
import { test } from 'node:test';

const lib = join(import.meta.dirname, '../../../../dist/lib');

/** What a file names in its static imports. */
function importsOf(file: string): string[] {
  return [...readFileSync(join(lib, file), 'utf8').matchAll(/^(?:import|export) (?:[^'\n]* from )?'([^']+)';$/gm)].map(
    (match) => match[1] as string,
  );
}

// The names of package.json "imports" and "exports" must lead to the same rooms, in the compiler and at run time alike.
test('what the package exports is the face of the room of that name, and #room names lead to the built rooms', async () => {
  for (const [shipped, built] of [
    [await import('eider'), await import('#client')],
    [await import('eider/bencode'), await import('#bencode')],
    [await import('eider/wire'), await import('#wire')],
    [await import('eider/trackerd'), await import('#trackerd')],
  ]) {
    assert.deepEqual(Object.keys(shipped as object).sort(), Object.keys(built as object).sort());
  }
  assert.equal(await import('#bencode'), await import('#room/bencode/index'));
});

test('two exports share the rooms below them', async () => {
  const [client, metainfo] = [await import('eider'), await import('eider/metainfo')];
  assert.equal(client.formatMagnet, metainfo.formatMagnet);
});

test('threads that begin while somebody waits load one file', () => {
  for (const thread of ['disk-worker.js', 'hash-worker.js']) {
    const foreign = importsOf(thread).filter((name) => !builtinModules.includes(name.replace('node:', '')));
    assert.deepEqual(foreign, [], `${thread} loads nothing but what Node has`);
  }
});

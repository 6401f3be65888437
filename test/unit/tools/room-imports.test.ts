import assert from 'node:assert/strict';
import { test } from 'node:test';

// The names of package.json "imports" and "exports" must lead to the built rooms, in the compiler and at run time alike.
test('#room names and the self-reference resolve to the same built modules', async () => {
  assert.equal(await import('#wire'), await import('eider/wire'));
  assert.equal(await import('#bencode'), await import('#room/bencode/index'));
  assert.equal(await import('#client'), await import('eider'));
});

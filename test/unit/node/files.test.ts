import assert from 'node:assert/strict';
import { existsSync, readdirSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { describe, test } from 'node:test';
import { makeFolders, readIntact, removeAtomic, writeAtomic } from '#node';
import { faultyCalls, noFaults } from '../../support/faulty-calls.ts';
import { makeTempFolder } from '../../support/temp-folder.ts';

const text = (value: string): Uint8Array => new TextEncoder().encode(value);
const parse = (bytes: Uint8Array): unknown => JSON.parse(Buffer.from(bytes).toString());

describe('atomic files', () => {
  test('are made with their folders, replaced, and keep a generation', (t) => {
    const folder = makeTempFolder(t);
    const path = join(folder, 'a/b/state.json');
    assert.equal(readIntact(path, parse), undefined);
    writeAtomic(path, text('1'), { sync: true });
    writeAtomic(path, text('2'), { keepPrevious: true });
    assert.equal(readIntact(path, parse), 2);
    assert.deepEqual(readdirSync(join(folder, 'a/b')).sort(), ['state.json', 'state.json.bak']);
    removeAtomic(path);
    assert.deepEqual(readdirSync(join(folder, 'a/b')), []);
  });

  test('fall back to the generation before where the newest is damaged or missing', (t) => {
    const path = join(makeTempFolder(t), 'state.json');
    writeAtomic(path, text('1'));
    writeAtomic(path, text('2'), { keepPrevious: true });
    writeFileSync(path, '{');
    assert.equal(readIntact(path, parse), 1);
    rmSync(path);
    assert.equal(readIntact(path, parse), 1);
    writeFileSync(path, '{');
    writeFileSync(`${path}.bak`, '{{');
    assert.throws(() => readIntact(path, parse), SyntaxError);
  });

  test('a failed write leaves the old file whole and nothing else', (t) => {
    const folder = makeTempFolder(t);
    const path = join(folder, 'state.json');
    writeAtomic(path, text('"old"'));
    const faults = noFaults();
    faults.spaceBytes = 3;
    const calls = faultyCalls(faults);
    assert.throws(() => writeAtomic(path, text('"much too long"'), { calls, keepPrevious: true }), {
      code: 'disk/no-space',
    });
    assert.equal(readFileSync(path, 'utf8'), '"old"');
    assert.deepEqual(readdirSync(folder), ['state.json']);
    assert.equal(existsSync(`${path}.tmp`), false);
  });
});

test('folders are made part by part, and a place where none can be made is told at once', (t) => {
  const folder = makeTempFolder(t);
  makeFolders(join(folder, 'a/b/c'));
  makeFolders(join(folder, 'a/b/c'));
  assert.ok(existsSync(join(folder, 'a/b/c')));
  // Node's recursive mkdir never comes back from here.
  assert.throws(() => makeFolders('/proc/no/such/folder'));
  writeFileSync(join(folder, 'file'), '');
  assert.throws(() => makeFolders(join(folder, 'file/below')));
});

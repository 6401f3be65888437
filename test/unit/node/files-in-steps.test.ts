import assert from 'node:assert/strict';
import { readdirSync, readFileSync, statSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { test } from 'node:test';
import { BtError } from '#base';
import { writeInSteps } from '#node';
import { makeTempFolder } from '../../support/temp-folder.ts';

function* filled(...sizes: number[]): Generator<Uint8Array> {
  for (const [i, size] of sizes.entries()) yield new Uint8Array(size).fill(i + 1);
}

test('parts of any size come one after the other; folders are made; the generation before is kept', async (t) => {
  const folder = join(makeTempFolder(t), 'state', 'of');
  const path = join(folder, 'swarms');
  assert.equal(await writeInSteps(path, filled(3)), 3);
  const sizes = [1, 0, 1_048_576, 700_000, 700_000, 5];
  const size = sizes.reduce((sum, n) => sum + n, 0);
  assert.equal(await writeInSteps(path, filled(...sizes), 0o600), size);
  assert(readFileSync(path).equals(Buffer.concat([...filled(...sizes)])));
  assert.equal(statSync(path).mode & 0o777, 0o600);
  assert.deepEqual([...readFileSync(`${path}.bak`)], [1, 1, 1]);
  assert.deepEqual(readdirSync(folder).sort(), ['swarms', 'swarms.bak']);
});

test('a part that cannot be made leaves the old file whole, and nothing beside it', async (t) => {
  const folder = makeTempFolder(t);
  const path = join(folder, 'swarms');
  await writeInSteps(path, filled(2));
  function* failing(): Generator<Uint8Array> {
    yield new Uint8Array(2_000_000);
    throw new BtError('disk/io', { path, what: 'it took too long to write' });
  }
  await assert.rejects(writeInSteps(path, failing()), (error) => BtError.is(error, 'disk/io'));
  assert.deepEqual([...readFileSync(path)], [1, 1]);
  assert.deepEqual(readdirSync(folder), ['swarms']);
});

test('what a process that is gone has left beside the file is removed, what one that lives writes is not', async (t) => {
  const folder = makeTempFolder(t);
  const path = join(folder, 'swarms');
  // No process has a number as large as that.
  for (const name of ['swarms.99999999.tmp', `swarms.${process.ppid}.tmp`, 'swarms.x.tmp', 'other.99999999.tmp']) {
    writeFileSync(join(folder, name), 'x');
  }
  await writeInSteps(path, filled(1));
  assert.deepEqual(
    readdirSync(folder).sort(),
    ['other.99999999.tmp', 'swarms', `swarms.${process.ppid}.tmp`, 'swarms.x.tmp'].sort(),
  );
});

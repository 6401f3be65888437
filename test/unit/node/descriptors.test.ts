import assert from 'node:assert/strict';
import { test } from 'node:test';
import { divideDescriptors, readDescriptorLimit } from '#node';

const wanted = { connections: 500, lingering: 256, files: 128, quickFiles: 64 };

test('descriptors are divided so that all parts together fit', () => {
  for (const max of [64, 80, 128, 256, 512, 1_024, 4_096, Number.POSITIVE_INFINITY]) {
    const { connections, lingering, files, quickFiles, rest } = divideDescriptors(max, wanted);
    assert.ok(connections + lingering + files + quickFiles + rest <= max, `${max}`);
    assert.ok(connections >= 16 && files >= 8 && quickFiles >= 4, `${max}: ${connections} ${files} ${quickFiles}`);
  }
  const { processMax: _, rest: __, ...parts } = divideDescriptors(1_048_576, wanted);
  assert.deepEqual(parts, wanted);
});

test('where there is next to nothing, something is left for each', () => {
  const { connections, files, quickFiles } = divideDescriptors(10, wanted);
  assert.ok(connections > 0 && files > 0 && quickFiles > 0);
});

test('what the user wants is not exceeded, and where the system says nothing little is assumed', () => {
  assert.equal(divideDescriptors(4_096, { ...wanted, connections: 7 }).connections, 7);
  assert.equal(divideDescriptors(undefined, wanted).connections, divideDescriptors(256, wanted).connections);
});

test('the limit of the process is read where the system has it', () => {
  const line = (soft: string) =>
    `Limit  Soft Limit  Hard Limit  Units\nMax open files            ${soft}     524288     files\n`;
  assert.equal(
    readDescriptorLimit(() => line('1024')),
    1_024,
  );
  assert.equal(
    readDescriptorLimit(() => line('unlimited')),
    Number.POSITIVE_INFINITY,
  );
  assert.equal(
    readDescriptorLimit(() => {
      throw new Error('no such file');
    }),
    undefined,
  );
  assert.equal(
    readDescriptorLimit(() => 'rubbish'),
    undefined,
  );
});

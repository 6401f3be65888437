import assert from 'node:assert/strict';
import { appendFileSync, statSync } from 'node:fs';
import { join } from 'node:path';
import { test } from 'node:test';
import { decodeUtf8Loose, encodeUtf8 } from '#base';
import { JournaledFile } from '#node';
import { makeTempFolder } from '../../support/temp-folder.ts';

test('zeros that lost power left behind a journal are no entries, and are cut off', (t) => {
  const path = join(makeTempFolder(t), 'state');
  const file = new JournaledFile(path);
  assert.deepEqual(file.read(decodeUtf8Loose), { contents: undefined, entries: [] });
  file.replace(encodeUtf8('whole'));
  file.append(encodeUtf8('one'));
  file.close();
  const journal = `${path}.1.journal`;
  const { size } = statSync(journal);
  appendFileSync(journal, new Uint8Array(100));
  const again = new JournaledFile(path);
  assert.deepEqual(again.read(decodeUtf8Loose), { contents: 'whole', entries: ['one'] });
  assert.equal(statSync(journal).size, size);
  again.append(encodeUtf8('two'));
  again.close();
  assert.deepEqual(new JournaledFile(path).read(decodeUtf8Loose), { contents: 'whole', entries: ['one', 'two'] });
});

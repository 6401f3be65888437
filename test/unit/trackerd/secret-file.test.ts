import assert from 'node:assert/strict';
import { existsSync, statSync, utimesSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { test } from 'node:test';
import { leaveConnectionSecret, takeConnectionSecret } from '#room/trackerd/udp/secret-file';
import { makeTempFolder } from '../../support/temp-folder.ts';

const lifetimeMs = 120_000;

test('the secret of connection ids goes from one run to the next, and is on disk only in between', (t) => {
  const path = join(makeTempFolder(t), 'swarms.ids');
  const first = takeConnectionSecret(path, lifetimeMs);
  assert.equal(first.length, 16);
  assert.equal(existsSync(path), false);
  leaveConnectionSecret(path, first);
  assert.equal(statSync(path).mode & 0o777, 0o600);
  assert.deepEqual(Buffer.from(takeConnectionSecret(path, lifetimeMs)), Buffer.from(first));
  assert.equal(existsSync(path), false);
  // After a crash there is none.
  assert.notDeepEqual(Buffer.from(takeConnectionSecret(path, lifetimeMs)), Buffer.from(first));
});

test('a secret that lay too long, or is none, is not used and not kept', (t) => {
  const path = join(makeTempFolder(t), 'swarms.ids');
  const before = new Uint8Array(16).fill(7);
  leaveConnectionSecret(path, before);
  utimesSync(path, 1_000_000_000, 1_000_000_000);
  assert.notDeepEqual(Buffer.from(takeConnectionSecret(path, lifetimeMs)), Buffer.from(before));
  assert.equal(existsSync(path), false);
  writeFileSync(path, 'x'.repeat(1_000));
  assert.equal(takeConnectionSecret(path, lifetimeMs).length, 16);
  assert.equal(existsSync(path), false);
  // No place for one: nothing is kept, and nothing fails.
  assert.notDeepEqual(takeConnectionSecret(undefined, lifetimeMs), takeConnectionSecret(undefined, lifetimeMs));
});

import assert from 'node:assert/strict';
import { appendFileSync, readdirSync, readFileSync, statSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { test } from 'node:test';
import { BtError } from '#base';
import { JournaledFile } from '#node';
import { type SystemCalls, systemCalls } from '#room/node/disk/system-calls';
import { faultyCalls, noFaults } from '../../support/faulty-calls.ts';
import { makeTempFolder } from '../../support/temp-folder.ts';

const text = (bytes: Uint8Array) => {
  const out = new TextDecoder().decode(bytes);
  if (out.startsWith('newer')) throw new BtError('swarm/state-newer', { what: 'the text' });
  if (!out.startsWith('s') && !out.startsWith('+')) throw new BtError('swarm/state-damaged', { what: 'the text' });
  return out;
};
const bytes = (words: string) => new TextEncoder().encode(words);

/** Everything a reader knows: the contents and what was appended. */
function readAll(path: string): string {
  const { contents, entries } = new JournaledFile(path).read(text);
  return [contents ?? '', ...entries].join('');
}

class Killed extends Error {}

/** The process is gone at its `at`-th call that changes something; of a write, half is done. */
function killedAt(at: number): SystemCalls {
  let n = 0;
  const changing = new Set(['writeSync', 'renameSync', 'unlinkSync', 'ftruncateSync', 'openSync', 'fsyncSync']);
  return new Proxy(systemCalls, {
    get: (target, name) => {
      const call = target[name as keyof SystemCalls] as (...args: unknown[]) => unknown;
      if (!changing.has(String(name))) return call;
      return (...args: unknown[]) => {
        if (++n > at) throw new Killed();
        if (n < at || name !== 'writeSync') return call(...args);
        const [fd, data, from, length, position] = args as [number, Uint8Array, number, number, number | null];
        systemCalls.writeSync(fd, data, from, Math.ceil(length / 2), position);
        throw new Killed();
      };
    },
  });
}

/** What a session does in its life, and what a reader may find after each step. */
const steps: readonly { readonly act: (file: JournaledFile) => void; readonly says: string }[] = [
  { act: (f) => f.append(bytes('+a')), says: '+a' },
  { act: (f) => f.replace(bytes('s1a')), says: 's1a' },
  { act: (f) => f.append(bytes('+b')), says: 's1a+b' },
  { act: (f) => f.append(bytes('+c')), says: 's1a+b+c' },
  { act: (f) => f.replace(bytes('s2abc')), says: 's2abc' },
  { act: (f) => f.append(bytes('+d')), says: 's2abc+d' },
  { act: (f) => f.replace(bytes('s3abcd')), says: 's3abcd' },
];

test('a process killed at any system call loses nothing that was done before', (t) => {
  let kills = 0;
  for (let at = 1; ; at++) {
    const path = join(makeTempFolder(t), 'state');
    const file = new JournaledFile(path, killedAt(at));
    let before = '';
    let wasKilled = false;
    try {
      file.read(text);
      for (const { act, says } of steps) {
        act(file);
        before = says;
      }
    } catch (error) {
      if (!(error instanceof Killed) && !(error instanceof Error && error.cause instanceof Killed)) throw error;
      wasKilled = true;
    }
    const after = steps[steps.findIndex(({ says }) => says === before) + 1]?.says ?? before;
    const found = readAll(path);
    assert.ok(found === before || found === after, `kill ${at}: ${JSON.stringify({ found, before, after })}`);
    // And the next process goes on from there.
    const next = new JournaledFile(path);
    next.read(text);
    next.append(bytes('+z'));
    next.close();
    assert.equal(readAll(path), `${found}+z`, `kill ${at}`);
    if (!wasKilled) break;
    kills++;
  }
  assert.ok(kills > 30, `${kills} kills`);
});

function play(path: string, count = steps.length): void {
  const file = new JournaledFile(path);
  file.read(text);
  for (const { act } of steps.slice(0, count)) act(file);
  file.close();
}

test('where the newest file is damaged, the one before it and both journals say the same', (t) => {
  const path = join(makeTempFolder(t), 'state');
  play(path, 6);
  const newest = readFileSync(path);
  newest[9] = 0;
  writeFileSync(path, newest);
  // As it was before the file that is damaged, and what came since.
  assert.equal(readAll(path), 's1a+b+c+d');
  const file = new JournaledFile(path);
  file.read(text);
  file.replace(bytes('s3abcd'));
  file.append(bytes('+e'));
  file.close();
  assert.equal(readAll(path), 's3abcd+e');
  // The damaged one has not pushed out the one before it.
  writeFileSync(path, 'rubbish, longer than a head');
  assert.equal(readAll(path), 's1a+b+c+d+e');
});

test('journals of generations that nobody needs are removed', (t) => {
  const folder = makeTempFolder(t);
  play(join(folder, 'state'));
  assert.deepEqual(readdirSync(folder).sort(), ['state', 'state.2.journal', 'state.bak']);
});

test('both generations damaged, and a newer program’s file, are said and left alone', (t) => {
  const path = join(makeTempFolder(t), 'state');
  play(path);
  const file = new JournaledFile(path);
  file.read(text);
  file.replace(bytes('newer than we are'));
  file.close();
  assert.throws(
    () => readAll(path),
    (error) => BtError.is(error, 'swarm/state-newer'),
  );
  writeFileSync(path, 'rubbish');
  writeFileSync(`${path}.bak`, 'rubbish');
  assert.throws(
    () => readAll(path),
    (error) => BtError.is(error, 'swarm/state-damaged'),
  );
});

test('an append that does not fit leaves no half of itself behind', (t) => {
  const path = join(makeTempFolder(t), 'state');
  const faults = noFaults();
  const file = new JournaledFile(path, faultyCalls(faults));
  file.read(text);
  file.append(bytes('+first'));
  faults.bytesPerCall = 4;
  faults.spaceBytes = 6;
  assert.throws(
    () => file.append(bytes('+second')),
    (error) => BtError.is(error, 'disk/no-space'),
  );
  faults.spaceBytes = Number.POSITIVE_INFINITY;
  file.append(bytes('+third'));
  file.close();
  assert.equal(readAll(path), '+first+third');
});

test('zeros that lost power left behind a journal are no entries, and are cut off', (t) => {
  const path = join(makeTempFolder(t), 'state');
  play(path, 4);
  const journal = `${path}.1.journal`;
  const { size } = statSync(journal);
  appendFileSync(journal, new Uint8Array(100));
  assert.equal(readAll(path), 's1a+b+c');
  assert.equal(statSync(journal).size, size);
  const file = new JournaledFile(path);
  file.read(text);
  file.append(bytes('+x'));
  file.close();
  assert.equal(readAll(path), 's1a+b+c+x');
});

test('what a change costs does not grow with the file', (t) => {
  const entry = bytes(`+${'x'.repeat(99)}`);
  const written = [100, 1_600].map((changes) => {
    let count = 0;
    const counted: SystemCalls = new Proxy(systemCalls, {
      get: (target, name) => {
        const call = target[name as keyof SystemCalls] as (...args: unknown[]) => unknown;
        if (name !== 'writeSync') return call;
        return (...args: unknown[]) => {
          const done = call(...args);
          count += Number(done);
          return done;
        };
      },
    });
    const file = new JournaledFile(join(makeTempFolder(t), 'state'), counted);
    let state = 's';
    for (let n = 0; n < changes; n++) {
      file.append(entry);
      state += 'y'.repeat(99);
      if (file.isWorthReplacing(1_000)) file.replace(bytes(state));
    }
    file.close();
    return count / changes;
  });
  const [few = 0, many = 0] = written;
  assert.ok(many < few * 1.5, `${few} bytes a change, then ${many}`);
});

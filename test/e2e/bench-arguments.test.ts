import assert from 'node:assert/strict';
import { execFile } from 'node:child_process';
import { mkdtemp, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { test } from 'node:test';
import { fileURLToPath } from 'node:url';

const main = fileURLToPath(new URL('../../bench/main.js', import.meta.url));

function bench(...args: string[]): Promise<{ code: number; out: string; err: string }> {
  return new Promise((resolve) => {
    const child = execFile(process.execPath, [main, ...args], (_error, out, err) =>
      resolve({ code: child.exitCode ?? -1, out, err }),
    );
  });
}

test('every bench says what it does, and refuses options that it does not know', async () => {
  const names = /one of: (.*)/.exec((await bench()).err)?.[1]?.split(' ') ?? [];
  assert.ok(names.includes('leech') && names.includes('wire-decoder'), names.join(' '));
  for (const name of names) {
    assert.doesNotMatch((await bench(name, '--help')).out, /nothing is written/, name);
    const { code, err } = await bench(name, '--no-such-option');
    assert.deepEqual([code, /--no-such-option.*\n\(--help/s.test(err)], [2, true], `${name}: ${err}`);
  }
});

const refused: readonly (readonly [args: string, why: RegExp])[] = [
  ['leech --runs none', /--runs: none is no whole number/],
  ['leech --runs 0', /--runs: 0 is no whole number/],
  ['leech --mib 1.5', /--mib: 1.5 is no whole number/],
  ['leech --piece-kib 100', /--piece-kib: 100 is no power of two/],
  ['leech --format v3', /--format: no v3, there are v1, v2, hybrid/],
  ['leech --programs eider,nobody', /--programs: no nobody, there are eider, /],
  ['leech --node nowhere', /--node: nowhere is no Node/],
  ['create --format v2 --programs mktorrent', /not able to make v2 torrents\nnone of the programs can run here/],
  ['scaling moons', /scaling: no moons, there are connections, /],
  ['scaling --json file', /--json is that of the one scaling/],
  ['profile everything', /profile: no everything, there are leech, /],
  ['tracker --loads heavy', /--loads: no heavy, there are 10k, /],
  ['disk 1 2 3', /3: 2 numbers are taken/],
  ['tracker-store some', /torrents: no some, there are 10000, /],
  ['compare one.json', /two files of results/],
  ['compare one.json two.json', /one.json: ENOENT/],
];

for (const [args, why] of refused) {
  test(`refused: ${args}`, async () => {
    const { code, err } = await bench(...args.split(' '));
    assert.match(err, why);
    assert.equal(code, 2);
  });
}

test('two results are set side by side, with what only one of them has', async () => {
  const folder = await mkdtemp(join(tmpdir(), 'eider-test-'));
  try {
    const write = async (name: string, rows: readonly object[]) => {
      const file = join(folder, name);
      await writeFile(file, JSON.stringify({ bench: 'leech', work: 'w', machine: 'm', date: 'd', rows }));
      return file;
    };
    const row = (program: string, round: number, figures: Record<string, number>) => ({ program, round, figures });
    const before = await write('a.json', [row('eider', 0, { s: 2, x: 1 }), row('eider', 1, { s: 4, x: 1 })]);
    const after = await write('b.json', [row('eider', 0, { s: 1, y: 1 }), row('other', 0, { s: 1 })]);
    const { code, out } = await bench('compare', before, after);
    assert.equal(code, 0);
    assert.deepEqual(out.trim().split('\n').slice(3), [
      '| | s | x | y |',
      '|---|---|---|---|',
      '| eider | 3.00 -> 1.00 (-67 %) | - | - |',
      '| other | - | - | - |',
    ]);
  } finally {
    await rm(folder, { recursive: true });
  }
});

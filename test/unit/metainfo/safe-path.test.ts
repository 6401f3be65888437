import assert from 'node:assert/strict';
import { test } from 'node:test';
import { encodeUtf8, fromHex } from '#base';
import { safePart, safeText } from '#metainfo';
import { NameTree } from '#room/metainfo/safe-path';

function check(raw: string, safe: string): void {
  assert.equal(safePart(encodeUtf8(raw)), safe);
  assert.equal(safeText(raw), safe);
}

test('names that are safe stay as they are', () => {
  for (const name of [
    'a',
    '...',
    '.hidden',
    'abc...',
    'abc   ',
    ' a',
    'dev:',
    'CON',
    'nul.txt',
    'a?b*c"<>|',
    'π😀',
    '\u{1F469}\u200D\u{1F680}',
    '-rf',
    '~',
  ]) {
    check(name, name);
  }
});

test('what is not safe is replaced', () => {
  check('', '_');
  check('.', '_');
  check('..', '__');
  check('/', '_');
  check('\\', '_');
  check('../../etc/passwd', '.._.._etc_passwd');
  check('C:\\x', 'C:_x');
  check('a\0b', 'a_b');
  check('a\n\x1b[31m', 'a_[31m');
  check('\x7f\x80\u2028', '_');
  check('foo\u200ebar', 'foobar');
  check('gpj.\u202eexe', 'gpj.exe');
  check('.\u200e.', '__');
  check('\u202e', '_');
  check('\ufeffa', 'a');
});

test('bad UTF-8 never becomes a dot or a slash', () => {
  const raw = (hex: string) => safePart(fromHex(hex)!);
  assert.equal(raw('c0ae'), '_');
  assert.equal(raw('c0aec0ae'), '_');
  assert.equal(raw('612fe080af62'), 'a__b');
  assert.equal(raw('ff'), '_');
  assert.equal(raw('2eed a080'.replace(' ', '')), '._');
  assert.equal(raw('efbfbd'), '\ufffd');
  assert.equal(safeText('a\ud800b'), 'a_b');
});

test('long names are cut at a character, extension kept', () => {
  check('n'.repeat(255), 'n'.repeat(255));
  check('n'.repeat(256), 'n'.repeat(255));
  check(`${'n'.repeat(300)}.txt`, `${'n'.repeat(251)}.txt`);
  check('é'.repeat(200), 'é'.repeat(127));
  check(`${'😀'.repeat(100)}.tar`, `${'😀'.repeat(62)}.tar`);
  check(`a.${'x'.repeat(300)}`, `a.${'x'.repeat(253)}`);
});

test('names are made distinct, folders before files', () => {
  const tree = new NameTree();
  const paths = [
    ['r', 'a'],
    ['r', 'a', 'b'],
    ['r', 'x.txt'],
    ['r', 'x.txt'],
    ['r', 'x.txt'],
    ['r', '.h'],
    ['r', '.h'],
    ['r', 'x.1.txt'],
  ];
  for (const path of paths) tree.addFolders(path);
  assert.deepEqual(
    paths.map((path) => tree.addFile(path).join('/')),
    ['r/a.1', 'r/a/b', 'r/x.txt', 'r/x.1.txt', 'r/x.2.txt', 'r/.h', 'r/.h.1', 'r/x.1.1.txt'],
  );
  assert.ok(tree.has(['r', 'a']) && tree.has(['r', 'a', 'b']));
  assert.ok(!tree.has(['r', 'c']) && !tree.has(['r', 'x.txt', 'y']));
});

test('many names that are cut alike are told apart in little time', () => {
  const tree = new NameTree();
  const seen = new Set<string>();
  const started = process.cpuUsage();
  for (let i = 0; i < 40_000; i++) {
    const [, name] = tree.addFile(['r', `${'n'.repeat(245)}${String(i % 20_000).padStart(6, '0')}.dat`]);
    assert.ok(name!.length <= 255);
    seen.add(name!);
  }
  assert.equal(seen.size, 40_000);
  assert.ok(process.cpuUsage(started).user < 5_000_000);
});

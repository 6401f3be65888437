import assert from 'node:assert/strict';
import { test } from 'node:test';
import { BtError } from '#base';
import { parseExclude } from '#room/create/exclude';

const cases: { pattern: string; takes: string[]; leaves: string[] }[] = [
  { pattern: '*.tmp', takes: ['a.tmp', 'd/e/.tmp', 'x y.tmp'], leaves: ['a.tmpx', 'a.tmp/b'] },
  { pattern: 'd/*.tmp', takes: ['d/a.tmp'], leaves: ['a.tmp', 'd/e/a.tmp', 'x/d/a.tmp'] },
  { pattern: '**/cache', takes: ['cache', 'a/cache', 'a/b/cache'], leaves: ['acache', 'cache/a'] },
  { pattern: 'a/**', takes: ['a/b', 'a/b/c'], leaves: ['a', 'b/a'] },
  { pattern: '/top', takes: ['top'], leaves: ['a/top'] },
  { pattern: '?.[ch]', takes: ['a.c', 'd/b.h'], leaves: ['ab.c', 'a.o'] },
  { pattern: '[!a-c]x', takes: ['dx'], leaves: ['ax', '/x'] },
  { pattern: '*.{jpg,png}', takes: ['a.jpg', 'a.png'], leaves: ['a.gif', 'a.{jpg,png}'] },
  { pattern: '\\*', takes: ['*'], leaves: ['a'] },
  { pattern: 'a+b(1)', takes: ['a+b(1)'], leaves: ['aab1'] },
  { pattern: '日*', takes: ['日本'], leaves: ['本'] },
  { pattern: '[x', takes: ['[x'], leaves: ['x'] },
];

for (const { pattern, takes, leaves } of cases) {
  test(`exclude ${pattern}`, () => {
    const exclude = parseExclude([pattern]);
    const isTaken = (path: string) => exclude({ parts: path.split('/'), isFolder: false });
    for (const path of takes) assert.equal(isTaken(path), true, path);
    for (const path of leaves) assert.equal(isTaken(path), false, path);
  });
}

test('a trailing slash only means folders', () => {
  const exclude = parseExclude(['build/']);
  assert.equal(exclude({ parts: ['a', 'build'], isFolder: true }), true);
  assert.equal(exclude({ parts: ['a', 'build'], isFolder: false }), false);
});

test('impossible patterns are named', () => {
  for (const pattern of ['', '/', '{a', '[z-a]']) {
    assert.throws(
      () => parseExclude([pattern]),
      (e) => BtError.is(e, 'client/invalid') && e.message.includes(pattern),
    );
  }
});

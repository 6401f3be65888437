import assert from 'node:assert/strict';
import { test } from 'node:test';
import { parseHostPort, resolveHost } from '#node';

test('parseHostPort takes names, IPv4 and bracketed IPv6, with a port', () => {
  const cases: [string, ReturnType<typeof parseHostPort>][] = [
    ['example.org:80', { host: 'example.org', port: 80 }],
    ['1.2.3.4:0', { host: '1.2.3.4', port: 0 }],
    ['[::1]:6881', { host: '::1', port: 6881 }],
    ['::1:6881', undefined],
    ['[zz]:1', undefined],
    ['host', undefined],
    ['host:99999', undefined],
    ['a/b:1', undefined],
    [':1', undefined],
  ];
  for (const [text, expected] of cases) assert.deepEqual(parseHostPort(text), expected, text);
});

test('resolveHost knows numbers and localhost, and nothing of names that are not there', async () => {
  assert.deepEqual(await resolveHost({ host: '::ffff:10.0.0.1', port: 3 }), [{ host: '10.0.0.1', port: 3 }]);
  const local = await resolveHost({ host: 'localhost', port: 4 });
  assert.ok(local.some((a) => a.host === '127.0.0.1' || a.host === '::1'));
  assert.deepEqual(await resolveHost({ host: 'no-such-host.invalid', port: 4 }), []);
  await assert.rejects(
    resolveHost({ host: 'localhost', port: 4 }, { signal: AbortSignal.abort(new Error('no')) }),
    /no/,
  );
});

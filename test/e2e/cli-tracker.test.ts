import assert from 'node:assert/strict';
import type { AddressInfo } from 'node:net';
import { createServer } from 'node:net';
import { test } from 'node:test';
import { describeRun, runCli } from '../support/run-cli.ts';

test('eider tracker: says where it listens, answers, and ends with 0 on SIGTERM', async () => {
  let answer: Promise<string> | undefined;
  const args = ['tracker', '--http', '127.0.0.1:0', '--udp', '127.0.0.1:0', '--json'];
  const result = await runCli(args, {
    onOutput: (child, stdout) => {
      if (answer !== undefined || !stdout.includes('"ready"')) return;
      const listening = stdout
        .split('\n')
        .map((line) => (line === '' ? {} : JSON.parse(line)))
        .find((e) => e.protocol === 'http');
      answer = announce(`http://127.0.0.1:${listening.port}/announce`).finally(() => child.kill('SIGTERM'));
    },
  });
  assert.equal(result.code, 0, describeRun(args, result));
  assert.match((await answer) ?? '', /^d8:completei1e/);
  const events = result.events();
  assert.deepEqual(
    events.slice(0, 3).map((e) => [e.event, e['protocol'], e['host']]),
    [
      ['listening', 'http', '127.0.0.1'],
      ['listening', 'udp', '127.0.0.1'],
      ['ready', undefined, undefined],
    ],
  );
});

async function announce(url: string): Promise<string> {
  const query = `info_hash=${'%01'.repeat(20)}&peer_id=${'a'.repeat(20)}&port=6881&uploaded=0&downloaded=0&left=0&compact=1&event=started`;
  return (await fetch(`${url}?${query}`)).text();
}

test('without --json the announce URLs are the output', async () => {
  const args = ['tracker', '--http', '127.0.0.1:0'];
  const result = await runCli(args, { onOutput: (child) => child.kill('SIGINT') });
  assert.equal(result.code, 0, describeRun(args, result));
  assert.match(result.stdout, /^http:\/\/127\.0\.0\.1:\d+\/announce\n$/);
});

test('a port in use: a clear line and exit code 1', async (t) => {
  const server = createServer();
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve));
  t.after(() => server.close());
  const { port } = server.address() as AddressInfo;
  const args = ['tracker', '--http', `127.0.0.1:${port}`, '--json'];
  const result = await runCli(args);
  assert.equal(result.code, 1, describeRun(args, result));
  assert.match(result.stderr, new RegExp(`^eider: port ${port} on 127\\.0\\.0\\.1 is in use`));
  assert.equal(result.events().at(-1)?.['code'], 'net/port-in-use');
});

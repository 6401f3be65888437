import assert from 'node:assert/strict';
import { writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { type TestContext, test } from 'node:test';
import { CliProcess } from '../support/cli-process.ts';
import { describeRun, runCli } from '../support/run-cli.ts';
import { makeTempFolder, writeTree } from '../support/temp-folder.ts';

const TOKEN = 'f00dfeedf00dfeedf00dfeedf00dfeed';

/** A tracker as a process, and somebody who asks it. */
class Running {
  readonly child: CliProcess;
  base = '';

  constructor(t: TestContext, config: string, args: readonly string[] = []) {
    this.child = new CliProcess(t, ['tracker', '--config', config, ...args]);
  }

  async ready(): Promise<this> {
    await this.child.waitFor('ready');
    this.base = `http://${await this.child.address('http')}`;
    return this;
  }

  async text(path: string): Promise<string> {
    return (await fetch(this.base + path)).text();
  }

  async api(method: string, path: string, body?: unknown): Promise<Record<string, unknown>> {
    const response = await fetch(`${this.base}/api/v1${path}`, {
      method,
      headers: { authorization: `Bearer ${TOKEN}`, 'content-type': 'application/json' },
      ...(body !== undefined && { body: JSON.stringify(body) }),
    });
    assert.ok(response.ok, `${method} ${path}: ${response.status} ${await response.clone().text()}`);
    return (await response.json()) as Record<string, unknown>;
  }

  /** @param hash of which byte all of the info-hash is. @returns the bencoded answer */
  announce(o: {
    hash: string;
    port: number;
    left?: number;
    passkey?: string;
    uploaded?: number;
    event?: string;
  }): Promise<string> {
    const query = [
      `info_hash=${`%${o.hash}`.repeat(20)}`,
      `peer_id=-XX0001-${String(o.port).padStart(12, '0')}`,
      `port=${o.port}&uploaded=${o.uploaded ?? 0}&downloaded=0&left=${o.left ?? 0}&compact=1`,
      ...(o.event === '' ? [] : [`event=${o.event ?? 'started'}`]),
    ].join('&');
    return this.text(`${o.passkey === undefined ? '' : `/${o.passkey}`}/announce?${query}`);
  }

  async stop(): Promise<void> {
    this.child.kill('SIGTERM');
    await this.child.end(0);
  }
}

test("an operator's day: numbers, lists, reload, snapshot, restart", async (t) => {
  const folder = writeTree(makeTempFolder(t), { token: `${TOKEN}\n`, 'deny.txt': `${'bb'.repeat(20)} not this one\n` });
  const config = join(folder, 'tracker.toml');
  writeFileSync(
    config,
    `[listen]\nhttp = "127.0.0.1:0"\nudp = []\n[admin]\ntoken_file = "${folder}/token"\n` +
      `[lists]\nmode = "deny"\ndeny = "${folder}/deny.txt"\n[snapshot]\nfile = "${folder}/swarms"\n`,
  );
  const tracker = await new Running(t, config).ready();
  assert.match(await tracker.announce({ hash: 'aa', port: 1001 }), /^d8:completei1e/);
  assert.match(await tracker.announce({ hash: 'bb', port: 1001 }), /failure reason/);

  assert.match(await tracker.text('/health'), /^ok\n/);
  assert.match(await tracker.text('/'), /Eider tracker/);
  assert.match(
    await tracker.text('/metrics'),
    /^eider_tracker_requests_total\{transport="http",kind="announce",network="ipv4"\} 1$/m,
  );
  assert.match(await tracker.text('/metrics'), /^eider_tracker_seeders 1$/m);
  const stats = JSON.parse(await tracker.text('/stats.json'));
  assert.deepEqual([stats.torrents, stats.seeders, stats.requests.http.announce], [1, 1, 1]);
  assert.equal((await fetch(`${tracker.base}/api/v1/stats`)).status, 401);

  await tracker.api('PUT', `/lists/deny/${'cc'.repeat(20)}`);
  assert.match(await tracker.announce({ hash: 'cc', port: 1002 }), /failure reason/);
  writeFileSync(join(folder, 'deny.txt'), '');
  await tracker.api('POST', '/reload');
  assert.match(await tracker.announce({ hash: 'bb', port: 1003 }), /^d8:complete/);
  assert.match(await tracker.announce({ hash: 'cc', port: 1003 }), /failure reason/, 'what the API added stays');
  const swarm = await tracker.api('GET', `/swarms/${'aa'.repeat(20)}`);
  assert.deepEqual([swarm['seeders'], swarm['leechers']], [1, 0]);
  const { peers } = await tracker.api('GET', `/swarms/${'aa'.repeat(20)}/peers`);
  assert.deepEqual(peers, [{ address: '127.0.0.1', port: 1001, isSeeder: true }]);
  assert.ok(((await tracker.api('POST', '/snapshot'))['bytes'] as number) > 0);
  await tracker.stop();

  const again = await new Running(t, config).ready();
  assert.match(await again.announce({ hash: 'aa', port: 1004, left: 5 }), /^d8:completei1e.*10:incompletei1e/s);
  await again.stop();
});

test('a private tracker: a user is made, announces with its passkey, is accounted for, and is gone', async (t) => {
  const folder = writeTree(makeTempFolder(t), { token: `${TOKEN}\n` });
  const config = join(folder, 'tracker.toml');
  writeFileSync(
    config,
    `[listen]\nhttp = "127.0.0.1:0"\nudp = []\n[admin]\ntoken_file = "${folder}/token"\n` +
      `[private]\nenabled = true\nusers = "${folder}/users.json"\naccounts = "${folder}/accounts"\n[log]\nlevel = "debug"\n`,
  );
  const tracker = await new Running(t, config).ready();
  assert.match(await tracker.announce({ hash: 'aa', port: 1001 }), /failure reason/);
  const { user, passkey } = (await tracker.api('POST', '/users', { name: 'alice' })) as {
    user: { id: number };
    passkey: string;
  };
  assert.match(await tracker.announce({ hash: 'aa', port: 1001, passkey }), /^d8:completei1e/);
  assert.doesNotMatch(await tracker.text('/'), /announce URLs|largest swarms/);

  const rotated = (await tracker.api('POST', `/users/${user.id}/passkey`))['passkey'] as string;
  assert.match(await tracker.announce({ hash: 'aa', port: 1001, passkey }), /failure reason/);
  assert.match(await tracker.announce({ hash: 'aa', port: 1001, passkey: rotated, event: '' }), /^d8:complete/);
  await tracker.api('PATCH', `/users/${user.id}`, { isEnabled: false });
  assert.match(await tracker.announce({ hash: 'aa', port: 1001, passkey: rotated }), /failure reason/);
  assert.equal((await tracker.api('GET', '/users'))['total'], 1);
  await tracker.api('DELETE', `/users/${user.id}`);
  assert.equal((await tracker.api('GET', '/users'))['total'], 0);
  tracker.child.kill('SIGTERM');
  const { stderr } = await tracker.child.end(0);
  assert.ok(!stderr.includes(passkey) && !stderr.includes(rotated) && !stderr.includes(TOKEN), 'no secret in the log');
});

test('a token file without a good token: nothing is started', async (t) => {
  const folder = writeTree(makeTempFolder(t), { empty: '', short: 'short\n', good: `${TOKEN}\n` });
  for (const file of ['empty', 'short', 'absent']) {
    const args = ['tracker', '--http', '127.0.0.1:0', '--set', `admin.token_file=${join(folder, file)}`];
    const result = await runCli(args);
    assert.equal(result.code, file === 'absent' ? 3 : 2, describeRun(args, result));
    assert.match(result.stderr, new RegExp(`${file}`));
  }
});

test('pages of their own place are not served where peers announce', async (t) => {
  const config = join(
    writeTree(makeTempFolder(t), { 't.toml': '[listen]\nhttp = "127.0.0.1:0"\nweb = "127.0.0.1:0"\n' }),
    't.toml',
  );
  const tracker = await new Running(t, config).ready();
  for (const path of ['/', '/metrics', '/stats.json'])
    assert.equal((await fetch(tracker.base + path)).status, 404, path);
  const web = `http://${await tracker.child.address('web')}`;
  for (const path of ['/', '/metrics', '/stats.json', '/health'])
    assert.equal((await fetch(web + path)).status, 200, path);
  await tracker.stop();
});

test('a bug in a timer of a hook ends the process, but not before it has saved what it knows', async (t) => {
  const folder = writeTree(makeTempFolder(t), {
    'late.mjs':
      "export const hooks = { postAnnounce: (call) => { if (call.port === 666) setTimeout(() => { throw new Error('too late'); }); } };\n",
  });
  const config = join(folder, 'tracker.toml');
  writeFileSync(
    config,
    `[listen]\nhttp = "127.0.0.1:0"\nudp = []\n[hooks]\nmodules = ["${folder}/late.mjs"]\n[snapshot]\nfile = "${folder}/swarms"\n`,
  );
  const tracker = await new Running(t, config).ready();
  await tracker.announce({ hash: 'aa', port: 666 });
  const { stderr } = await tracker.child.end(1);
  assert.match(stderr, /internal error, please report it: too late/);
  const again = await new Running(t, config).ready();
  assert.match(await again.announce({ hash: 'aa', port: 1004, left: 5 }), /^d8:completei1e.*10:incompletei1e/s);
  await again.stop();
});

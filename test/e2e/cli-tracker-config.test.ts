import assert from 'node:assert/strict';
import { chmodSync, readdirSync, readFileSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { test } from 'node:test';
import { CliProcess } from '../support/cli-process.ts';
import { describeRun, runCli } from '../support/run-cli.ts';
import { makeTempFolder, writeTree } from '../support/temp-folder.ts';

const isRoot = process.getuid?.() === 0;

test('a tracker from a file: option before environment before file; SIGHUP reads it again; SIGTERM ends it with 0', async (t) => {
  const folder = makeTempFolder(t);
  const file = join(folder, 'tracker.toml');
  const config = (more: string) => writeFileSync(file, `[listen]\nhttp = "127.0.0.1:0"\nudp = "127.0.0.1:0"\n${more}`);
  config('[web]\ntitle = "of the file"\n');
  const child = new CliProcess(t, ['tracker', '--config', file, '--http', '127.0.0.1:0'], {
    env: { EIDER_TRACKER_LISTEN_UDP: '[::1]:0,127.0.0.1:0' },
  });
  await child.waitFor('ready');
  const listening = child.events.filter((e) => e.event === 'listening').map((e) => `${e['protocol']} ${e['host']}`);
  assert.deepEqual(listening, ['http 127.0.0.1', 'udp ::1', 'udp 127.0.0.1']);

  config('[web]\ntitel = "x"\n');
  child.kill('SIGHUP');
  const failed = await child.waitFor('reloaded');
  assert.match((failed['failed'] as string[]).join(), /tracker\.toml:5: web\.titel: unknown key; did you mean title\?/);

  config('[limits]\npeers = 5\n[log]\nlevel = "debug"\n');
  child.kill('SIGHUP');
  await child.waitFor('reloaded', (e) => (e['failed'] as string[]).length === 0);
  await child.waitForStderr(/eider\.config: changed: log\.level/);
  await child.waitForStderr(/changed, but needs a restart: limits\.peers/);
  child.kill('SIGTERM');
  await child.end(0);
});

test('--check-config says ok and the places, or every mistake', async (t) => {
  const folder = writeTree(makeTempFolder(t), {
    'good.toml': '[listen]\nudp = ["[::]:6969", 7000]\nunix = "/run/x.sock"\n',
    'files.toml': '[listen]\nhttp = 0\n[admin]\ntoken_file = "/nowhere/token"\n[snapshot]\nfile = "/nowhere/swarms"\n',
    'contents.toml':
      '[listen]\nhttps = 0\n[tls]\ncert = "FOLDER/empty"\nkey = "FOLDER/empty"\n[admin]\ntoken_file = "FOLDER/empty"\n[lists]\nmode = "deny"\ndeny = "FOLDER/bad.toml"\n[private]\nenabled = true\nusers = "FOLDER/bad.toml"\n',
    'user.toml': '[run]\nuser = "nobody-of-this-name"\n',
    empty: '',
    'bad.toml': '[listen]\nhttp = "nowhere"\n[limit]\npeers = 1\n',
  });
  const contents = join(folder, 'contents.toml');
  writeFileSync(contents, readFileSync(contents, 'utf8').replaceAll('FOLDER', folder));
  const cases = [
    ['good.toml', 0, 'ok\nudp [::]:6969\nudp 7000\nunix /run/x.sock\n', /^$/],
    [
      'bad.toml',
      2,
      '',
      /bad\.toml:3: unknown section \[limit\]; did you mean limits\?\n.*bad\.toml:2: listen\.http: expected/s,
    ],
    [
      'files.toml',
      2,
      '',
      /^eider: admin\.token_file: \/nowhere\/token does not exist\nsnapshot\.file: \/nowhere does not exist\n$/,
    ],
    [
      'contents.toml',
      2,
      '',
      /^eider: .*empty: no certificate chain in PEM\n.*empty: the first line has to be a token of at least 16 characters without spaces\n.*bad\.toml line 1: not an info-hash.*\n.*bad\.toml: not JSON: /,
    ],
    ['user.toml', 2, '', /^eider: run: no user nobody-of-this-name\n$/],
    ['absent.toml', 3, '', /no such file or directory: .*absent\.toml/],
  ] as const;
  for (const [file, code, stdout, stderr] of cases) {
    const args = ['tracker', '--check-config'];
    const result = await runCli(args, { env: { EIDER_TRACKER_CONFIG: join(folder, file) } });
    assert.equal(result.code, code, describeRun(args, result));
    assert.equal(result.stdout, stdout, describeRun(args, result));
    assert.match(result.stderr, stderr, describeRun(args, result));
  }
});

test('--print-config shows where values come from; --example-config is a file that can be used', async (t) => {
  const shown = await runCli(['tracker', '--print-config', '--threads', '3'], {
    env: { EIDER_TRACKER_WEB_TITLE: 'T' },
  });
  assert.match(shown.stdout, /^threads = 3 # option$/m);
  assert.match(shown.stdout, /^title = "T" # environment$/m);
  assert.match(shown.stdout, /^page = true # default$/m);
  const example = await runCli(['tracker', '--example-config']);
  const file = join(writeTree(makeTempFolder(t), { 'tracker.toml': example.stdout }), 'tracker.toml');
  const checked = await runCli(['tracker', '--config', file, '--check-config']);
  assert.equal(checked.stdout, 'ok\nhttp 6969\nudp 6969\n');
});

test('systemd is told what goes on, in order', async (t) => {
  const folder = makeTempFolder(t);
  const told = join(folder, 'told');
  writeFileSync(join(folder, 'systemd-notify'), `#!/bin/sh\necho "$*" >> '${told}'\n`);
  chmodSync(join(folder, 'systemd-notify'), 0o755);
  writeFileSync(told, '');
  const child = new CliProcess(t, ['tracker', '--udp', '127.0.0.1:0'], {
    env: { NOTIFY_SOCKET: '/run/nothing', PATH: `${folder}:${process.env['PATH'] ?? ''}` },
  });
  await child.waitFor('ready');
  child.kill('SIGHUP');
  await child.waitFor('reloaded');
  child.kill('SIGTERM');
  await child.end(0);
  const lines = readFileSync(told, 'utf8').trim().split('\n');
  const words = lines.map((line) => line.split(' ').filter((word) => !/^(STATUS|MONOTONIC)/.test(word))[0]);
  assert.deepEqual(words, ['READY=1', 'RELOADING=1', 'READY=1', 'STOPPING=1']);
  assert.match(lines[1] ?? '', /^RELOADING=1 MONOTONIC_USEC=\d+ STATUS=/);
});

test('root becomes somebody else once everything is bound, in every thread', { skip: !isRoot }, async (t) => {
  const child = new CliProcess(t, [
    'tracker',
    ...['--http', '127.0.0.1:0', '--udp', '127.0.0.1:0', '--threads', '2', '--set', 'run.user=nobody'],
  ]);
  await child.waitFor('ready');
  const tasks = `/proc/${child.pid}/task`;
  const ids = readdirSync(tasks).map((task) => {
    const status = readFileSync(join(tasks, task, 'status'), 'utf8');
    return [/^Uid:\s+(.*)$/m, /^Gid:\s+(.*)$/m].flatMap((pattern) => pattern.exec(status)?.[1]?.split('\t') ?? []);
  });
  assert.ok(ids.length > 1);
  for (const id of ids) assert.ok(id.length === 8 && !id.includes('0'), `still root: ${id}`);
  child.kill('SIGTERM');
  await child.end(0);
});

test('a user that is not there: nothing is started', { skip: !isRoot }, async () => {
  const args = ['tracker', '--udp', '127.0.0.1:0', '--set', 'run.user=no-such-user-here', '--json'];
  const result = await runCli(args);
  assert.equal(result.code, 2, describeRun(args, result));
  assert.match(result.stderr, /run: no user no-such-user-here/);
});

import assert from 'node:assert/strict';
import { spawnSync } from 'node:child_process';
import { existsSync, mkdirSync, readdirSync, readFileSync, rmSync, truncateSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { type TestContext, test } from 'node:test';
import { type CliResult, describeRun, runCli } from '../support/run-cli.ts';
import { makeBytes, makeTempFolder, writeTree } from '../support/temp-folder.ts';

interface Place {
  readonly folder: string;
  /** Runs `eider` in the folder and checks its exit code. */
  readonly eider: (code: number, ...args: string[]) => Promise<CliResult>;
}

function makePlace(t: TestContext): Place {
  const folder = makeTempFolder(t);
  writeTree(join(folder, 'share'), {
    'big.bin': makeBytes(300_000, 1),
    'docs/read me.txt': 'hello\n',
    'docs/ünï.txt': 'ä'.repeat(1000),
    'empty.txt': '',
    'x.tmp': 'not wanted',
  });
  const eider = async (code: number, ...args: string[]) => {
    const result = await runCli(args, { cwd: folder });
    assert.equal(result.code, code, describeRun(args, result));
    return result;
  };
  return { folder, eider };
}

/** What every failure has to look like: nothing on stdout, one line on stderr that says what it is about, no stack. */
function assertFailure(result: CliResult, says: RegExp): void {
  assert.equal(result.stdout, '');
  const last = result.stderr.trimEnd().split('\n').at(-1) as string;
  assert.match(last, /^eider: /);
  assert.match(last, says);
  assert.doesNotMatch(result.stderr, /^\s+at |internal error/m);
}

test('create, info, magnet, verify: one torrent through all of them, in every format', async (t) => {
  const { folder, eider } = makePlace(t);
  for (const format of ['v1', 'v2', 'hybrid']) {
    const created = await eider(
      0,
      'create',
      'share',
      '-o',
      's.torrent',
      '--format',
      format,
      '--exclude',
      '*.tmp',
      '--tracker',
      'http://t.example/announce',
      '--comment',
      'hi',
    );
    assert.match(created.stdout, /s\.torrent/);
    const info = JSON.parse((await eider(0, 'info', 's.torrent', '--json')).stdout);
    assert.equal(info.infoHashV1 === null, format === 'v2');
    assert.equal(info.infoHashV2 === null, format === 'v1');
    assert.equal(info.name, 'share');
    assert.equal(info.totalLength, 300_000 + 6 + 2000);
    assert.equal(info.pieceLength, 16_384);
    assert.equal(info.private, false);
    assert.deepEqual(info.trackers, [['http://t.example/announce']]);
    assert.deepEqual(info.webSeeds, []);
    assert.equal(info.comment, 'hi');
    assert.match(info.createdBy, /^Eider\//);
    assert.equal(typeof info.creationDate, 'number');
    assert.equal(info.source, null);
    assert.deepEqual(info.dhtNodes, []);
    assert.deepEqual(
      info.files.map((f: { path: string; length: number }) => [f.path, f.length]),
      [
        ['share/big.bin', 300_000],
        ['share/docs/read me.txt', 6],
        ['share/docs/ünï.txt', 2000],
        ['share/empty.txt', 0],
      ],
    );
    assert.equal(info.pieceCount, format === 'v1' ? 19 : 21);

    const magnet = (await eider(0, 'magnet', 's.torrent')).stdout;
    assert.match(magnet, /^magnet:\?xt=urn:bt\S+\n$/);
    const parsed = JSON.parse((await eider(0, 'info', magnet.trim(), '--json')).stdout);
    assert.equal(parsed.infoHashV1, info.infoHashV1);
    assert.equal(parsed.infoHashV2, info.infoHashV2);
    assert.equal(parsed.name, 'share');
    assert.deepEqual(parsed.trackers, info.trackers);
    assert.deepEqual(parsed.peers, []);
    assert.equal(parsed.selectOnly, null);

    const verified = await eider(0, 'verify', 's.torrent', '--dir', folder);
    assert.match(verified.stdout, /all good, 4 files/);
    const human = await eider(0, 'info', 's.torrent');
    assert.match(human.stdout, /3 {2}│ {2}└─ ünï\.txt/);
  }
});

test('the same input gives the same bytes without a date, wherever it is written', async (t) => {
  const { folder, eider } = makePlace(t);
  for (const format of ['v1', 'hybrid']) {
    rmSync(join(folder, 'share/two.torrent'), { force: true });
    await eider(0, 'create', 'share', '-o', 'one.torrent', '--no-date', '--format', format);
    // Inside what is shared: it does not become part of itself, and the second run does not see the first one's.
    await eider(0, 'create', 'share', '-o', 'share/two.torrent', '--no-date', '--format', format);
    await eider(0, 'create', './share/', '-o', 'share/two.torrent', '--no-date', '--format', format);
    assert.deepEqual(readFileSync(join(folder, 'one.torrent')), readFileSync(join(folder, 'share/two.torrent')));
    assert.equal(JSON.parse((await eider(0, 'info', 'one.torrent', '--json')).stdout).creationDate, null);
    await eider(0, 'create', join(folder, 'share'), '--no-date', '--format', format, '--exclude', 'two.torrent');
    assert.deepEqual(readFileSync(join(folder, 'one.torrent')), readFileSync(join(folder, 'share.torrent')));
  }
  assert.deepEqual(readdirSync(folder).sort(), ['one.torrent', 'share', 'share.torrent']);
});

test('create --json: events on stdout, nothing else', async (t) => {
  const { eider } = makePlace(t);
  const result = await eider(
    0,
    'create',
    'share',
    '--json',
    '--format',
    'hybrid',
    '--private',
    '--tracker',
    'udp://a:1,http://b/c',
    '--tracker',
    'http://d/e',
  );
  assert.match(result.stdout, /^\{"v":1,"event":"/);
  const events = result.events();
  assert.ok(events.every((e) => e.v === 1));
  const done = events.at(-1);
  assert.equal(done?.event, 'done');
  assert.equal(done?.['path'], 'share.torrent');
  const info = JSON.parse((await eider(0, 'info', 'share.torrent', '--json')).stdout);
  assert.equal(done?.['infoHashV1'], info.infoHashV1);
  assert.equal(done?.['infoHashV2'], info.infoHashV2);
  assert.equal(info.private, true);
  assert.deepEqual(info.trackers, [['udp://a:1', 'http://b/c'], ['http://d/e']]);
});

test('verify finds what is wrong, says where, and exits with 5', async (t) => {
  const { folder, eider } = makePlace(t);
  await eider(0, 'create', 'share', '--format', 'hybrid');
  const bytes = makeBytes(300_000, 1);
  bytes[100_000] = (bytes[100_000] as number) ^ 1;
  writeFileSync(join(folder, 'share/big.bin'), bytes);
  truncateSync(join(folder, 'share/docs/read me.txt'), 3);
  const human = await eider(5, 'verify', 'share.torrent');
  assert.match(human.stdout, /bad data {2}share\/big\.bin \(1 bad piece\)/);
  assert.match(human.stdout, /too short {2}share\/docs\/read me\.txt \(3 of 6 bytes\)/);
  assert.doesNotMatch(human.stdout, /empty/);
  assert.match(human.stderr, /^eider: 2 files of 5 not right, 20 of 22 pieces good$/m);
  const verbose = await eider(5, 'verify', 'share.torrent', '-v');
  assert.match(verbose.stdout, /1 bad piece: 6\)/);
  assert.match(verbose.stdout, /ok {2}share\/empty\.txt/);

  const events = (await eider(5, 'verify', 'share.torrent', '--json', '--dir', folder)).events();
  assert.equal(events[0]?.event, 'checking');
  const files = events.filter((e) => e.event === 'file');
  assert.deepEqual(
    files.map((e) => [e['path'], e['status'], e['badPieces'], e['missingPieces']]),
    [
      ['share/big.bin', 'bad', [6], []],
      ['share/docs/read me.txt', 'short', [], [19]],
      ['share/docs/ünï.txt', 'ok', [], []],
      ['share/empty.txt', 'ok', [], []],
      ['share/x.tmp', 'ok', [], []],
    ],
  );
  assert.equal(events.at(-1)?.event, 'error');
  assert.equal(events.at(-1)?.['code'], 'cli/verify-failed');
});

test('what is no torrent exits with 3, whichever command reads it', async (t) => {
  const { folder, eider } = makePlace(t);
  await eider(0, 'create', 'share');
  const whole = readFileSync(join(folder, 'share.torrent'));
  writeFileSync(join(folder, 'cut.torrent'), whole.subarray(0, whole.length - 50));
  writeFileSync(join(folder, 'empty.torrent'), '');
  writeFileSync(join(folder, 'trailing.torrent'), Buffer.concat([whole, Buffer.from('\r\ntrailing bytes')]));
  for (const command of ['info', 'magnet', 'verify']) {
    assertFailure(await eider(3, command, 'absent.torrent'), /no such file or directory: absent\.torrent/);
    assertFailure(await eider(3, command, 'cut.torrent'), /cut\.torrent is not a torrent that can be used/);
    assertFailure(await eider(3, command, 'empty.torrent'), /empty\.torrent is not a torrent/);
    assertFailure(await eider(3, command, 'share'), /is a folder/);
    await eider(0, command, 'trailing.torrent');
  }
  assertFailure(await eider(3, 'info', 'magnet:?dn=x'), /bad magnet link/);
  assertFailure(await eider(3, 'verify', 'share.torrent', '--dir', 'absent'), /no such file or directory: absent/);
});

test('what cannot be shared: a clear line, no torrent, nothing left behind', async (t) => {
  const { folder, eider } = makePlace(t);
  mkdirSync(join(folder, 'nothing'));
  writeFileSync(join(folder, 'precious'), 'data');
  assertFailure(await eider(3, 'create', 'absent'), /no such file or directory: absent/);
  assertFailure(await eider(1, 'create', 'nothing'), /nothing to share/);
  assertFailure(await eider(1, 'create', 'share', '-o', 'no/folder/x.torrent'), /no folder/);
  assertFailure(await eider(1, 'create', 'share', '-o', 'precious'), /is no torrent/);
  assertFailure(await eider(1, 'create', 'precious', '-o', 'precious'), /what is to be shared/);
  assertFailure(await eider(1, 'create', 'share', '-o', 'nothing'), /is a folder/);
  assert.equal(readFileSync(join(folder, 'precious'), 'utf8'), 'data');
  assert.deepEqual(readdirSync(folder).sort(), ['nothing', 'precious', 'share']);
});

test('a full disk exits with 9', { skip: !existsSync('/dev/full') }, async (t) => {
  const { eider } = makePlace(t);
  assertFailure(await eider(9, 'create', 'share', '-o', '/dev/full'), /no space left on the disk of \/dev\/full/);
});

test('nobody reading on is no error', { skip: !existsSync('/dev/stdout') }, async (t) => {
  const { folder } = makePlace(t);
  const result = await runCli(['create', 'share', '--json'], {
    cwd: folder,
    onSpawn: (child) => child.stdout?.destroy(),
  });
  assert.ok(result.code === 0 || result.code === 7, describeRun(['create'], result));
  assert.doesNotMatch(result.stderr, /EPIPE|internal/);
});

test('wrong usage exits with 2 and says so on stderr', async (t) => {
  const { folder, eider } = makePlace(t);
  const wrong = [
    [],
    ['nonsense'],
    ['create'],
    ['create', 'share', '--unknown'],
    ['create', 'share', 'extra'],
    ['create', 'share', '--format', 'v3'],
    ['create', 'share', '--piece-length', '20000'],
    ['create', 'share', '--piece-length', '1'],
    ['create', 'share', '--tracker', 'not a url'],
    ['info'],
    ['verify', 'x', '--dir'],
  ];
  for (const args of wrong) {
    const result = await eider(2, ...args);
    assert.equal(result.stdout, '', args.join(' '));
    assert.notEqual(result.stderr, '', args.join(' '));
    assert.doesNotMatch(result.stderr, /^\s+at /m);
  }
  assert.equal(existsSync(join(folder, 'share.torrent')), false);
});

test('help and version go to stdout and exit with 0', async (t) => {
  const { eider } = makePlace(t);
  assert.match((await eider(0, '--version')).stdout, /^\d+\.\d+\.\d+\S*\n$/);
  const top = await eider(0, '--help');
  for (const command of ['create', 'info', 'magnet', 'verify', 'tracker']) {
    assert.match(top.stdout, new RegExp(`^ {2}${command} `, 'm'));
    const help = await eider(0, command, '--help');
    assert.match(help.stdout, /Examples?:/);
    assert.equal(help.stderr, '');
    assert.equal((await eider(0, 'help', command)).stdout, help.stdout);
  }
});

test('quiet says nothing but errors; EIDER_DEBUG shows where they come from', async (t) => {
  const { folder, eider } = makePlace(t);
  const quiet = await eider(0, 'create', 'share', '-q');
  assert.equal(quiet.stderr, '');
  const failed = await runCli(['info', 'absent'], { cwd: folder, env: { EIDER_DEBUG: '1' } });
  assert.match(failed.stderr, /^eider: no such file.*\n[\s\S]*\n\s+at /);
});

test('--piece-length auto is what no --piece-length is', async (t) => {
  const { folder, eider } = makePlace(t);
  const files = ['one.torrent', 'two.torrent'];
  await eider(0, 'create', 'share', '--no-date', '-o', files[0] as string);
  await eider(0, 'create', 'share', '--no-date', '-o', files[1] as string, '--piece-length', 'auto');
  const [one, two] = files.map((file) => readFileSync(join(folder, file)));
  assert.ok(one?.equals(two as Buffer));
});

test('SIGINT during create exits with 7 and leaves nothing', async (t) => {
  const { folder } = makePlace(t);
  // Sparse: takes seconds to hash, and no room on disk.
  writeFileSync(join(folder, 'share/large'), '');
  truncateSync(join(folder, 'share/large'), 24 * 2 ** 30);
  let isTold = false;
  const result = await runCli(['create', 'share', '--json'], {
    cwd: folder,
    onOutput: (child, stdout) => {
      // Once: a second signal means "at once", and the last event comes by the same way.
      if (isTold || !stdout.includes('"progress"')) return;
      isTold = true;
      child.kill('SIGINT');
    },
  });
  assert.equal(result.code, 7, describeRun(['create'], result));
  assert.equal(result.events().at(-1)?.event, 'error');
  assert.equal(result.events().at(-1)?.['code'], 'client/aborted');
  assert.deepEqual(readdirSync(folder), ['share']);
});

test('completion scripts name every command and option, and are sound to their shell', async (t) => {
  const { folder, eider } = makePlace(t);
  for (const shell of ['bash', 'zsh', 'fish']) {
    const script = (await eider(0, 'completions', shell)).stdout;
    for (const word of ['create', 'verify', 'tracker', 'piece-length', 'web-seed', 'hybrid'])
      assert.ok(script.includes(word), word);
    writeFileSync(join(folder, shell), script);
    const checked = spawnSync(shell, ['-n', join(folder, shell)], { encoding: 'utf8' });
    // A shell that is not installed cannot complain.
    if (checked.error === undefined) assert.equal(checked.stderr, '');
  }
});

import assert from 'node:assert/strict';
import { readFileSync } from 'node:fs';
import { test } from 'node:test';
import { BtError } from '#base';
import { compareConfigs } from '#room/trackerd/config/compare';
import { formatEffectiveConfig, formatExampleConfig, formatReference } from '#room/trackerd/config/format';
import { loadTrackerConfig } from '#room/trackerd/config/load';
import { findNearest } from '#room/trackerd/config/nearest';
import { toTrackerSettings } from '#room/trackerd/config/settings';
import { configTable, namedKeys } from '#room/trackerd/config/table';
import { addressLimitDefaults, toTrackerLimits } from '#tracker';
import { frontLimits, type LoadedConfig } from '#trackerd';

interface Given {
  readonly toml?: string;
  readonly env?: Readonly<Record<string, string>>;
  readonly set?: readonly string[];
  readonly values?: Readonly<Record<string, unknown>>;
}

/** Everything that a test needs of the loader. */
function load({ toml, env = {}, set = [], values = {} }: Given): LoadedConfig {
  return loadTrackerConfig({
    env,
    assignments: set,
    values: new Map(Object.entries(values)),
    ...(toml !== undefined && { document: { name: 't.toml', text: toml } }),
  });
}

/** A value by its full name. */
function readValue({ config }: LoadedConfig, full: string): unknown {
  const named = namedKeys.find((n) => n.full === full);
  assert.ok(named, full);
  return (config as unknown as Record<string, Record<string, unknown>>)[named.section]?.[named.property];
}

function problemsOf(given: Given): readonly string[] {
  try {
    load(given);
  } catch (error) {
    if (BtError.is(error, 'config/invalid')) return error.detail.problems;
    throw error;
  }
  return [];
}

const tls = '[tls]\ncert = "c"\nkey = "k"\n';
const good: readonly (readonly [toml: string, full: string, value: unknown])[] = [
  [
    '[listen]\nhttp = ["127.0.0.1:8000", 9000]',
    'listen.http',
    [
      { host: '127.0.0.1', port: 8000 },
      { host: undefined, port: 9000 },
    ],
  ],
  ['[listen]\nudp = "[::1]:0"', 'listen.udp', [{ host: '::1', port: 0 }]],
  ['[listen]\nudp = 1', 'listen.http', []],
  [`[listen]\nhttps = [443]\n${tls}`, 'listen.https', [{ host: undefined, port: 443 }]],
  [
    '[listen]\ntrusted_proxies = ["10.0.0.0/8", "fd00::/8", "::1"]',
    'listen.trusted_proxies',
    ['10.0.0.0/8', 'fd00::/8', '::1'],
  ],
  ['[intervals]\nannounce = "45m"', 'intervals.announce', 2_700_000],
  ['[intervals]\nannounce = 90', 'intervals.announce', 90_000],
  ['[intervals]\nannounce = "1.5h"', 'intervals.announce', 5_400_000],
  ['[limits]\nhttp_head = "16KiB"', 'limits.http_head', 16_384],
  ['[limits]\nhttp_head = 4096', 'limits.http_head', 4_096],
  ['[limits]\npeers = 1_000', 'limits.peers', 1_000],
  ['limits.peers = 7', 'limits.peers', 7],
  ['limits = { peers = 7 }', 'limits.peers', 7],
  ['[web]\npage = false', 'web.page', false],
  ['[clients]\ndeny = ["-XL", "-qB <4.5"]', 'clients.deny', ['-XL', '-qB <4.5']],
  ['[clients]\nbanned = "-qB4650-abcdefghijkl"', 'clients.banned', ['-qB4650-abcdefghijkl']],
  ['[private]\nratio_minimum = 0.4', 'private.ratio_minimum', 0.4],
  ['[private]\nratio_minimum = 1', 'private.ratio_minimum', 1],
  ['[webtorrent]\norigins = ["https://a.example"]', 'webtorrent.origins', ['https://a.example']],
  ['[admin]\ntoken = "0123456789abcdef"', 'admin.token', '0123456789abcdef'],
  ['[replication]\nurls = ["redis+sentinel://a:1/m"]', 'replication.urls', ['redis+sentinel://a:1/m']],
];

test('values of every kind are taken', () => {
  for (const [toml, full, value] of good) assert.deepEqual(readValue(load({ toml }), full), value, toml);
});

const bad: readonly (readonly [given: Given, problem: RegExp])[] = [
  [{ toml: 'a = = 1' }, /^t\.toml:1: no TOML: /],
  [{ toml: '\n[limts]\npeers = 1' }, /^t\.toml:2: unknown section \[limts\]; did you mean limits\?$/],
  [{ toml: 'limits = 3' }, /^t\.toml:1: limits has to be a section: \[limits\]$/],
  [{ toml: 'peers = 3' }, /^t\.toml:1: peers stands in no section; it belongs in section \[limits\]$/],
  [{ toml: 'port = 3' }, /^t\.toml:1: port stands in no section$/],
  [{ toml: '[limits]\n\npers = 1' }, /^t\.toml:3: limits\.pers: unknown key; did you mean peers\?$/],
  [{ toml: '[limits]\ntitle = "x"' }, /^t\.toml:2: limits\.title: unknown key; it belongs in section \[web\]$/],
  [{ toml: '[tls]\nwhatever = 1' }, /unknown key; \[tls\] has cert, key$/],
  [
    { toml: '[limits]\npeers = "many"' },
    /^t\.toml:2: limits\.peers: expected a whole number from 1 to 2000000000, not "many"$/,
  ],
  [{ toml: '[limits]\npeers = 0' }, /limits\.peers: expected a whole number/],
  [{ toml: '[limits]\npeers = 1.5' }, /limits\.peers: expected a whole number/],
  [{ toml: '[web]\npage = "yes"' }, /web\.page: expected true or false, not "yes"$/],
  [{ toml: '[udp]\nbatch = "always"' }, /expected one of "auto", "on", "off", not "always"$/],
  [{ toml: '[intervals]\nannounce = "3 weeks"' }, /intervals\.announce: expected a time from 1s to 1d, like/],
  [{ toml: '[intervals]\nannounce = "2d"' }, /intervals\.announce: expected a time/],
  [{ toml: '[limits]\nhttp_head = "1TB"' }, /limits\.http_head: expected a size from 1KiB to 64KiB/],
  [{ toml: '[listen]\nhttp = ["127.0.0.1:99999"]' }, /listen\.http: expected a list of values, each "HOST:PORT"/],
  [
    { toml: '[listen]\ntrusted_proxies = "10.0.0.0/33"' },
    /trusted_proxies: expected a list of values, each an address or network/,
  ],
  [
    { toml: '[clients]\nallow = ["-qB >>4"]' },
    /clients\.allow: expected a list of values, each the beginning of a peer id/,
  ],
  [{ toml: '[clients]\nbanned = ["-qB4650-"]' }, /clients\.banned: expected a list of values, each a peer id of 40/],
  [{ toml: '[private]\nratio_minimum = "1:2"' }, /private\.ratio_minimum: expected a number from 0 to 1000/],
  [{ toml: '[private]\nratio_minimum = -0.1' }, /private\.ratio_minimum: expected a number from 0 to 1000/],
  [{ toml: '[webtorrent]\norigins = ["https://a.example/"]' }, /origins: expected a list of values, each an origin/],
  [{ toml: '[webtorrent]\norigins = ["a.example"]' }, /origins: expected a list of values, each an origin/],
  [
    { toml: '[replication]\nurls = ["http://x"]' },
    /replication\.urls: expected a list of values, each a URL beginning with redis:\/\//,
  ],
  [{ toml: '[replication]\nurls = ["http://user:hunter2@x"]' }, /^(?!.*hunter2)/],
  [{ toml: '[admin]\ntoken = "short"' }, /^t\.toml:2: admin\.token: expected at least 16 characters without spaces$/],
  [{ toml: '[web]\ntitle = "a\\nb"' }, /web\.title: expected text on one line/],
  [{ env: { EIDER_TRACKER_LIMITS_PEERS: 'x' } }, /^EIDER_TRACKER_LIMITS_PEERS: expected a whole number/],
  [{ set: ['limits.peers'] }, /^--set limits\.peers: expected SECTION\.KEY=VALUE$/],
  [{ set: ['limits.peer=1'] }, /^--set limits\.peer: unknown key; did you mean limits\.peers\?$/],
  [{ set: ['limits.peers=x'] }, /^--set limits\.peers: expected a whole number/],
  [{ toml: '[listen]\nhttp = []' }, /^listen: no place to listen/],
  [{ toml: '[listen]\nhttps = [443]' }, /^listen\.https: needs tls\.cert/],
  [{ toml: '[tls]\ncert = "x"' }, /^tls: cert and key go together$/],
  [{ toml: '[lists]\nmode = "allow"' }, /^lists\.mode: "allow" needs lists\.allow$/],
  [{ toml: '[lists]\nmode = "deny"' }, /^lists\.mode: "deny" needs lists\.deny$/],
  [{ toml: '[private]\nenabled = true' }, /^private\.enabled: needs private\.users$/],
  [{ toml: '[private]\nenabled = true\nusers = "u"\n[web]\nfull_scrape = true' }, /^web\.full_scrape: would list/],
  [
    { toml: '[admin]\ntoken = "0123456789abcdef"\ntoken_file = "f"' },
    /^admin: token and token_file exclude each other$/,
  ],
  [{ toml: '[intervals]\nminimum = "1h"' }, /^intervals\.minimum: is more than/],
  [{ toml: '[intervals]\npeer_ttl = "10m"' }, /^intervals\.peer_ttl: has to be more/],
  [{ toml: '[limits]\nnum_want_default = 300' }, /^limits\.num_want_default: is more than/],
  [{ toml: '[catalogue]\nupload = true' }, /^catalogue\.upload: needs catalogue\.folder$/],
  [{ toml: '[run]\ngroup = "g"' }, /^run\.group: needs run\.user$/],
];

test('every mistake is told with its place, what is allowed and what was meant', () => {
  for (const [given, problem] of bad) {
    const problems = problemsOf(given);
    assert.equal(problems.length, 1, `${JSON.stringify(given)}: ${problems.join(' | ')}`);
    assert.match(problems[0] as string, problem);
  }
});

test('all mistakes are told at once', () => {
  const problems = problemsOf({ toml: '[limits]\npeers = "x"\n[web]\ntitel = 1', set: ['a.b=c'] });
  assert.deepEqual(
    problems.map((p) => /^\S+/.exec(p)?.[0]),
    ['--set', 't.toml:4:', 't.toml:2:'],
  );
});

test('option before environment before file before default, key by key', () => {
  const loaded = load({
    toml: '[limits]\npeers = 1\nswarms = 1\nnum_want_max = 100\n[web]\ntitle = "file"',
    env: { EIDER_TRACKER_LIMITS_PEERS: '2', EIDER_TRACKER_LIMITS_SWARMS: '2', EIDER_TRACKER_WEB_TITLE: '' },
    set: ['limits.peers=3'],
    values: { 'udp.threads': 4, 'tls.cert': undefined },
  });
  const expected: readonly (readonly [string, unknown, string])[] = [
    ['limits.peers', 3, 'option'],
    ['limits.swarms', 2, 'environment'],
    ['limits.num_want_max', 100, 'file'],
    ['web.title', 'file', 'file'],
    ['udp.threads', 4, 'option'],
    ['tls.cert', undefined, 'default'],
    ['limits.http_connections', frontLimits.httpConnectionsMax, 'default'],
  ];
  for (const [full, value, origin] of expected) {
    assert.equal(readValue(loaded, full), value, full);
    assert.equal(loaded.origins.get(full), origin, full);
  }
});

test('every key can be set by its environment variable, to the value that it has in TOML', () => {
  const toText = (value: string): string =>
    value
      .replace(/^\[(.*)\]$/s, '$1')
      .replaceAll('"', '')
      .replaceAll(', ', ',');
  for (const { full, env, key } of namedKeys) {
    const value = key.byDefault ?? key.example;
    assert.match(env, /^EIDER_TRACKER_[A-Z]+(_[A-Z]+)+$/);
    assert.deepEqual(key.kind.schema.parse(key.kind.fromText(toText(key.kind.format(value)))), value, full);
  }
  assert.equal(new Set(namedKeys.map((n) => n.env)).size, namedKeys.length);
});

test('variables that mean nothing are warned of, but not those that Kubernetes makes', () => {
  const { warnings } = load({
    env: { EIDER_TRACKER_LIMITS_PEER: '1', EIDER_TRACKER_SERVICE_HOST: 'x', EIDER_TRACKER_PORT_6969_TCP: 'tcp://x' },
  });
  assert.deepEqual(warnings, [
    'environment variable EIDER_TRACKER_LIMITS_PEER means nothing; did you mean EIDER_TRACKER_LIMITS_PEERS?',
  ]);
});

test('the defaults of the configuration are those of the tracker', () => {
  const settings = toTrackerSettings(load({}).config);
  assert.deepEqual(toTrackerLimits(settings.limits), toTrackerLimits());
  assert.deepEqual({ ...frontLimits, ...settings.frontLimits }, frontLimits);
  assert.deepEqual(settings.addressLimits, addressLimitDefaults);
  for (const part of ['tls', 'snapshot', 'replication', 'catalogue', 'admin', 'run'] as const) {
    assert.equal(settings[part], undefined, part);
  }
});

test('what is said of users, clients and pages reaches the parts that judge them', () => {
  const toml = [
    '[private]\nenabled = true\nusers = "u"\nratio_minimum = 0.5\nratio_after = "1GiB"\nsave_every = "1m"',
    `[clients]\nbanned = ["${'ab'.repeat(20)}"]\n[webtorrent]\norigins = "http://localhost:8080"`,
  ].join('\n');
  const { policy, webOrigins } = toTrackerSettings(load({ toml }).config);
  const { ratioMinimum, ratioAfterBytes, saveEveryMs, placesMax } = policy.private ?? {};
  assert.deepEqual([ratioMinimum, ratioAfterBytes, saveEveryMs, placesMax], [0.5, 1_073_741_824, 60_000, 3]);
  assert.deepEqual(policy.clientsBanned, ['ab'.repeat(20)]);
  assert.deepEqual(webOrigins, ['http://localhost:8080']);
});

test('a private tracker shows no torrents', () => {
  const { config } = load({ toml: '[private]\nenabled = true\nusers = "u"\n[web]\ntop_swarms = 10' });
  assert.equal(toTrackerSettings(config).pages.topSwarmCount, 0);
});

test('a reload can say what it takes up', () => {
  const changes = compareConfigs(load({}).config, load({ set: ['limits.peers=1', 'log.level=debug'] }).config);
  assert.deepEqual(changes, { live: ['log.level'], needRestart: ['limits.peers'] });
});

test('what is in force can be read back, and shows no secret', () => {
  const loaded = load({
    set: ['admin.token=0123456789abcdef', 'replication.urls=redis://:hunter2@x', 'limits.peers=5'],
  });
  const shown = formatEffectiveConfig(loaded);
  assert.match(shown, /^peers = 5 # option$/m);
  assert.match(shown, /^token = "\(secret\)" # option$/m);
  assert.doesNotMatch(shown, /hunter2|0123456789abcdef/);
  const plain = formatEffectiveConfig(load({ set: ['limits.peers=5'] }));
  assert.deepEqual(load({ toml: plain }).config, load({ set: ['limits.peers=5'] }).config);
});

test('the example file has every key with its default, and all of it is good', () => {
  const file = readFileSync(new URL('../../../../deploy/tracker.toml', import.meta.url), 'utf8');
  assert.equal(file, formatExampleConfig(), 'node tools/tracker-config-doc.mjs --write');
  assert.deepEqual(load({ toml: file }).config, load({}).config);
  const uncommented = file.replace(/^#(?=[a-z0-9_]+ = )/gm, '').replace(/^token = .*$/m, '');
  const loaded = load({ toml: uncommented });
  for (const { full, key } of namedKeys) {
    if (full === 'admin.token') continue;
    assert.equal(loaded.origins.get(full), 'file', full);
    assert.deepEqual(readValue(loaded, full), key.byDefault ?? key.example, full);
  }
});

test('the handbook has the reference of every key', () => {
  const handbook = readFileSync(new URL('../../../../docs/tracker.md', import.meta.url), 'utf8');
  assert.ok(handbook.includes(formatReference()), 'node tools/tracker-config-doc.mjs --write');
  for (const section of Object.keys(configTable)) assert.ok(handbook.includes(`### \`[${section}]\``), section);
});

test('the nearest word is one that could be meant', () => {
  const words = ['peers', 'swarms', 'num_want_max'];
  const cases: readonly (readonly [string, string | undefined])[] = [
    ['peer', 'peers'],
    ['PEERS', 'peers'],
    ['peesr', 'peers'],
    ['num_want', undefined],
    ['numwant_max', 'num_want_max'],
    ['colour', undefined],
  ];
  for (const [word, nearest] of cases) assert.equal(findNearest(word, words), nearest, word);
});

import assert from 'node:assert/strict';
import { test } from 'node:test';
import { BtError, type Millis } from '#base';
import type { UserFacts } from '#room/trackerd/policy/users';
import { AdminGate } from '#room/trackerd/web/admin-gate';
import { TrackerWeb } from '#room/trackerd/web/app';
import type { AccountsControl, HashListControl, TrackerControl, UsersControl } from '#trackerd';
import { controlOf, factsOf } from '../../support/tracker-facts.ts';

const TOKEN = '0123456789abcdef0123456789abcdef';
const HASH = 'c1'.repeat(20);

/** A list in memory, as the API sees it. */
function memoryList(): HashListControl {
  const hashes = new Set<string>();
  return {
    size: () => hashes.size,
    has: (hash) => hashes.has(hash),
    page: (after, max) =>
      [...hashes]
        .sort()
        .filter((h) => after === undefined || h > after)
        .slice(0, max),
    add: async (hash) => !hashes.has(hash) && hashes.add(hash) !== undefined,
    remove: async (hash) => hashes.delete(hash),
  };
}

/** Users in memory. */
function memoryUsers(): UsersControl {
  const users = new Map<number, UserFacts>();
  const isTaken = (name: string | undefined, id: number) =>
    [...users.values()].some((u) => u.name === name && u.id !== id);
  return {
    size: () => users.size,
    page: (after, max) => [...users.values()].filter((u) => u.id > after).slice(0, max),
    find: (id) => users.get(id),
    create: async ({ passkey = 'PasskeyPasskeyPasskey', ...user }) => {
      if (isTaken(user.name, 0)) return undefined;
      const made: UserFacts = {
        id: users.size + 1,
        createdAt: 1,
        expiresAt: null,
        isEnabled: true,
        mayDownload: true,
        mayUpload: false,
        torrentsMax: null,
        placesMax: null,
        uploaded: 0,
        downloaded: 0,
        torrents: 0,
        suspicionCount: 0,
        seenAt: null,
        ...user,
      };
      users.set(made.id, made);
      return { user: made, passkey };
    },
    update: async (id, changes) => {
      const before = users.get(id);
      if (before === undefined || isTaken(changes.name, id)) return undefined;
      const after = { ...before, ...changes };
      users.set(id, after);
      return after;
    },
    remove: async (id) => users.delete(id),
    rotatePasskey: async (id) => (users.has(id) ? 'NewPasskeyNewPasskey' : undefined),
  };
}

const sums = { infoHash: HASH, uploaded: 9_000_000_000, downloaded: 1 };

/** Accounts of one torrent. */
const someAccounts: AccountsControl = {
  torrentsOf: () => [{ ...sums, left: 0, seedSec: 60, clients: 1, seenAt: 1_800_000_000, completedAt: null }],
  torrent: (infoHash) => (infoHash === HASH ? torrentSums : undefined),
  imbalances: () => [torrentSums],
  suspicionCount: 7,
  suspicions: (max) => [{ ...sums, kind: 'too-fast', userId: 2, peerId: HASH, sec: 5, at: max }],
};
const torrentSums = { ...sums, imbalance: 8_999_999_999, leechers: 1, seeders: 2, completed: 3 };
const offender = { address: '192.0.2.1', count: 9, expired: 1, forged: 8, limited: 0, error: 0 };

interface Answer {
  readonly status: number;
  readonly body: Record<string, unknown>;
  readonly headers: Headers;
}

class Scene {
  now = 0 as Millis;
  token = TOKEN;
  readonly bugs: unknown[] = [];
  readonly web: TrackerWeb;

  constructor(control: Partial<TrackerControl> = {}) {
    const now = () => this.now;
    this.web = new TrackerWeb(factsOf(), controlOf(control), {
      hasPage: true,
      hasMetrics: true,
      gate: new AdminGate({ token: () => this.token, now }),
      addressOf: (_env, headers) => headers.get('x-test-address') ?? '192.0.2.1',
      now,
      onBug: (error) => this.bugs.push(error),
    });
  }

  async ask(path: string, init: RequestInit): Promise<Answer> {
    const response = await this.web.fetch(new Request(`http://tracker.example/api/v1${path}`, init));
    return { status: response.status, body: (await response.json()) as Answer['body'], headers: response.headers };
  }

  call(method: string, path: string, body?: unknown): Promise<Answer> {
    const headers = { authorization: `Bearer ${TOKEN}`, 'content-type': 'application/json' };
    return this.ask(path, {
      method,
      headers,
      ...(body !== undefined && { body: typeof body === 'string' ? body : JSON.stringify(body) }),
    });
  }
}

function scene(t: { after(fn: () => void): void }, control: Partial<TrackerControl> = {}): Scene {
  const made = new Scene(control);
  t.after(() => made.web.close());
  return made;
}

/** A tracker with everything that operations need. */
function whole(t: { after(fn: () => void): void }): Scene {
  return scene(t, {
    lists: { allow: memoryList(), deny: memoryList() },
    users: memoryUsers(),
    accounts: someAccounts,
    offenders: (max) => [offender, offender, offender].slice(0, max),
    snapshot: async () => ({ path: '/s', bytes: 5, elapsedMs: 1 }),
    findSwarm: (infoHash) => (infoHash === HASH ? { infoHash, seeders: 1, leechers: 2, downloads: 3 } : undefined),
    peersOf: () => [{ address: '192.0.2.7', port: 6881, isSeeder: true }],
  });
}

type Step = readonly [
  method: string,
  path: string,
  body: unknown,
  status: number,
  part: Readonly<Record<string, unknown>>,
];

/** One after the other on one tracker; every operation of the document is among them. */
const steps: readonly Step[] = [
  ['GET', '/stats', undefined, 200, { torrents: 2, leechers: 5 }],
  ['GET', '/connections', undefined, 200, { connections: { http: 7, ws: 0 } }],
  ['POST', '/reload', undefined, 200, { done: ['deny list: 3 torrents'], failed: [] }],
  ['POST', '/snapshot', undefined, 200, { path: '/s', bytes: 5 }],
  ['GET', '/log-level', undefined, 200, { level: 'info' }],
  ['PUT', '/log-level', { level: 'debug' }, 200, { level: 'debug' }],
  ['PUT', '/log-level', { level: 'loud' }, 400, {}],
  ['PUT', '/log-level', '{', 400, {}],
  ['GET', `/swarms/${HASH.toUpperCase()}`, undefined, 200, { seeders: 1, leechers: 2, downloads: 3 }],
  ['GET', `/swarms/${'00'.repeat(20)}`, undefined, 404, {}],
  ['GET', '/swarms/xyz', undefined, 400, {}],
  [
    'GET',
    `/swarms/${HASH}/peers?limit=5`,
    undefined,
    200,
    { peers: [{ address: '192.0.2.7', port: 6881, isSeeder: true }] },
  ],
  ['GET', `/swarms/${HASH}/peers?limit=5000`, undefined, 400, {}],
  ['PUT', `/lists/deny/${HASH}`, undefined, 200, { hasChanged: true }],
  ['PUT', `/lists/deny/${HASH}`, undefined, 200, { hasChanged: false }],
  ['GET', `/lists/deny/${HASH}`, undefined, 200, { infoHash: HASH, isListed: true }],
  ['GET', `/lists/allow/${HASH}`, undefined, 200, { isListed: false }],
  ['GET', '/lists/deny?limit=1', undefined, 200, { total: 1, infoHashes: [HASH], next: HASH }],
  ['GET', `/lists/deny?limit=1&after=${HASH}`, undefined, 200, { infoHashes: [], next: null }],
  ['DELETE', `/lists/deny/${HASH}`, undefined, 200, { hasChanged: true }],
  ['GET', '/lists/other', undefined, 400, {}],
  ['POST', '/users', { name: 'alice' }, 201, { passkey: 'PasskeyPasskeyPasskey' }],
  ['POST', '/users', { name: 'alice' }, 409, {}],
  ['POST', '/users', { name: 'bob', passkey: 'short' }, 400, {}],
  ['POST', '/users', { name: 'bob', isAdmin: true }, 400, {}],
  ['POST', '/users', { name: 'bob', expiresAt: 2_000_000_000 }, 201, {}],
  ['GET', '/users?limit=1', undefined, 200, { total: 2, next: 1 }],
  ['GET', '/users?limit=1&after=2', undefined, 200, { users: [], next: null }],
  ['GET', '/users/1', undefined, 200, { id: 1, name: 'alice', uploaded: 0 }],
  ['GET', '/users/9', undefined, 404, {}],
  ['GET', '/users/x', undefined, 400, {}],
  ['PATCH', '/users/1', { isEnabled: false, mayDownload: false }, 200, { isEnabled: false, name: 'alice' }],
  [
    'PATCH',
    '/users/1',
    { mayUpload: true, torrentsMax: 5, placesMax: null },
    200,
    { mayUpload: true, torrentsMax: 5, placesMax: null, mayDownload: false },
  ],
  ['PATCH', '/users/1', { mayUpload: 'yes' }, 400, {}],
  ['PATCH', '/users/1', { name: 'bob' }, 409, {}],
  ['PATCH', '/users/9', { name: 'x' }, 404, {}],
  ['POST', '/users/1/passkey', undefined, 200, { passkey: 'NewPasskeyNewPasskey' }],
  ['GET', '/users/1/torrents', undefined, 200, { torrents: someAccounts.torrentsOf(1, 1) }],
  ['GET', '/users/1/torrents?limit=1001', undefined, 400, {}],
  ['GET', '/users/9/torrents', undefined, 404, {}],
  ['GET', '/accounts/torrents?limit=3', undefined, 200, { torrents: [torrentSums] }],
  ['GET', '/accounts/torrents?limit=x', undefined, 400, {}],
  ['GET', `/accounts/torrents/${HASH.toUpperCase()}`, undefined, 200, torrentSums],
  ['GET', `/accounts/torrents/${'00'.repeat(20)}`, undefined, 404, {}],
  ['GET', '/accounts/torrents/x', undefined, 400, {}],
  ['GET', '/accounts/suspicions?limit=5', undefined, 200, { total: 7, suspicions: someAccounts.suspicions(5) }],
  ['GET', '/accounts/suspicions?limit=-1', undefined, 400, {}],
  ['GET', '/offenders?limit=2', undefined, 200, { offenders: [offender, offender] }],
  ['GET', '/offenders?limit=', undefined, 400, {}],
  ['DELETE', '/users/1', undefined, 200, { hasChanged: true }],
  ['DELETE', '/users/1', undefined, 404, {}],
  ['GET', '/nothing', undefined, 404, {}],
];

test('every operation does what it says and answers as its document says', async (t) => {
  const s = whole(t);
  const document = (await s.call('GET', '/openapi.json')).body as unknown as OpenApi;
  const tried = new Set<string>();
  for (const [method, path, body, status, part] of steps) {
    const answer = await s.call(method, path, body);
    const what = `${method} ${path}: ${JSON.stringify(answer.body)}`;
    assert.equal(answer.status, status, what);
    for (const [name, value] of Object.entries(part)) assert.deepEqual(answer.body[name], value, what);
    if (status >= 400) assert.equal(typeof (answer.body['error'] as { code?: unknown }).code, 'string', what);
    assert.equal(answer.headers.get('cache-control'), 'no-store');
    const operation = findOperation(document, method, path);
    if (operation === undefined) continue;
    tried.add(operation.operationId);
    const schema = operation.responses[status]?.content?.['application/json'].schema;
    assert.ok(schema !== undefined, `${operation.operationId} does not describe ${status}`);
    assertMatches(document, schema, answer.body, operation.operationId);
  }
  const all = Object.values(document.paths).flatMap((methods) => Object.values(methods).map((o) => o.operationId));
  assert.deepEqual([...tried].sort(), all.sort());
  assert.deepEqual(s.bugs, []);
});

interface Schema {
  readonly $ref?: string;
  readonly type?: string | readonly string[];
  readonly properties?: Readonly<Record<string, Schema>>;
  readonly required?: readonly string[];
  readonly items?: Schema;
  readonly enum?: readonly unknown[];
  readonly additionalProperties?: Schema | boolean;
}
interface Operation {
  readonly operationId: string;
  readonly summary: string;
  readonly security: readonly unknown[];
  readonly responses: Readonly<
    Record<string, { description: string; content?: { 'application/json': { schema: Schema } } }>
  >;
  readonly parameters?: readonly { name: string; in: string; required?: boolean; schema: Schema }[];
}
interface OpenApi {
  readonly openapi: string;
  readonly paths: Readonly<Record<string, Readonly<Record<string, Operation>>>>;
  readonly components: { readonly schemas: Readonly<Record<string, Schema>>; readonly securitySchemes: object };
}

function findOperation(document: OpenApi, method: string, path: string): Operation | undefined {
  const plain = path.replace(/\?.*/, '');
  const found = Object.entries(document.paths).find(([template]) =>
    new RegExp(`^${template.replace(/\{\w+\}/g, '[^/]+')}$`).test(plain),
  );
  return found?.[1][method.toLowerCase()];
}

/** As much of JSON Schema as the document uses. */
function assertMatches(document: OpenApi, schema: Schema, value: unknown, at: string): void {
  if (schema.$ref !== undefined) {
    const named = document.components.schemas[schema.$ref.replace('#/components/schemas/', '')];
    assert.ok(named !== undefined, `${at}: ${schema.$ref} is not there`);
    return assertMatches(document, named, value, at);
  }
  const types = schema.type === undefined ? [] : [schema.type].flat();
  if (value === null) return assert.ok(types.includes('null') || types.length === 0, `${at}: null`);
  const actual = Array.isArray(value) ? 'array' : typeof value;
  const isFitting =
    types.length === 0 || types.includes(actual) || (types.includes('integer') && Number.isInteger(value));
  assert.ok(isFitting, `${at}: ${actual} is not ${types}`);
  if (schema.enum !== undefined) assert.ok(schema.enum.includes(value), `${at}: ${String(value)}`);
  if (Array.isArray(value)) for (const item of value) assertMatches(document, schema.items ?? {}, item, `${at}[]`);
  if (actual !== 'object') return;
  for (const name of schema.required ?? []) assert.ok(name in (value as object), `${at}.${name} is missing`);
  for (const [name, item] of Object.entries(value as object)) {
    const extra = typeof schema.additionalProperties === 'object' ? schema.additionalProperties : undefined;
    const inner = schema.properties?.[name] ?? extra;
    assert.ok(inner !== undefined, `${at}.${name} is not described`);
    assertMatches(document, inner, item, `${at}.${name}`);
  }
}

test('the document is OpenAPI 3.1: every operation is described, secured, and its parameters are required where they are in the path', async (t) => {
  const document = (await whole(t).call('GET', '/openapi.json')).body as unknown as OpenApi;
  assert.match(document.openapi, /^3\.1\./);
  assert.deepEqual(document.components.securitySchemes, { bearer: { type: 'http', scheme: 'bearer' } });
  const ids = new Set<string>();
  for (const [path, methods] of Object.entries(document.paths)) {
    const inPath = [...path.matchAll(/\{(\w+)\}/g)].map((m) => m[1] as string);
    for (const [method, operation] of Object.entries(methods)) {
      const what = `${method} ${path}`;
      assert.ok(operation.operationId !== undefined && !ids.has(operation.operationId), what);
      ids.add(operation.operationId);
      assert.ok(operation.summary.length > 0, what);
      assert.deepEqual(operation.security, [{ bearer: [] }], what);
      const declared = (operation.parameters ?? []).filter((p) => p.in === 'path');
      assert.deepEqual(declared.map((p) => p.name).sort(), inPath.sort(), what);
      for (const parameter of declared) {
        assert.equal(parameter.required, true, `${what} ${parameter.name}`);
        assert.ok(['string', 'integer'].includes(parameter.schema.type as string), `${what} ${parameter.name}`);
      }
    }
  }
});

test('who has no token gets nothing but the document, and who guesses has to wait', async (t) => {
  const s = whole(t);
  const get = (authorization?: string, address = '192.0.2.9') =>
    s.ask('/stats', {
      headers: { 'x-test-address': address, ...(authorization !== undefined && { authorization }) },
    });
  assert.equal((await s.ask('/openapi.json', {})).status, 200);
  for (let i = 0; i < 50; i++) assert.equal((await get()).status, 401, 'without a token nothing is guessed');
  const wrong = ['Bearer wrong', `Basic ${TOKEN}`, `Bearer ${TOKEN}x`, `Bearer ${TOKEN.slice(1)}`, 'Bearer '];
  for (const authorization of wrong) assert.equal((await get(authorization)).status, 401, authorization);
  assert.equal((await get(`Bearer ${TOKEN}`)).status, 200);
  for (let i = 0; i < 7; i++) assert.equal((await get('Bearer wrong')).status, 401);
  const waiting = await get(`Bearer ${TOKEN}`);
  assert.deepEqual([waiting.status, waiting.headers.get('retry-after')], [429, '60']);
  assert.equal((await get(`Bearer ${TOKEN}`, '192.0.2.10')).status, 200, 'others are not kept out');
  s.now = 60_000 as Millis;
  assert.equal((await get(`Bearer ${TOKEN}`)).status, 200);
  for (let i = 0; i < 10; i++) await get('Bearer wrong', `2001:db8::${i + 1}`);
  assert.equal((await get(`Bearer ${TOKEN}`, '2001:db8::ffff')).status, 429, 'an IPv6 network is one');
});

test('a changed token is in force at once, and without one nobody gets in', async (t) => {
  const s = whole(t);
  s.token = 'another-token-0123456789';
  assert.equal((await s.call('GET', '/stats')).status, 401);
  s.token = undefined as never;
  assert.equal((await s.call('GET', '/stats')).status, 401);
});

test('what a tracker does not have is absent, and failures are told apart', async (t) => {
  const bare = scene(t);
  for (const [method, path] of [
    ['GET', '/users'],
    ['GET', '/users/1'],
    ['POST', '/users/1/passkey'],
    ['GET', '/users/1/torrents'],
    ['GET', '/accounts/torrents'],
    ['GET', `/accounts/torrents/${HASH}`],
    ['GET', '/accounts/suspicions'],
    ['GET', '/lists/allow'],
    ['PUT', `/lists/allow/${HASH}`],
    ['POST', '/snapshot'],
    ['GET', `/swarms/${HASH}/peers`],
  ] as const) {
    assert.equal((await bare.call(method, path)).status, 404, path);
  }
  const failing = scene(t, {
    snapshot: () => Promise.reject(new BtError('disk/no-space', { path: '/s' })),
    reload: () => Promise.reject(new TypeError('a bug at /secret/place')),
  });
  const full = await failing.call('POST', '/snapshot');
  assert.equal((full.body['error'] as { code: string }).code, 'disk/no-space');
  const bug = await failing.call('POST', '/reload');
  assert.deepEqual(bug.body, { error: { code: 'api/internal', message: 'the tracker has failed' } });
  assert.equal(failing.bugs.length, 1);
});

test('large bodies are refused, and bodies of unknown length', async (t) => {
  const s = whole(t);
  const send = (headers: Record<string, string>) =>
    s.ask('/users', {
      method: 'POST',
      body: '{"name":"x"}',
      headers: { authorization: `Bearer ${TOKEN}`, ...headers },
    });
  assert.equal((await send({ 'content-length': '65537' })).status, 413);
  assert.equal((await send({ 'transfer-encoding': 'chunked' })).status, 411);
});

import assert from 'node:assert/strict';
import { findForwardedClient } from '#room/trackerd/http/forwarded';
import { Networks, parseNetwork } from '#room/trackerd/http/networks';
import { parseUsers, type UsersDocument } from '#room/trackerd/policy/users-file';
import { parseRedisAddress } from '#room/trackerd/replication/redis-address';
import { type FuzzTarget, magnitude, refusal, textOf, utf8 } from '../support/target.ts';

const user = { id: 1, name: 'a', passkey: 'a'.repeat(32) };
const trusted = new Networks(['10.0.0.0/8', '::1']);

function readUsers(text: string): string {
  let document: UsersDocument | 'newer';
  try {
    document = parseUsers('users.json', text);
  } catch (error) {
    return refusal(error, 'config/invalid').slice(0, 50);
  }
  if (document === 'newer') return document;
  const { users, nextId } = document;
  for (const key of ['id', 'name', 'passkey'] as const) {
    assert.equal(new Set(users.map((u) => u[key])).size, users.length, `no ${key} twice`);
  }
  assert.ok(users.every(({ id }) => id < nextId));
  const again = JSON.stringify({ format: 'eider tracker users', version: 1, ...document });
  assert.deepEqual(parseUsers('users.json', again), document);
  return `users ${magnitude(users.length)}`;
}

function readRedis(text: string): string {
  try {
    const { kind, nodes, db } = parseRedisAddress(text.split('\n'));
    assert.ok(nodes.length > 0 && Number.isInteger(db));
    return kind;
  } catch (error) {
    return refusal(error, 'client/invalid').slice(0, 60);
  }
}

function readNetwork(text: string): string {
  const network = parseNetwork(text);
  if (network === undefined) return 'none';
  const { address, bits } = network;
  assert.ok(bits >= 0 && bits <= address.length * 8);
  const networks = new Networks([text]);
  assert.ok(networks.has(address));
  const other = address.slice();
  if (bits > 0) {
    other[(bits - 1) >> 3]! ^= 0x80 >> ((bits - 1) & 7);
    assert.ok(!networks.has(other), 'the last bit counts');
  }
  return `${address.length} ${bits % 8}`;
}

export const target: FuzzTarget = {
  about: 'what operators and their proxies write: users, networks, addresses of Redis, forwarded clients',
  form: 'text',
  files: [
    'trackerd/policy/users-file',
    'trackerd/http/networks',
    'trackerd/http/forwarded',
    'trackerd/replication/redis-address',
  ],
  parsers: [
    'trackerd/policy/users-file parseUsers',
    'trackerd/http/networks parseNetwork',
    'trackerd/replication/redis-address parseRedisAddress',
  ],
  tokens: [
    '"id":',
    '"name":',
    '"passkey":',
    `"${'b'.repeat(32)}"`,
    '"expiresAt":null',
    'true',
    '-1',
    '4294967296',
    '{"toString":1}',
    '__proto__',
    'redis://',
    'rediss+sentinel://',
    'redis+cluster://',
    '%zz',
    '?db=',
    '/0',
    '10.0.0.0/8',
    '/33',
    '::/0',
    'Forwarded: for=',
    'X-Forwarded-For: ',
    '1.2.3.4, ',
    '"[2001:db8::1]:80"',
    '\r\n',
  ],
  seeds: () =>
    [
      JSON.stringify({
        format: 'eider tracker users',
        version: 1,
        nextId: 3,
        users: [user, { ...user, id: 2, name: 'b', passkey: 'b'.repeat(32), expiresAt: 5 }],
      }),
      JSON.stringify({ format: 'eider tracker users', version: 2, users: [] }),
      'redis://user:p%40ss@host:6379/0',
      'rediss+sentinel://a:1/mymaster/2\nrediss+sentinel://b:2',
      'redis:///run/redis.sock?db=3',
      '2001:db8::/32',
      '10.0.0.0/8',
      'Forwarded: for="[2001:db8::1]:80";proto=http, for=10.0.0.1\r\nX-Forwarded-For: 1.2.3.4, 10.0.0.2',
    ].map(utf8),
  run(input) {
    const text = textOf(input);
    const client = findForwardedClient(text, trusted);
    if (client !== undefined) assert.ok(client.length === 4 || client.length === 16);
    // Files named in an address are read: none of ours.
    const redis = /[?&](ca|cert|key)=/.test(text) ? 'tls' : readRedis(text);
    return [readUsers(text), redis, readNetwork(text), client?.length].join(' ');
  },
};

import assert from 'node:assert/strict';
import { existsSync, readdirSync } from 'node:fs';
import { join } from 'node:path';
import { type TestContext, test } from 'node:test';
import fc from 'fast-check';
import { BtError, toHex } from '#base';
import { formatMagnet, parseTorrentFile } from '#metainfo';
import { createCatalogueApi } from '#room/trackerd/catalogue/api';
import { createCatalogueApp } from '#room/trackerd/catalogue/app';
import { Catalogue } from '#room/trackerd/catalogue/catalogue';
import { escapeXml } from '#room/trackerd/catalogue/feed';
import { Ranking } from '#room/trackerd/catalogue/ranking';
import { SearchIndex } from '#room/trackerd/catalogue/search-index';
import { catalogueLimits } from '#room/trackerd/limits';
import { nodeCrypto } from '../../support/node-crypto.ts';
import { makeTempFolder, writeTree } from '../../support/temp-folder.ts';
import { makeTorrent } from '../../support/torrents.ts';

const debian = makeTorrent({ name: 'debian-12.iso', files: { '': 100_000 } });
const hybrid = makeTorrent({ name: 'Éclair photos', format: 'hybrid', files: { 'a.jpg': 50_000, 'b.jpg': 70_000 } });
const v2 = makeTorrent({ name: 'only v2', format: 'v2', files: { x: 10 } });
const announce = 'https://tracker.example/announce';
const someHash = 'ab'.repeat(20);

function open(t: TestContext): { catalogue: Catalogue; folder: string; changes: string[] } {
  const folder = makeTempFolder(t);
  let now = 1_700_000_000;
  const changes: string[] = [];
  const catalogue = new Catalogue({ folder, nowSec: () => now++, onChange: ({ kind }) => changes.push(kind) });
  return { catalogue, folder, changes };
}

/** The pages over a catalogue, asked without a socket. */
function openApp(t: TestContext, options: { passkey?: string } = {}) {
  const { catalogue, folder, changes } = open(t);
  const countsOf = (hash: Uint8Array) => ({ complete: hash[0] as number, incomplete: 2, downloaded: 3 });
  const app = createCatalogueApp({
    catalogue,
    countsOf,
    title: 'Test <tracker>',
    mayUpload: () => true,
    access: {
      viewer: (passkey, base) =>
        options.passkey === undefined || passkey === options.passkey
          ? { announceUrls: [passkey === undefined ? `${base}/announce` : `${base}/${passkey}/announce`] }
          : undefined,
      uploader: (secret) => (secret === 'token' ? 'ann' : undefined),
    },
    frame: (c, { body, status = 200 }) => c.html(body, status),
    sourceOf: (c) => c.req.header('x-source') ?? '192.0.2.1',
  });
  const api = createCatalogueApi({ catalogue, countsOf, announceUrls: () => [announce] });
  return { catalogue, folder, app, api, changes };
}

test('what is added is found after a restart, with what was said about it', async (t) => {
  const { catalogue, folder } = open(t);
  const added = catalogue.addTorrent(debian.bytes, {
    category: 'Linux ISO',
    tags: ['stable', 'Stable', ''],
    addedBy: 'ann',
  });
  assert.equal(added.title, 'debian-12.iso');
  assert.equal(added.category, 'linux-iso');
  assert.deepEqual(added.tags, ['stable']);
  const link = formatMagnet({ hashV1: someHash as never, name: 'a magnet' });
  catalogue.addMagnet(link, { title: 'By magnet' });
  catalogue.addTorrent(v2.bytes, {});
  await catalogue.change(added.id, { description: 'two\r\nlines\u0000' });
  const again = new Catalogue({ folder });
  assert.deepEqual(await again.load(), []);
  for (const id of catalogue.ids()) assert.deepEqual(again.get(id), catalogue.get(id));
  assert.equal(again.get(added.id)?.description, 'two\nlines');
  assert.equal(again.get(v2.torrent.info.hashV2 as string)?.title, 'only v2');
  assert.equal(again.get(someHash)?.title, 'By magnet');
  assert.equal(await again.remove(added.id), true);
  assert.equal(await again.remove(added.id), false);
  assert.deepEqual(
    readdirSync(folder).filter((name) => name.startsWith(added.id)),
    [],
  );
  assert.equal(again.size, 2);
});

test('a folder as an operator fills it: names do not matter, bad files are told and passed over', async (t) => {
  const { catalogue, folder } = open(t);
  writeTree(folder, {
    'whatever name.torrent': debian.bytes,
    'whatever name.json': JSON.stringify({ v: 1, title: 'Debian', tags: ['x', 7], addedAt: 5 }),
    'copy.torrent.bak': debian.bytes,
    'zz-twice.torrent': debian.bytes,
    'broken.torrent': 'no bencode',
    'newer.torrent': hybrid.bytes,
    'newer.json': '{"v":2}',
    'lonely.json': '{"v":1}',
    'readme.txt': 'hello',
  });
  const troubles = await catalogue.load();
  assert.deepEqual(troubles.map(({ file }) => file).sort(), [
    'broken.torrent',
    'lonely.json',
    'newer.torrent',
    'zz-twice.torrent',
  ]);
  assert.deepEqual(
    [...catalogue.entries()].map(({ title, addedAt, tags }) => [title, addedAt, tags]),
    [['Debian', 5, ['x']]],
  );
  assert.equal(existsSync(join(folder, 'zz-twice.torrent')), true);
});

test('no folder is an empty catalogue, and the first torrent makes it', async (t) => {
  const folder = join(makeTempFolder(t), 'not', 'there');
  const catalogue = new Catalogue({ folder });
  assert.deepEqual(await catalogue.load(), []);
  catalogue.addTorrent(debian.bytes, {});
  assert.equal(readdirSync(folder).length, 2);
});

/** With so many files of no bytes. */
function torrentOfFiles(count: number): Uint8Array {
  const files = Array.from({ length: count }, (_, i) => `d6:lengthi${i === 0 ? 1 : 0}e4:pathl${`${i}`.length}:${i}ee`);
  const piece = 'h'.repeat(20);
  return Buffer.from(`d4:infod5:filesl${files.join('')}e4:name4:many12:piece lengthi16384e6:pieces20:${piece}ee`);
}

test('what is refused', (t) => {
  const { catalogue, folder } = open(t);
  catalogue.addTorrent(debian.bytes, {});
  const refused: [what: string, run: () => unknown, code: string][] = [
    ['twice', () => catalogue.addTorrent(debian.bytes, {}), 'client/duplicate'],
    ['no torrent', () => catalogue.addTorrent(new Uint8Array(9), {}), 'bencode/syntax'],
    [
      'too large',
      () => catalogue.addTorrent(new Uint8Array(catalogueLimits.torrentBytesMax + 1), {}),
      'client/invalid',
    ],
    ['too many files', () => catalogue.addTorrent(torrentOfFiles(catalogueLimits.filesMax + 1), {}), 'client/invalid'],
    ['no magnet', () => catalogue.addMagnet('magnet:?dn=x', {}), 'magnet/invalid'],
  ];
  for (const [what, run, code] of refused)
    assert.throws(run, (error) => BtError.is(error) && error.code === code, what);
  assert.equal(readdirSync(folder).length, 2);
});

test('a torrent is read once, however many look at it, until its file is another', async (t) => {
  const { catalogue, folder } = open(t);
  const entry = catalogue.addTorrent(debian.bytes, {});
  const [first, second] = await Promise.all([catalogue.readTorrent(entry), catalogue.readTorrent(entry)]);
  assert.equal(first, second);
  assert.equal(await catalogue.readTorrent(entry), first);
  writeTree(folder, { [`${entry.id}.torrent`]: 'x' });
  await assert.rejects(catalogue.readTorrent(entry), (error) => BtError.is(error));
  await assert.rejects(catalogue.readTorrent(entry), (error) => BtError.is(error));
  writeTree(folder, { [`${entry.id}.torrent`]: debian.bytes });
  assert.deepEqual((await catalogue.readTorrent(entry))?.info.hashV1, first?.info.hashV1);
});

test('search, category, tag and order', (t) => {
  const { catalogue } = open(t);
  const a = catalogue.addTorrent(debian.bytes, { category: 'iso', tags: ['os'] }).id;
  const b = catalogue.addTorrent(hybrid.bytes, { category: 'art', tags: ['os', 'jpg'] }).id;
  const c = catalogue.addTorrent(v2.bytes, { title: 'Zebra photos' }).id;
  const cases: [query: Parameters<Catalogue['find']>[0], ids: string[]][] = [
    [{}, [c, b, a]],
    [{ order: 'name' }, [a, c, b]],
    [{ order: 'size' }, [b, a, c]],
    [{ words: 'photo' }, [c, b]],
    [{ words: 'ECLAIR ph' }, [b]],
    [{ words: 'deb 12' }, [a]],
    [{ words: 'deb photos' }, []],
    [{ words: '...' }, [c, b, a]],
    [{ words: 'only' }, [c]],
    [{ category: 'iso' }, [a]],
    [{ tag: 'os' }, [b, a]],
    [{ tag: 'os', words: 'art' }, [b]],
  ];
  for (const [query, ids] of cases) assert.deepEqual(catalogue.find(query), ids, JSON.stringify(query));
  assert.deepEqual(
    [...catalogue.categories()],
    [
      ['', 1],
      ['art', 1],
      ['iso', 1],
    ],
  );
});

test('the order by seeders follows the swarms; a hybrid has two of them', (t) => {
  const { catalogue } = open(t);
  const a = catalogue.addTorrent(debian.bytes, {}).id;
  const b = catalogue.addTorrent(hybrid.bytes, {}).id;
  const c = catalogue.addTorrent(v2.bytes, {}).id;
  let seeders: Record<string, number> = { [a]: 3, [b]: 2, [hybrid.torrent.info.hashV2?.slice(0, 40) as string]: 2 };
  const countsOf = (hash: Uint8Array) => ({ complete: seeders[toHex(hash)] ?? 0, incomplete: 0, downloaded: 0 });
  const ranking = new Ranking({ catalogue, countsOf });
  assert.deepEqual(catalogue.find({ order: 'seeders' }), [c, b, a]);
  ranking.step();
  assert.deepEqual(catalogue.find({ order: 'seeders' }), [b, a, c]);
  seeders = { [c]: 9 };
  ranking.step();
  assert.equal(catalogue.find({ order: 'seeders' })[0], c);
});

test('search index: agrees with looking at every text, whatever is put and removed', () => {
  const word = fc.constantFrom('a', 'ab', 'abc', 'b', 'Bc', 'ç', 'c9', '9');
  const text = fc.array(word, { maxLength: 4 }).map((words) => words.join(' '));
  const step = fc.record({ id: fc.constantFrom('1', '2', '3', '4'), text: fc.option(text) });
  fc.assert(
    fc.property(fc.array(step, { maxLength: 30 }), fc.array(word, { minLength: 1, maxLength: 2 }), (steps, query) => {
      const index = new SearchIndex();
      const model = new Map<string, string>();
      for (const { id, text: put } of steps) {
        if (put === null) index.remove(id);
        else index.put(id, put);
        if (put === null) model.delete(id);
        else model.set(id, put);
      }
      const plain = (s: string) => s.toLowerCase().replace('ç', 'c');
      const expected = [...model].filter(([, t]) =>
        query.every((q) =>
          plain(t)
            .split(' ')
            .some((w) => w !== '' && w.startsWith(plain(q))),
        ),
      );
      assert.deepEqual([...(index.find(query.join(' ')) as Set<string>)].sort(), expected.map(([id]) => id).sort());
    }),
  );
});

test('pages: list, search, one torrent, its file with this tracker in it', async (t) => {
  const { catalogue, app } = openApp(t);
  const { id } = catalogue.addTorrent(hybrid.bytes, { title: '<b>bold</b>', description: 'a & b', tags: ['jpg'] });
  const list = await (await app.request('http://t.example/?q=bold')).text();
  assert.match(list, /&lt;b&gt;bold&lt;\/b&gt;/);
  assert.doesNotMatch(list, /<b>bold/);
  assert.match(list, /1 torrent /);
  const page = await (await app.request(`http://t.example/${id}`)).text();
  for (const part of ['b.jpg', 'a &amp; b', hybrid.torrent.info.hashV2 as string, 'magnet:?xt=urn:btih:'])
    assert(page.includes(part), part);
  const file = await app.request(`http://t.example/${id}.torrent`);
  assert.equal(file.headers.get('content-type'), 'application/x-bittorrent');
  const torrent = parseTorrentFile(new Uint8Array(await file.arrayBuffer()), nodeCrypto);
  assert.deepEqual(torrent.trackers, [['http://t.example/announce']]);
  assert.equal(torrent.info.hashV1, hybrid.torrent.info.hashV1);
  assert.deepEqual(torrent.pieceLayers, hybrid.torrent.pieceLayers);
  for (const path of ['nothing', `${'0'.repeat(40)}`, '..%2f..%2fetc'])
    assert.equal((await app.request(`http://t.example/${path}`)).status, 404);
});

test('feed: well-formed whatever is in a title, enclosures lead to the files', async (t) => {
  const { catalogue, app } = openApp(t);
  const { id } = catalogue.addTorrent(debian.bytes, { title: 'a < b & "c" \u0007' });
  catalogue.addMagnet(formatMagnet({ hashV1: someHash as never }), {});
  const text = await (await app.request('http://t.example/feed.xml?passkey=k')).text();
  assert.match(text, /<title>a &lt; b &amp; &quot;c&quot;/);
  assert.match(text, /Torrents of Test &lt;tracker&gt;/);
  assert(text.includes(`<enclosure url="http://t.example/torrents/${id}.torrent?passkey=k" length="100000"`));
  assert(text.includes(`url="magnet:?xt=urn:btih:${someHash}&amp;`));
  assert.equal(escapeXml('\u0000a\ud800b'), 'ab');
});

test('members only: a passkey opens the pages, and is in the announce URL of what they take', async (t) => {
  const { catalogue, app } = openApp(t, { passkey: 'secret' });
  const { id } = catalogue.addTorrent(debian.bytes, {});
  for (const path of ['/', `/${id}`, `/${id}.torrent`, '/feed.xml', '/?passkey=wrong']) {
    const answer = await app.request(`http://t.example${path}`);
    assert.equal(answer.status, 401, path);
    assert.doesNotMatch(await answer.text(), /debian/);
  }
  const login = (passkey: string) =>
    app.request('http://t.example/login', { method: 'POST', body: new URLSearchParams({ passkey }) });
  assert.equal((await login('wrong')).status, 401);
  const entered = await login('secret');
  assert.equal(entered.status, 303);
  const cookie = (entered.headers.get('set-cookie') as string).split(';')[0] as string;
  assert.equal((await app.request('http://t.example/', { headers: { cookie } })).status, 200);
  const file = await app.request(`http://t.example/${id}.torrent?passkey=secret`);
  const torrent = parseTorrentFile(new Uint8Array(await file.arrayBuffer()), nodeCrypto);
  assert.deepEqual(torrent.trackers, [['http://t.example/secret/announce']]);
  // What has a passkey in it stays in no cache.
  for (const path of [`/${id}.torrent`, '/feed.xml']) {
    const answer = await app.request(`http://t.example${path}?passkey=secret`);
    assert.equal(answer.headers.get('cache-control'), 'no-store', path);
  }
});

test('upload by form: only with a token, a file or a link, and what is wrong is said', async (t) => {
  const { catalogue, app, changes } = openApp(t);
  const send = (fields: Record<string, string | Blob>) => {
    const body = new FormData();
    for (const [name, value] of Object.entries(fields)) body.set(name, value);
    return app.request('http://t.example/upload', { method: 'POST', body });
  };
  const file = new Blob([new Uint8Array(debian.bytes)]);
  assert.equal((await send({ token: 'guess', file })).status, 401);
  assert.equal((await send({ token: 'token' })).status, 400);
  assert.match(await (await send({ token: 'token', file: new Blob(['x']) })).text(), /not valid bencode/);
  assert.deepEqual(changes, []);
  const added = await send({ token: 'token', file, title: 'Debian', tags: 'os, iso' });
  assert.equal(added.headers.get('location'), `/torrents/${debian.torrent.info.hashV1}`);
  const again = await send({ token: 'token', file, title: 'A "good" title', description: '</textarea>' });
  assert.equal(again.status, 400);
  const refused = await again.text();
  assert.match(refused, /This torrent is in the catalogue already/);
  assert.match(refused, /value="A &quot;good&quot; title"/, 'nobody has to write it twice');
  assert.match(refused, />&lt;\/textarea&gt;<\/textarea>/);
  assert.doesNotMatch(refused, /value="token"/);
  await send({ token: 'token', magnet: `magnet:?xt=urn:btih:${someHash}` });
  assert.deepEqual(changes, ['added', 'added']);
  assert.deepEqual(
    [...catalogue.entries()].map(({ title, addedBy, tags }) => [title, addedBy, tags]),
    [
      ['Debian', 'ann', ['os', 'iso']],
      [someHash, 'ann', []],
    ],
  );
});

test('forms that nobody fills in: too many fields are not taken apart, and no form is no bug of ours', async (t) => {
  const { app, changes } = openApp(t);
  const send = (path: string, type: string, body: string) =>
    app.request(`http://t.example${path}`, { method: 'POST', headers: { 'content-type': type }, body });
  const part = '--b\r\nContent-Disposition: form-data; name="file"; filename="x"\r\n\r\n\r\n';
  const upload: [type: string, body: string, says: RegExp][] = [
    ['multipart/form-data; boundary=b', `${part.repeat(100_000)}--b--\r\n`, /at most 32 fields/],
    ['application/x-www-form-urlencoded', 'a=&'.repeat(1_000_000), /not a form/],
    ['multipart/form-data; boundary=b', `--b\r\n${'A: b\r\n'.repeat(1_000_000)}\r\n\r\n--b--`, /not a form/],
    ['multipart/form-data; boundary=b', part, /not a form/],
    ['multipart/form-data; boundary=x; boundary=b', part, /not a form/],
    ['multipart/form-data; boundary=b', 'nonsense', /not a form/],
    ['application/json', '{}', /not a form/],
  ];
  for (const [type, body, says] of upload) {
    const answer = await send('/upload', type, body);
    assert.equal(answer.status, 400, type);
    assert.match(await answer.text(), says);
  }
  assert.equal((await send('/login', 'multipart/form-data; boundary=b', 'nonsense')).status, 401);
  assert.deepEqual(changes, []);
});

test('who sends a form slowly keeps nobody else from uploading', async (t) => {
  const { app } = openApp(t);
  const headers = { 'content-type': 'multipart/form-data; boundary=b' };
  const slow = new TransformStream<Uint8Array, Uint8Array>();
  const waiting = app.request('http://t.example/upload', {
    ...{ method: 'POST', headers, body: slow.readable, duplex: 'half' },
  } as RequestInit);
  const send = (source: string) => {
    const body = new FormData();
    body.set('token', 'guess');
    return app.request('http://t.example/upload', { method: 'POST', headers: { 'x-source': source }, body });
  };
  assert.match(await (await send('192.0.2.1')).text(), /Too many uploads/);
  assert.equal((await send('192.0.2.2')).status, 401);
  await slow.writable.abort(new Error('gone'));
  assert.equal((await waiting).status, 400);
  assert.doesNotMatch(await (await send('192.0.2.1')).text(), /Too many/);
});

test('API: add, list, change, remove', async (t) => {
  const { api } = openApp(t);
  const send = (method: string, path: string, body?: unknown) =>
    api.request(`http://t.example${path}`, {
      method,
      ...(body !== undefined && { headers: { 'content-type': 'application/json' }, body: JSON.stringify(body) }),
    });
  const torrent = Buffer.from(debian.bytes).toString('base64');
  const added = await send('POST', '/', { torrent, title: 'Debian', tags: ['os'] });
  assert.equal(added.status, 201);
  const entry = (await added.json()) as { id: string; magnet: string; totalLength: number };
  assert.equal(entry.totalLength, 100_000);
  assert(entry.magnet.includes(encodeURIComponent('tracker.example')) || entry.magnet.includes('tracker.example'));
  assert.equal((await send('POST', '/', { torrent })).status, 409);
  assert.equal((await send('POST', '/', {})).status, 400);
  assert.equal((await send('POST', '/', { torrent: 7 })).status, 400);
  assert.equal((await send('PATCH', `/${entry.id}`, { title: 'Debian 12' })).status, 200);
  const list = (await (await send('GET', '/?q=debian%2012&limit=1')).json()) as {
    total: number;
    items: { title: string; tags: string[] }[];
  };
  assert.deepEqual([list.total, list.items[0]?.title, list.items[0]?.tags], [1, 'Debian 12', ['os']]);
  assert.equal((await send('DELETE', `/${entry.id}`)).status, 204);
  assert.equal((await send('DELETE', `/${entry.id}`)).status, 404);
  assert.equal((await send('GET', `/${entry.id}`)).status, 404);
});

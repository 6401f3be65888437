import assert from 'node:assert/strict';
import { createServer, type RequestListener } from 'node:http';
import type { AddressInfo } from 'node:net';
import { describe, type TestContext, test } from 'node:test';
import { gzipSync } from 'node:zlib';
import { fetchBytes } from '#node';

async function serve(t: TestContext, handler: RequestListener): Promise<string> {
  const server = createServer(handler);
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve));
  t.after(() => {
    server.closeAllConnections();
    server.close();
  });
  return `http://127.0.0.1:${(server.address() as AddressInfo).port}`;
}

const says = (what: RegExp) => (error: unknown) => {
  assert.equal((error as { code?: string }).code, 'net/http');
  assert.match((error as Error).message, what);
  return true;
};

describe('fetchBytes', () => {
  test('gets a file, through redirects and gzip', async (t) => {
    const base = await serve(t, (request, response) => {
      if (request.url === '/start') response.writeHead(302, { location: '/next?x=1' }).end();
      else response.writeHead(200, { 'content-encoding': 'gzip' }).end(gzipSync('d4:infoe'));
    });
    assert.equal(Buffer.from(await fetchBytes(`${base}/start`)).toString(), 'd4:infoe');
  });

  test('refuses what is too long, also when it is compressed', async (t) => {
    const base = await serve(t, (request, response) => {
      const body = Buffer.alloc(100_000);
      if (request.url === '/gzip') response.writeHead(200, { 'content-encoding': 'gzip' }).end(gzipSync(body));
      else response.end(body);
    });
    await assert.rejects(fetchBytes(base, { bytesMax: 50_000 }), says(/longer than 50000/));
    await assert.rejects(fetchBytes(`${base}/gzip`, { bytesMax: 50_000 }), says(/decompressed/));
  });

  test('says what went wrong', async (t) => {
    const base = await serve(t, (request, response) => {
      if (request.url === '/loop') response.writeHead(301, { location: '/loop' }).end();
      else if (request.url === '/ftp') response.writeHead(301, { location: 'ftp://x/' }).end();
      else if (request.url === '/cut') {
        response.writeHead(200, { 'content-length': '100' });
        response.write('abc', () => response.destroy());
      } else response.writeHead(404).end();
    });
    await assert.rejects(fetchBytes(`${base}/missing`), says(/404 Not Found/));
    await assert.rejects(fetchBytes(`${base}/loop`), says(/too many redirects/));
    await assert.rejects(fetchBytes(`${base}/ftp`), says(/only http and https/));
    await assert.rejects(fetchBytes(`${base}/cut`), says(/hung up/));
    await assert.rejects(fetchBytes('nonsense'), says(/no URL/));
    await assert.rejects(fetchBytes('http://127.0.0.1:1/'), says(/refused/));
  });

  test('ends when it is aborted, and in time', async (t) => {
    const base = await serve(t, () => {});
    const controller = new AbortController();
    const fetched = fetchBytes(base, { signal: controller.signal });
    controller.abort(new Error('enough'));
    await assert.rejects(fetched, /enough/);
    await assert.rejects(fetchBytes(base, { timeoutMs: 20 }), says(/too long/));
  });
});

import assert from 'node:assert/strict';
import { once } from 'node:events';
import { type AddressInfo, connect, createServer, type Socket } from 'node:net';
import { type TestContext, test } from 'node:test';
import { WebServer, type WebServerOptions } from '#room/trackerd/web/server';

/** A listener that reads the first bytes of each connection and hands it over, as the one for announces does. */
async function serve(t: Pick<TestContext, 'after'>, options: Partial<WebServerOptions> = {}) {
  const web = new WebServer({
    web: {
      fetch: async (request) =>
        new Response(`${request.method} ${new URL(request.url).pathname} ${await request.text()}`),
    },
    headBytesMax: 2_048,
    ...options,
  });
  const listener = createServer((socket) => {
    socket.once('data', (bytes) => {
      socket.pause();
      socket.unshift(bytes);
      web.give(socket);
      socket.resume();
    });
  });
  listener.listen(0, '127.0.0.1');
  await once(listener, 'listening');
  t.after(() => {
    web.close();
    listener.close();
  });
  const { port } = listener.address() as AddressInfo;
  return { web, port };
}

/** Sends bytes and reads until the text is there or the connection ends. */
async function talk(socket: Socket, sent: string, until: RegExp): Promise<string> {
  socket.write(sent);
  let got = '';
  while (!until.test(got) && !socket.destroyed) {
    const [bytes] = await Promise.race([once(socket, 'data'), once(socket, 'close').then(() => [undefined])]);
    if (bytes === undefined) return got;
    got += String(bytes);
  }
  return got;
}

async function open(t: Pick<TestContext, 'after'>, port: number): Promise<Socket> {
  const socket = connect(port, '127.0.0.1');
  socket.on('error', () => {});
  t.after(() => socket.destroy());
  await once(socket, 'connect');
  return socket;
}

/** Turns of the loop until it holds. */
async function until(holds: () => boolean): Promise<void> {
  while (!holds()) await new Promise((resolve) => setImmediate(resolve));
}

const head = (line: string, ...headers: string[]) => [`${line} HTTP/1.1`, 'Host: t', ...headers, '', ''].join('\r\n');

test('a socket that was handed over serves request after request', async (t) => {
  const { web, port } = await serve(t);
  const socket = await open(t, port);
  assert.match(await talk(socket, head('GET /a'), /GET \/a/), /^HTTP\/1\.1 200 OK\r\n/);
  assert.match(await talk(socket, `${head('POST /b', 'Content-Length: 5')}hello`, /hello/), /POST \/b hello/);
  assert.equal(web.connectionCount, 1);
  socket.destroy();
});

test('whoever sends many requests without waiting for answers is dropped, and they are not worked on', async (t) => {
  let asked = 0;
  const fetch = (): Promise<Response> => {
    asked++;
    return new Promise(() => {});
  };
  const { web, port } = await serve(t, { web: { fetch } });
  const socket = await open(t, port);
  socket.write(head('GET /').repeat(1_000));
  await once(socket, 'close');
  assert.equal(asked, 8);
  await until(() => web.connectionCount === 0);
});

test('a few requests at once are answered in their order', async (t) => {
  const { port } = await serve(t);
  const socket = await open(t, port);
  for (let round = 0; round < 3; round++) {
    const answers = await talk(socket, [1, 2, 3, 4].map((n) => head(`GET /${round}${n}`)).join(''), /GET \/\d4/);
    assert.deepEqual(
      [...answers.matchAll(/GET \/\d(\d)/g)].map(([, n]) => n),
      ['1', '2', '3', '4'],
    );
  }
});

test('upgrades go to who takes them, and are refused otherwise', async (t) => {
  const upgrade = head('GET /ws', 'Connection: Upgrade', 'Upgrade: websocket');
  const plain = await serve(t);
  assert.match(await talk(await open(t, plain.port), upgrade, /\r\n\r\n/), /^HTTP\/1\.1 501 /);
  const taking = await serve(t, { onUpgrade: (request, socket) => socket.end(`taken ${request.url}`) });
  const socket = await open(t, taking.port);
  assert.equal(await talk(socket, upgrade, /taken.*/), 'taken /ws');
  assert.equal(taking.web.connectionCount, 0);
});

test('other upgrades are passed over, and a host need not be named by HTTP/1.0', async (t) => {
  const { port } = await serve(t);
  const h2c = head('GET /a', 'Connection: Upgrade, HTTP2-Settings', 'Upgrade: h2c');
  assert.match(await talk(await open(t, port), h2c, /GET \/a/), /^HTTP\/1\.1 200 OK\r\n/);
  const withBody = `${head('POST /a', 'Connection: Upgrade', 'Upgrade: h2c', 'Content-Length: 1')}x`;
  assert.match(await talk(await open(t, port), withBody, /\r\n\r\n/), /^HTTP\/1\.1 501 /);
  assert.match(
    await talk(await open(t, port), 'GET /health HTTP/1.0\r\n\r\n', /GET \/health/),
    /^HTTP\/1\.1 200 OK\r\n/,
  );
});

test('who does not bring a whole request in time is dropped; an answer may take its time', async (t) => {
  let answer: (() => void) | undefined;
  const { web, port } = await serve(t, {
    web: { fetch: () => new Promise((resolve) => (answer = () => resolve(new Response('at last')))) },
  });
  const slow = await open(t, port);
  slow.write('GET / HTTP/1.1\r\nHost');
  const waiting = await open(t, port);
  waiting.write(head('GET /'));
  await until(() => web.connectionCount === 2 && answer !== undefined);
  const closed = once(slow, 'close');
  web.dropSlow(performance.now() + 60_001);
  await closed;
  answer?.();
  assert.match(await talk(waiting, '', /at last/), /200 OK/);
  const ended = once(waiting, 'close');
  web.dropSlow(performance.now() + 60_001);
  await ended;
});

test('what is no HTTP, or too large, ends with 400', async (t) => {
  const { port } = await serve(t);
  for (const sent of ['nonsense\r\n\r\n', head('GET /', `X: ${'x'.repeat(3_000)}`)]) {
    const answer = await talk(await open(t, port), sent, /\r\n\r\n/);
    assert.match(answer, /^HTTP\/1\.1 4\d\d /, sent.slice(0, 20));
  }
});

test('closing drops every connection', async (t) => {
  const { web, port } = await serve(t);
  const socket = await open(t, port);
  await talk(socket, head('GET /'), /GET \//);
  const closed = once(socket, 'close');
  web.close();
  await closed;
  assert.equal(web.connectionCount, 0);
});

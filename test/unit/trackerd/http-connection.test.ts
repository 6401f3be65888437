import assert from 'node:assert/strict';
import { test } from 'node:test';
import { addMs } from '#base';
import { decode } from '#bencode';
import { LoopWatch } from '#room/trackerd/http/loop-watch';
import { AddressLimits, counter, OverloadGauge, OverloadHooks } from '#tracker';
import { decodeHttpAnnounceResponse } from '#wire';
import { announceText, HttpParts } from '../../support/http-front.ts';

/** The answers in what a connection has sent: status, and the body by its length. */
function answersOf(text: string): { status: number; head: string; body: Buffer }[] {
  const answers = [];
  for (let rest = text; rest !== ''; ) {
    const bodyAt = rest.indexOf('\r\n\r\n') + 4;
    const head = rest.slice(0, bodyAt);
    const length = Number(/^content-length: (\d+)\r$/im.exec(head)?.[1]);
    assert(bodyAt > 4 && rest.length >= bodyAt + length, `no whole answer: ${JSON.stringify(rest)}`);
    const body = Buffer.from(rest.slice(bodyAt, bodyAt + length), 'latin1');
    answers.push({ status: Number(/^HTTP\/1\.1 (\d+) /.exec(head)?.[1]), head, body });
    rest = rest.slice(bodyAt + length);
  }
  return answers;
}

function refusalOf(body: Uint8Array): { reason: string; retryInSec?: number } {
  const reply = decodeHttpAnnounceResponse(body);
  assert(!reply.ok);
  return reply.refusal;
}

test('pipelined requests cut anywhere give the same answers', () => {
  const text =
    announceText({ port: 1001 }) +
    announceText({ port: 1002, headers: ['User-Agent: x'] }) +
    `\r\nGET /k3y/scrape?info_hash=${'a'.repeat(20)} HTTP/1.1\r\n\r\n` +
    announceText({ port: 1003, query: '&compact=0', path: '/announce.php' }) +
    announceText({ port: 1004, headers: ['Connection: close'] });
  const conversation = (...pieces: string[]): string => {
    const line = new HttpParts().connect();
    line.receive(...pieces);
    assert(line.isEnded);
    return line.sent();
  };
  const whole = conversation(text);
  const answers = answersOf(whole);
  assert.deepEqual(
    answers.map(({ status }) => status),
    [200, 200, 200, 200, 200],
  );
  assert.equal(
    answers[2]?.body.toString('latin1'),
    `d5:filesd20:${'a'.repeat(20)}d8:completei0e10:downloadedi0e10:incompletei2eeee`,
  );
  for (let cut = 1; cut < text.length; cut++) {
    assert.equal(conversation(text.slice(0, cut), text.slice(cut)), whole, `cut at ${cut}`);
  }
  assert.equal(conversation(...text), whole, 'byte by byte');
});

test('an answer in full: compact peers of others, times, address as seen, by either version', () => {
  const line = new HttpParts().connect();
  line.receive(announceText({ port: 258 }));
  line.sent();
  line.receive(announceText({ port: 6881, query: '&event=started' }).replace('HTTP/1.1', 'HTTP/1.0'));
  assert.equal(
    line.sent(),
    'HTTP/1.1 200 OK\r\nContent-Type: text/plain\r\nCache-Control: no-store\r\nConnection: close\r\nContent-Length: 118\r\n\r\n' +
      'd8:completei0e10:downloadedi0e11:external ip4:\u005d\u00b8\u00d8\u002210:incompletei2e8:intervali1800e12:min intervali300e' +
      '5:peers6:\u005d\u00b8\u00d8\u0022\u0001\u0002e',
  );
  assert(line.isEnded);
});

test('HTTP/1.0 stays if it asks to, and is told so; HEAD has the length and no body', () => {
  const line = new HttpParts().connect();
  line.receive(announceText({ headers: ['Connection: keep-alive'] }).replace('HTTP/1.1', 'HTTP/1.0'));
  assert.match(line.sent(), /\r\nConnection: keep-alive\r\n/);
  assert(!line.isEnded);
  line.receive(announceText().replace('GET', 'HEAD'));
  assert.match(line.sent(), /^HTTP\/1\.1 200 OK\r\n.*Content-Length: \d{2,}\r\n\r\n$/s);
});

test('both families in one answer, as bytes and as a list', () => {
  const parts = new HttpParts();
  const six = Uint8Array.from([0x20, 0x01, 0x0d, 0xb8, ...new Array<number>(11).fill(0), 9]);
  parts.connect({ source: six }).receive(announceText({ port: 2001 }));
  parts.connect().receive(announceText({ port: 2002 }));
  for (const query of ['', '&compact=0&no_peer_id=1']) {
    const line = parts.connect({ source: Uint8Array.of(5, 6, 7, 8) });
    line.receive(announceText({ port: 2003, query }));
    const reply = decodeHttpAnnounceResponse(answersOf(line.sent())[0]?.body as Buffer);
    assert(reply.ok);
    assert.deepEqual(
      reply.response.peers.filter(({ port }) => port !== 2003),
      [
        { host: '93.184.216.34', port: 2002 },
        { host: '2001:db8::9', port: 2001 },
      ],
    );
    assert.equal(reply.response.externalIp, '5.6.7.8');
  }
  assert.equal(parts.counts[counter.httpAnnounces6], 1);
  assert.equal(parts.counts[counter.httpAnnounces4], 3);
});

test('an address that a client names counts from its own network only, of its own family only', () => {
  const parts = new HttpParts();
  const seen = (source: number[], query: string, ...headers: string[]): string[] => {
    const torrent = 'bcdefgh'[seen.length + parts.store.stats().swarmCount] as string;
    parts.connect({ source: Uint8Array.from(source) }).receive(announceText({ torrent, query, headers }));
    const line = parts.connect();
    line.receive(announceText({ torrent, port: 1 }));
    const reply = decodeHttpAnnounceResponse(answersOf(line.sent())[0]?.body as Buffer);
    assert(reply.ok);
    return reply.response.peers.map(({ host }) => host);
  };
  assert.deepEqual(seen([8, 8, 8, 8], '&ip=9.9.9.9'), ['8.8.8.8']);
  assert.deepEqual(seen([192, 168, 0, 1], '&ip=9.9.9.9&ipv4=7.7.7.7'), ['9.9.9.9']);
  assert.deepEqual(seen([192, 168, 0, 1], '&ipv6=2001%3Adb8%3A%3A1&ipv4=7.7.7.7'), ['7.7.7.7']);
  assert.deepEqual(seen([192, 168, 0, 1], '&ipv6=2001%3Adb8%3A%3A1'), ['192.168.0.1']);
  // A proxy that the tracker was not told of makes all the world a neighbour.
  assert.deepEqual(seen([127, 0, 0, 1], '&ip=9.9.9.9', 'X-Forwarded-For: 6.6.6.6'), ['127.0.0.1']);
  assert.deepEqual(seen([127, 0, 0, 1], '&ip=9.9.9.9', 'Forwarded: for=6.6.6.6'), ['127.0.0.1']);
});

test('hooks see the target of every kind of announce URL', () => {
  const targets: string[] = [];
  const parts = new HttpParts({
    hooks: [{ preAnnounce: (call) => void targets.push(call.target.split('?')[0] ?? '') }],
  });
  for (const path of ['/announce', '/k3y/announce', '/announce/k3y', '/announce.php', 'http://x/k3y/announce']) {
    parts.connect().receive(announceText({ path }));
  }
  assert.deepEqual(targets, ['/announce', '/k3y/announce', '/announce/k3y', '/announce.php', '/k3y/announce']);
});

test('behind a proxy of ours the last address that is not ours counts; from anyone else nothing does', () => {
  const proxy = Uint8Array.of(10, 0, 0, 1);
  const trusted = ['10.0.0.0/8', '2001:db8::/32'];
  const seenAs = (source: Uint8Array, ...headers: string[]): string => {
    let seen = '';
    const hooks = [{ preAnnounce: (call: { source: Uint8Array }) => void (seen = call.source.join('.')) }];
    new HttpParts({ hooks }).connect({ source, trusted }).receive(announceText({ headers }));
    return seen;
  };
  assert.equal(seenAs(proxy), '10.0.0.1');
  assert.equal(seenAs(proxy, 'X-Forwarded-For: 1.2.3.4'), '1.2.3.4');
  assert.equal(seenAs(proxy, 'X-Forwarded-For: 6.6.6.6, 1.2.3.4, 10.1.1.1'), '1.2.3.4');
  assert.equal(seenAs(proxy, 'X-Forwarded-For: 6.6.6.6', 'x-forwarded-for: 1.2.3.4:5678'), '1.2.3.4');
  assert.equal(seenAs(proxy, 'X-Forwarded-For: 10.1.1.1'), '10.1.1.1');
  assert.equal(seenAs(proxy, 'X-Forwarded-For: 1.2.3.4, unknown'), '10.0.0.1');
  assert.equal(seenAs(proxy, 'X-Forwarded-For: ::ffff:1.2.3.4'), '1.2.3.4');
  assert.equal(seenAs(proxy, 'Forwarded: for=6.6.6.6, for="1.2.3.4:99";proto=https'), '1.2.3.4');
  assert.equal(seenAs(proxy, 'Forwarded: proto=http;For="[2001:db9::1]:80"').split('.').length, 16);
  assert.equal(seenAs(proxy, 'Forwarded: for=1.2.3.4', 'X-Forwarded-For: 6.6.6.6'), '1.2.3.4');
  assert.equal(seenAs(Uint8Array.of(8, 8, 8, 8), 'X-Forwarded-For: 1.2.3.4'), '8.8.8.8');
});

test('a client that takes nothing is read from no more, and goes on where it stopped', () => {
  const parts = new HttpParts({ limits: { httpUnsentBytesMax: 2_000 } });
  const line = parts.connect({ unsentKept: true });
  line.receive(announceText().repeat(400));
  const early = answersOf(line.sent()).length;
  assert(early < 400 && line.socket.isPaused());
  let rest = 0;
  for (let i = 0; i < 200; i++) {
    line.take();
    rest += answersOf(line.sent()).length;
  }
  assert.equal(early + rest, 400);
});

test('slow heads, idle connections and such that take nothing are dropped in their time', async () => {
  const parts = new HttpParts({
    limits: { httpHeadTimeoutMs: 1_000, httpIdleTimeoutMs: 5_000, httpUnsentBytesMax: 10 },
  });
  const closedAfter = async (
    drive: (line: ReturnType<HttpParts['connect']>) => void,
    kept = false,
  ): Promise<number> => {
    const line = parts.connect({ unsentKept: kept });
    const start = parts.now;
    drive(line);
    while (!line.isClosed && parts.now - start < 20_000) {
      parts.now = addMs(parts.now, 250);
      line.connection.check(parts.now);
      // A byte now and then buys no time.
      if (!line.socket.destroyed && drive.length === 1 && drive.name === 'trickle') line.receive('x');
      await new Promise((resolve) => setImmediate(resolve));
    }
    return parts.now - start;
  };
  assert.equal(await closedAfter(() => {}), 1_000);
  assert.equal(await closedAfter((line) => line.receive('GET /announce?')), 1_000);
  assert.equal(
    await closedAfter(function trickle(line) {
      line.receive('GET /announce?');
    }),
    1_000,
  );
  assert.equal(await closedAfter((line) => line.receive(announceText())), 5_000);
  assert.equal(await closedAfter((line) => line.receive(announceText().repeat(2)), true), 5_000);
});

test('an address over its limit is told when to come back', () => {
  const addressLimits = new AddressLimits(Uint32Array.of(1, 2, 3, 4));
  addressLimits.set({ requestsMax: 3, windowMs: 60_000 });
  const parts = new HttpParts({ routes: () => ({ addressLimits }) });
  const line = parts.connect();
  line.receive(announceText().repeat(4));
  const answers = answersOf(line.sent());
  assert.deepEqual(refusalOf(answers[3]?.body as Buffer).reason, 'too many requests from your address');
  assert((refusalOf(answers[3]?.body as Buffer).retryInSec as number) >= 60);
  const other = parts.connect({ source: Uint8Array.of(7, 7, 7, 7) });
  other.receive(announceText());
  assert(decodeHttpAnnounceResponse(answersOf(other.sent())[0]?.body as Buffer).ok);
  assert.equal(parts.counts[counter.httpRefusedLimited], 1);
});

test('an event loop that is behind makes the tracker ask newcomers to come back later', () => {
  const gauge = new OverloadGauge({ afterMs: 1_000 });
  const parts = new HttpParts({ hooks: [new OverloadHooks(gauge, { retryInSec: 600 })] });
  const watch = new LoopWatch({ gauge, now: () => parts.now, lagMaxMs: 250 });
  const line = parts.connect();
  const ask = (query: string) => {
    line.receive(announceText({ query }));
    return decodeHttpAnnounceResponse(answersOf(line.sent())[0]?.body as Buffer);
  };
  const turn = (ms: number): void => {
    parts.now = addMs(parts.now, ms);
    watch.look();
  };
  for (let i = 0; i < 20; i++) turn(100);
  assert(ask('&event=started').ok);
  for (let i = 0; i < 4; i++) turn(500);
  const refused = ask('&event=started');
  assert(!refused.ok && (refused.refusal.retryInSec as number) >= 600);
  const regular = ask('');
  assert(regular.ok && regular.response.intervalSec === 3_600);
  assert.equal(parts.counts[counter.httpRefusedOverloaded], 1);
  for (let i = 0; i < 20; i++) turn(100);
  assert(ask('&event=started').ok);
});

test('a hook that throws costs its client a refusal', () => {
  const parts = new HttpParts({ hooks: [{ preAnnounce: () => assert.fail('a bug') }] });
  const line = parts.connect();
  line.receive(announceText() + announceText());
  assert.deepEqual(
    answersOf(line.sent()).map(({ body }) => refusalOf(body).reason),
    ['the tracker has failed', 'the tracker has failed'],
  );
  assert.equal(parts.errors.length, 2);
});

test('bad requests end the connection with a status, after the answers before them', () => {
  const line = new HttpParts().connect();
  line.receive(
    `${announceText()}GET /announce HTTP/1.1\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n${announceText()}`,
  );
  assert.deepEqual(
    answersOf(line.sent()).map(({ status }) => status),
    [200, 413],
  );
  assert(line.isEnded);
  line.receive(announceText());
  assert.equal(line.sent(), '');
});

test('without a server of pages, other paths are not found', () => {
  const line = new HttpParts().connect();
  line.receive('GET / HTTP/1.1\r\n\r\n');
  assert.deepEqual(
    answersOf(line.sent()).map(({ status }) => status),
    [404],
  );
});

test('a warning of a hook reaches the client', () => {
  const parts = new HttpParts({
    hooks: [
      {
        postAnnounce: (call) => {
          call.warning = 'mind the gap';
        },
      },
    ],
  });
  const line = parts.connect();
  line.receive(announceText());
  const body = answersOf(line.sent())[0]?.body as Buffer;
  decode(body);
  assert.match(body.toString('latin1'), /15:warning message12:mind the gape$/);
});

import assert from 'node:assert/strict';
import { test } from 'node:test';
import { type ConnId, formatAddress, type Millis, NEVER, type PeerAddress, parseAddress, seededRng } from '#base';
import { BanList } from '#room/swarm/ban-list';
import { PeerBook, type PeerBookOptions } from '#room/swarm/peer-book';
import type { PeerSource } from '#room/swarm/peer-order';

/**
 * A script in words, one line each, `@ms` first where time passes:
 *
 *     add SOURCE ADDRESS [seed] = OUTCOME     next [seeding] = ADDRESS|none     nextAt [seeding] = MS|never
 *     dial ADDRESS | dial-failed ADDRESS | connected CONN ADDRESS | closed CONN OUTCOME | own ADDRESS | seed CONN
 *     incoming CONN ADDRESS = ADMISSION       listen CONN PORT = RESULT          ban KEY
 *     sample N = ADDRESS,...                  state ADDRESS = STATE
 */
function check(name: string, script: string, options: Partial<PeerBookOptions> = {}): void {
  test(`peer book: ${name}`, () => {
    const book = new PeerBook({ rng: { ...seededRng(1), unit: () => 0.5 }, ...options });
    let now = 0;
    for (const line of script.trim().split('\n')) {
      const [command = '', want] = line.trim().split(' = ');
      let words = command.split(' ');
      if (words[0]?.startsWith('@') === true) {
        now = Number(words[0].slice(1));
        words = words.slice(1);
      }
      const got = words.length === 0 ? undefined : step(book, now as Millis, words);
      if (want !== undefined) assert.equal(got, want, line);
      book.assertInvariants();
    }
  });
}

function at(text: string | undefined): PeerAddress {
  return parseAddress(text ?? '') as PeerAddress;
}

function step(book: PeerBook, now: Millis, [verb, a = '', b = '', c]: string[]): string | undefined {
  const conn = Number(a) as ConnId;
  switch (verb) {
    case 'add':
      return book.add(now, at(b), a as PeerSource, c === 'seed');
    case 'next': {
      const next = book.next(now, a === 'seeding');
      return next === undefined ? 'none' : formatAddress(next);
    }
    case 'nextAt': {
      const next = book.nextAt(now, a === 'seeding');
      return next === NEVER ? 'never' : String(next);
    }
    case 'dial':
      book.onDial(at(a));
      return undefined;
    case 'dial-failed':
      book.onDialFailed(now, at(a));
      return undefined;
    case 'connected':
      book.onConnected(conn, at(b));
      return undefined;
    case 'closed':
      book.onClosed(now, conn, b as 'failed' | 'idle' | 'useful');
      return undefined;
    case 'incoming':
      return book.onIncoming(conn, at(b));
    case 'listen':
      return book.onListenPort(now, conn, Number(b));
    case 'own':
      book.addOwnAddress(at(a));
      return undefined;
    case 'seed':
      book.setSeed(conn, true);
      return undefined;
    case 'ban':
      book.ban(now, a, 'bad-data', { piece: 1 });
      return undefined;
    case 'sample':
      return book.sample(Number(a)).map(formatAddress).join(',');
    case 'state':
      return book.entries().find((e) => formatAddress(e.address) === a)?.state;
    default:
      throw new Error(`what is ${verb}?`);
  }
}

check(
  'the user comes first, then fewer failures, then proven ones, then trackers before peers',
  `add pex 9.0.0.1:1 = added
   next = 9.0.0.1:1
   add tracker 9.0.0.2:1 = added
   next = 9.0.0.2:1
   add manual 9.0.0.3:1 = added
   next = 9.0.0.3:1
   dial 9.0.0.3:1
   next = 9.0.0.2:1
   dial-failed 9.0.0.3:1
   @5000 next = 9.0.0.3:1
   dial 9.0.0.3:1
   dial 9.0.0.2:1
   connected 1 9.0.0.2:1
   closed 1 useful
   @15000 add tracker 9.0.0.4:1 = added
   next = 9.0.0.2:1`,
);

check(
  'failures double the wait, success resets it',
  `add tracker 9.0.0.1:1
   dial 9.0.0.1:1
   nextAt = never
   dial-failed 9.0.0.1:1
   next = none
   nextAt = 5000
   @5000 dial 9.0.0.1:1
   dial-failed 9.0.0.1:1
   nextAt = 15000
   @15000 dial 9.0.0.1:1
   connected 1 9.0.0.1:1
   state 9.0.0.1:1 = connected
   @20000 closed 1 failed
   state 9.0.0.1:1 = failed
   nextAt = 40000
   @40000 dial 9.0.0.1:1
   connected 2 9.0.0.1:1
   closed 2 useful
   nextAt = 50000
   @50000 dial 9.0.0.1:1
   connected 3 9.0.0.1:1
   closed 3 idle
   nextAt = 350000`,
);

check(
  'a person who asks again is heard at once, a tracker is not',
  `add tracker 9.0.0.1:1
   dial 9.0.0.1:1
   dial-failed 9.0.0.1:1
   add tracker 9.0.0.1:1 = known
   next = none
   add manual 9.0.0.1:1 = known
   next = 9.0.0.1:1`,
);

check(
  'an address that never answers is forgotten',
  `add tracker 9.0.0.1:1
   ${Array.from({ length: 9 }, (_, i) => `@${(i + 1) * 10_000_000} dial 9.0.0.1:1\ndial-failed 9.0.0.1:1`).join('\n')}
   nextAt = never
   add pex 9.0.0.1:1 = added`,
);

check(
  'while seeding no seed is dialled, unless the user named it',
  `add pex 9.0.0.1:1 seed
   next seeding = none
   nextAt seeding = never
   next = 9.0.0.1:1
   add manual 9.0.0.2:1 seed
   next seeding = 9.0.0.2:1
   dial 9.0.0.2:1
   add tracker 9.0.0.3:1
   dial 9.0.0.3:1
   connected 1 9.0.0.3:1
   seed 1
   closed 1 useful
   @60000 next seeding = none
   next = 9.0.0.3:1`,
);

check(
  'whoever connected to us is not dialled, once we know where he listens',
  `add tracker 9.0.0.1:80
   incoming 1 9.0.0.1:5555 = ok
   listen 1 80 = ok
   next = none
   state 9.0.0.1:80 = connected
   incoming 2 9.0.0.1:5556 = ok
   listen 2 80 = duplicate
   closed 2 idle
   state 9.0.0.1:80 = connected
   closed 1 useful
   nextAt = 10000`,
);

check(
  'dialled and dialled by the same peer at once',
  `add tracker 9.0.0.1:80
   dial 9.0.0.1:80
   incoming 1 9.0.0.1:80 = ok
   listen 1 80 = duplicate
   connected 2 9.0.0.1:80
   closed 1 idle
   state 9.0.0.1:80 = connected
   closed 2 useful
   state 9.0.0.1:80 = idle`,
);

check(
  'each host has a few addresses and connections; loopback has as many as it likes',
  `add pex 9.0.0.1:1 = added
   add pex 9.0.0.1:2 = added
   add pex 9.0.0.1:3 = host-full
   add manual 9.0.0.1:4 = added
   dial 9.0.0.1:4
   incoming 1 9.0.0.1:99 = ok
   incoming 2 9.0.0.1:98 = host-full
   next = none
   closed 1 idle
   next = 9.0.0.1:1
   incoming 3 127.0.0.1:1 = ok
   incoming 4 127.0.0.1:2 = ok
   incoming 5 127.0.0.1:3 = ok
   add pex 127.0.0.1:4 = added
   add pex 127.0.0.1:5 = added
   add pex 127.0.0.1:6 = added`,
  { perHostMax: 2 },
);

check(
  'a banned host is neither dialled nor let in nor heard of',
  `add tracker 9.0.0.1:1
   add tracker 9.0.0.1:2
   dial 9.0.0.1:2
   connected 1 9.0.0.1:2
   ban 9.0.0.1
   state 9.0.0.1:2 = banned
   closed 1 useful
   next = none
   nextAt = never
   add manual 9.0.0.1:3 = banned
   incoming 2 9.0.0.1:7 = banned`,
);

check(
  'on loopback the address is banned, also where the peer listens',
  `incoming 1 127.0.0.1:5001 = ok
   listen 1 80 = ok
   add tracker 127.0.0.1:81 = added
   ban 127.0.0.1:5001
   closed 1 useful
   add tracker 127.0.0.1:80 = banned
   next = 127.0.0.1:81
   incoming 2 127.0.0.1:5002 = ok
   listen 2 80 = banned`,
);

check(
  'we do not dial ourselves twice',
  `add tracker 9.0.0.1:1
   dial 9.0.0.1:1
   connected 1 9.0.0.1:1
   own 9.0.0.1:1
   closed 1 failed
   add tracker 9.0.0.1:1 = own-address
   nextAt = never
   add tracker 0.0.0.0:1 = undialable`,
);

check(
  'a full book takes a better address for a worse one, never the other way',
  `add pex 9.0.0.1:1 = added
   add pex 9.0.0.2:1 = added
   add pex 9.0.0.3:1 = book-full
   add tracker 9.0.0.4:1 = added
   add tracker 9.0.0.5:1 = added
   add pex 9.0.0.3:1 = book-full
   add tracker 9.0.0.7:1 = added
   add tracker 9.0.0.8:1 = book-full
   add pex 9.0.0.8:1 = book-full
   dial 9.0.0.4:1
   dial-failed 9.0.0.4:1
   add pex 9.0.0.8:1 = added`,
  { sizeMax: 3, pexMax: 2 },
);

check(
  'the sample prefers who is here, then who was of use, then trackers',
  `add pex 9.0.0.1:1
   add tracker 9.0.0.2:1
   add pex 9.0.0.3:1
   add pex 9.0.0.4:1
   add tracker 9.0.0.5:1
   dial 9.0.0.5:1
   dial-failed 9.0.0.5:1
   dial 9.0.0.3:1
   connected 1 9.0.0.3:1
   closed 1 useful
   dial 9.0.0.4:1
   connected 2 9.0.0.4:1
   sample 3 = 9.0.0.4:1,9.0.0.3:1,9.0.0.2:1`,
);

test('peer book: a given priority decides among equals', () => {
  const book = new PeerBook({ rng: seededRng(1) });
  for (const text of ['9.0.0.1:1', '9.0.0.2:1', '9.0.0.3:1']) book.add(0 as Millis, at(text), 'tracker');
  book.setPriority((to) => (to.host === '9.0.0.2' ? 5 : 1));
  assert.equal(book.next(0 as Millis, false)?.host, '9.0.0.2');
});

check(
  'an address that a person asks for again, before it was dialled',
  `
  add manual 9.0.0.1:1 = added
  nextAt = 0
  @100 add manual 9.0.0.1:1 = known
  nextAt = 100
  `,
);

test('peer book: a flood of invented addresses pushes out nothing a tracker gave', () => {
  const book = new PeerBook({ rng: seededRng(3) });
  for (let i = 0; i < 900; i++) book.add(0 as Millis, { host: `20.0.${i >> 8}.${i & 255}`, port: 1 }, 'tracker');
  for (let i = 0; i < 10_000; i++)
    book.add(0 as Millis, { host: `30.${i >> 16}.${(i >> 8) & 255}.${i & 255}`, port: 1 }, 'pex');
  assert.equal(book.entries().filter((e) => e.source === 'tracker').length, 900);
  assert.equal(book.size, 1900);
});

test('peer book: what ends, fails or is told costs no look at the whole book', () => {
  let looks = 0;
  class CountedBans extends BanList {
    override has(address: PeerAddress): boolean {
      looks++;
      return super.has(address);
    }
  }
  const bans = new CountedBans();
  const book = new PeerBook({ rng: seededRng(1), bans, sizeMax: 1_000, pexMax: 1_000 });
  const host = (n: number) => ({ host: `9.0.${n >> 8}.${n & 255}`, port: 1 });
  for (let n = 0; n < 1_000; n++) book.add(0 as Millis, host(n), 'tracker');
  const dialled: PeerAddress[] = [];
  for (const address of book.candidates(0 as Millis, false)) {
    book.onDial(address);
    if (dialled.push(address) === 100) break;
  }
  book.nextAt(0 as Millis, false);
  looks = 0;
  for (const address of dialled) {
    book.onDialFailed(1 as Millis, address);
    assert.equal(book.nextAt(1 as Millis, false), 1);
  }
  assert.ok(looks <= 2 * dialled.length, `${looks} looks`);
  looks = 0;
  for (let n = 2_000; n < 4_000; n++) {
    assert.equal(book.add(2 as Millis, host(n), 'pex'), n < 2_100 ? 'added' : 'book-full');
  }
  assert.ok(looks <= 2_000 + 100, `${looks} looks`);
  book.assertInvariants();
});

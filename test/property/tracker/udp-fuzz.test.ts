import assert from 'node:assert/strict';
import { test } from 'node:test';
import { addMs, type Rng, seededRng } from '#base';
import { frontLimits } from '#room/trackerd/limits';
import { UdpAsker } from '../../support/udp-asker.ts';

const DATAGRAMS = 1_000_000;

/** One datagram of a hostile sender: noise, a request with bytes changed, or one that is cut or far too long. @returns its length */
function writeHostile(into: Uint8Array, rng: Rng, id: Uint8Array): number {
  const kind = rng.u32() & 15;
  const length = kind < 10 ? [16, 36, 97, 98, 99, 109, 116, 1_496, 15, 300][kind]! : rng.below(1_600);
  for (let i = 0; i < Math.min(length, 128); i += 4) {
    const word = rng.u32();
    into[i] = word;
    into[i + 1] = word >>> 8;
    into[i + 2] = word >>> 16;
    into[i + 3] = word >>> 24;
  }
  const shape = rng.u32() & 7;
  if (shape === 0) return length;
  // Mostly an action we know, mostly with an id of ours.
  into.fill(0, 8, 12);
  into[11] = rng.u32() & 3;
  if (into[11] === 0) into.set([0, 0, 4, 0x17, 0x27, 0x10, 0x19, 0x80]);
  else if (shape > 2) into.set(id);
  // Few info-hashes and ports, so that swarms have members.
  if (shape > 3) {
    into.fill(0, 17, 36);
    into[16] = rng.u32() & 63;
    into[96] = 0;
    into.fill(0, 80, 83);
  }
  // Options of BEP 41 that are nearly right.
  if (shape > 5 && length > 98) {
    into[98] = rng.u32() & 3;
    into[99] = rng.u32() & 1 ? length - 100 : rng.u32();
  }
  return length;
}

test(`${DATAGRAMS} malformed datagrams: no throw, no growth, no answer that is too large`, () => {
  const asker = new UdpAsker({ limits: { swarmsMax: 500, peersMax: 5_000 } });
  asker.addressLimits.set({ requestsMax: 500_000, unprovenMax: 50_000 });
  const rng = seededRng(20_261_122);
  const sources = [4, 16, 4, 16].map((length) => Uint8Array.from([100, ...rng.bytes(length - 1)]));
  let ids = sources.map((source) => asker.idFor(source));
  const { input, output } = asker;
  const answers = new Map<number, number>();
  let heapAtHalf = 0;
  for (let i = 0; i < DATAGRAMS; i++) {
    const who = i & 3;
    const source = sources[who]!;
    if ((i & 0xffff) === 0) {
      asker.now = addMs(asker.now, 7_000);
      ids = sources.map((s) => asker.idFor(s));
    }
    const length = writeHostile(input, rng, ids[who]!);
    const isProven = input[8] === 0 && ids[who]!.every((byte, at) => input[at] === byte);
    const sent = asker.askHere(length, source);
    assert(sent <= frontLimits.udpAnswerBytesMax);
    if (!isProven) assert(sent <= length, `${sent} bytes for ${length}`);
    if (sent > 0) answers.set(output[3]!, (answers.get(output[3]!) ?? 0) + 1);
    if (i === DATAGRAMS / 2) heapAtHalf = process.memoryUsage().heapUsed + process.memoryUsage().external;
  }
  assert.deepEqual(asker.bugs, []);
  const { heapUsed, external } = process.memoryUsage();
  assert(heapUsed + external - heapAtHalf < 16 * 1024 * 1024, 'no growth');
  const { swarmCount, peerCount4, peerCount6 } = asker.store.stats();
  assert(swarmCount <= 500 && peerCount4 + peerCount6 <= 5_000);
  // Every kind of answer was given, so the noise went everywhere.
  for (const action of [0, 1, 2, 3]) assert(answers.get(action)! > 10_000, `answers of action ${action}`);
  // And it goes on.
  assert.notEqual(
    asker.ask(
      Uint8Array.from([0, 0, 4, 0x17, 0x27, 0x10, 0x19, 0x80, ...new Uint8Array(8)]),
      Uint8Array.of(9, 9, 9, 9),
    ),
    undefined,
  );
});

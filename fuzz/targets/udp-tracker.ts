import assert from 'node:assert/strict';
import { addMs, toHex } from '#base';
import { frontLimits } from '#room/trackerd/limits';
import { UdpAsker } from '../../test/support/udp-asker.ts';
import { Tape } from '../support/tape.ts';
import { type FuzzTarget, magnitude } from '../support/target.ts';

const sources = [Uint8Array.of(100, 1, 2, 3), new Uint8Array(16).fill(0x21), Uint8Array.of(100, 9, 9, 9)];
const connect = Uint8Array.of(0, 0, 4, 0x17, 0x27, 0x10, 0x19, 0x80);
const lengths = [16, 36, 98, 98, 98, 109, 116, 1_496, 15, 300];

/** One datagram of a hostile sender: noise, a request with anything in its fields, or one that is cut or far too long. */
function makeDatagram(tape: Tape, id: Uint8Array): Uint8Array {
  const out = new Uint8Array(tape.below(8) === 0 ? tape.below(1_600) : tape.pick(lengths));
  const shape = tape.below(8);
  out.set(tape.bytes(Math.min(out.length, 16)));
  if (shape === 0 || out.length < 16) return out;
  // Mostly an action we know, mostly with an id of ours.
  out.fill(0, 8, 12);
  out[11] = tape.below(4);
  if (out[11] === 0) out.set(connect);
  else if (shape > 1) out.set(id);
  for (let at = 16; at < Math.min(out.length, 98); at += 1 + tape.below(12)) out[at] = tape.byte();
  // Few info-hashes and ports, so that swarms have members.
  if (shape > 3) {
    out.fill(0, 17, 36);
    out[16] = tape.below(4);
    if (out.length > 96) out[96] = 0;
  }
  // Options of BEP 41 that are nearly right.
  if (shape > 5 && out.length > 99) out.set([tape.below(4), tape.isTrue() ? out.length - 100 : tape.byte()], 98);
  return out;
}

function play(tape: Tape): string {
  const asker = new UdpAsker({ limits: { swarmsMax: 3, peersMax: 20 } });
  asker.addressLimits.set({ requestsMax: 1_000, unprovenMax: 1_000 });
  const answers = [0, 0, 0, 0];
  tape.moves(60, () => {
    const source = tape.pick(sources);
    const id = asker.idFor(source);
    if (tape.below(20) === 0) asker.now = addMs(asker.now, tape.pick([1_000, 70_000, 3_600_000]));
    const datagram = makeDatagram(tape, id);
    const answer = asker.ask(datagram, source);
    if (answer === undefined) return;
    assert.ok(answer.length <= frontLimits.udpAnswerBytesMax);
    const isProven = datagram.length >= 16 && toHex(datagram.subarray(0, 8)) === toHex(id);
    if (!isProven) assert.ok(answer.length <= datagram.length, `${answer.length} bytes for ${datagram.length}`);
    assert.equal(toHex(answer.subarray(4, 8)), toHex(datagram.subarray(12, 16)), 'the transaction of the request');
    answers[answer[3]!]!++;
  });
  assert.deepEqual(asker.bugs, []);
  const { swarmCount, peerCount4, peerCount6 } = asker.store.stats();
  assert.ok(swarmCount <= 3 && peerCount4 + peerCount6 <= 20);
  return `${answers.map(magnitude).join()} ${swarmCount} ${magnitude(peerCount4 + peerCount6)}`;
}

export const target: FuzzTarget = {
  about: 'a UDP tracker and hostile datagrams: no throw, no growth, no answer larger than what an unproven sender sent',
  form: 'choices',
  files: ['trackerd/udp/answerer', 'tracker/connection-id', 'tracker/logic', 'tracker/address-limits'],
  parsers: [],
  bytesMax: 1_500,
  testRuns: 300,
  msMax: 500,
  run: (input) => play(new Tape(input)),
};

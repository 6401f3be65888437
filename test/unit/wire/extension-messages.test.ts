import assert from 'node:assert/strict';
import { test } from 'node:test';
import { BtError } from '#base';
import {
  decodeDontHave,
  decodeHolepunch,
  decodeUploadOnly,
  encodeDontHave,
  encodeHolepunch,
  encodeUploadOnly,
  type HolepunchMessage,
} from '#wire';

test('lt_donthave and upload_only have fixed sizes', () => {
  assert.equal(decodeDontHave(encodeDontHave(0xffff_fffe)), 0xffff_fffe);
  assert.equal(decodeUploadOnly(encodeUploadOnly(true)), true);
  assert.equal(decodeUploadOnly(encodeUploadOnly(false)), false);
  assert.throws(
    () => decodeDontHave(new Uint8Array(3)),
    (error) => BtError.is(error, 'wire/invalid'),
  );
  assert.throws(
    () => decodeUploadOnly(new Uint8Array(0)),
    (error) => BtError.is(error, 'wire/invalid'),
  );
});

const messages: HolepunchMessage[] = [
  { kind: 'rendezvous', peer: { host: '1.2.3.4', port: 6881 } },
  { kind: 'connect', peer: { host: '2001:db8::1', port: 1 } },
  { kind: 'error', peer: { host: '1.2.3.4', port: 6881 }, error: 4 },
];
for (const message of messages) {
  test(`ut_holepunch ${message.kind} decodes to what was encoded`, () => {
    assert.deepEqual(decodeHolepunch(encodeHolepunch(message)), message);
  });
}

test('ut_holepunch takes an error code of 0 where there is no error, and refuses garbage', () => {
  const rendezvous = Uint8Array.of(0, 0, 1, 2, 3, 4, 0x1a, 0xe1, 0, 0, 0, 0);
  assert.deepEqual(decodeHolepunch(rendezvous), messages[0]);
  for (const bytes of [[], [0], [0, 1, 1, 2, 3, 4, 5, 6], [3, 0, 1, 2, 3, 4, 0, 80], [0, 2, 1, 2, 3, 4, 0, 80]]) {
    assert.throws(
      () => decodeHolepunch(Uint8Array.from(bytes)),
      (error) => BtError.is(error),
    );
  }
});

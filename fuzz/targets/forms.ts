import assert from 'node:assert/strict';
import { parseForm } from '#room/trackerd/catalogue/form';
import { catalogueLimits } from '#room/trackerd/limits';
import { type FuzzTarget, magnitude, refusal, utf8 } from '../support/target.ts';

const types = [
  'multipart/form-data; boundary=b',
  'application/x-www-form-urlencoded',
  'multipart/form-data; boundary="b c"',
  'text/plain',
];

function part(name: string, value: string): string {
  return `--b\r\nContent-Disposition: form-data; name="${name}"; filename="f"\r\n\r\n${value}\r\n`;
}

export const target: FuzzTarget = {
  about:
    'forms of the catalogue as browsers send them: fields are views of the body, numbers are bounded, no other error',
  form: 'bytes',
  files: ['trackerd/catalogue/form'],
  parsers: ['trackerd/catalogue/form parseForm'],
  tokens: ['--b', '--b--', '\r\n', '\r\n\r\n', 'Content-Disposition: form-data; name="', '"', ';', 'a=b&', '%', '+'],
  seeds: () => [utf8(`0${part('torrent', 'd4:x')}${part('title', 'y')}--b--\r\n`), utf8('1a=b&c=%20d&a=e')],
  run(input) {
    const type = types[(input[0] ?? 0x30) & 3]!;
    const body = Buffer.from(input.subarray(1));
    try {
      const fields = parseForm(body, type);
      assert.ok(fields.size <= Math.max(catalogueLimits.formFieldsMax, body.length));
      for (const [name, value] of fields) {
        assert.ok(name.length + value.length <= body.length * 3);
        if (type.startsWith('multipart')) assert.equal(value.buffer, body.buffer);
      }
      return `${type} ${magnitude(fields.size)}`;
    } catch (error) {
      return `${type} ${refusal(error, 'client/invalid')}`;
    }
  },
};

import assert from 'node:assert/strict';
import { execFile } from 'node:child_process';
import { join } from 'node:path';
import { test } from 'node:test';
import { fileURLToPath } from 'node:url';
import { promisify } from 'node:util';
import type { Millis } from '#base';
import { HttpFront } from '#room/trackerd/http/front';
import { makeCertificate } from '../support/certificate.ts';
import { HttpParts } from '../support/http-front.ts';
import { makeTempFolder, writeTree } from '../support/temp-folder.ts';

const program = fileURLToPath(new URL('../support/https-announce.js', import.meta.url));

test('our client announces over HTTPS where it trusts the certificate, by name and by address, and nowhere else', async (t) => {
  const { cert, key } = makeCertificate('a tracker');
  const folder = writeTree(makeTempFolder(t), { 'cert.pem': cert, 'key.pem': key });
  const certFile = join(folder, 'cert.pem');
  const { routes, counts, limits } = new HttpParts();
  const now = (): Millis => performance.now() as Millis;
  const front = new HttpFront({ routes, counts, limits, now, tls: { certFile, keyFile: join(folder, 'key.pem') } });
  const { port: listening } = await front.listen({ host: '127.0.0.1', port: 0 });
  t.after(() => front.close());
  const announce = async (host: string, port: number, trusts: boolean): Promise<unknown> => {
    const url = `https://${host}:${listening}/announce`;
    const { NODE_EXTRA_CA_CERTS: _, ...env } = process.env;
    const { stdout } = await promisify(execFile)(process.execPath, [program, url, String(port)], {
      env: trusts ? { ...env, NODE_EXTRA_CA_CERTS: certFile } : env,
    });
    return JSON.parse(stdout);
  };
  assert.deepEqual(await announce('localhost', 1001, true), { ok: true, peers: [] });
  assert.deepEqual(await announce('127.0.0.1', 1002, true), { ok: true, peers: [{ host: '127.0.0.1', port: 1001 }] });
  assert.deepEqual(await announce('localhost', 1003, false), { ok: false, code: 'tracker/unreachable' });
  assert.deepEqual(await announce('other.test', 1004, true), { ok: false, code: 'tracker/unreachable' });
});

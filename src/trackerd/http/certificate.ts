import { readFile } from 'node:fs/promises';
import { createSecureContext, type SecureContextOptions } from 'node:tls';
import { BtError } from '../../base/index.ts';
import { toDiskError } from '../../hash/index.ts';

/** Files in PEM form: the certificate with the chain up to its authority, and its key. */
export interface TlsFiles {
  readonly certFile: string;
  readonly keyFile: string;
}

/** @throws BtError `disk/...`; `config/invalid` for what is no certificate, no key, or not the key of this certificate */
export async function readCertificate({ certFile, keyFile }: TlsFiles): Promise<{ cert: Buffer; key: Buffer }> {
  const [cert, key] = await Promise.all([readPem(certFile), readPem(keyFile)]);
  // One after the other, since the library's own words name no file.
  expectContext({ cert }, `${certFile}: no certificate chain in PEM`);
  expectContext({ key }, `${keyFile}: no private key in PEM, or one with a passphrase`);
  expectContext({ cert, key }, `${keyFile}: not the key of ${certFile}`);
  return { cert, key };
}

async function readPem(file: string): Promise<Buffer> {
  try {
    return await readFile(file);
  } catch (cause) {
    throw toDiskError(cause, file);
  }
}

function expectContext(of: SecureContextOptions, problem: string): void {
  try {
    createSecureContext(of);
  } catch (cause) {
    throw new BtError('config/invalid', { problems: [problem] }, { cause });
  }
}

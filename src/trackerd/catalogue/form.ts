import type { Context } from 'hono';
import { BtError } from '../../base/index.ts';
import { catalogueLimits } from '../limits.ts';

/** As browsers and programs write it; whoever names two boundaries, or a strange one, is no form of ours. */
const MULTIPART = /^multipart\/form-data; ?boundary=("?)([\w'()+,./:=?-]{1,70})\1$/i;
const AMPERSAND = 0x26;

export interface FormFields {
  /** Of a field; empty where there is none of that name. Without blanks around it. */
  text(name: string): string;
  /** Of a field that carries one, and not an empty one. */
  file(name: string): File | undefined;
}

/**
 * Reads the form that a page of ours has sent. Fields are counted before they are taken apart: each becomes an object, and a body of ten
 * megabytes has room for hundreds of thousands, which would stop the thread for seconds.
 *
 * @throws BtError `client/invalid` for what is no form, or has too many fields
 */
export async function readForm(c: Context): Promise<FormFields> {
  const bytes = Buffer.from(await c.req.arrayBuffer());
  const type = c.req.header('content-type') ?? '';
  const boundary = MULTIPART.exec(type)?.[2];
  const isPlain = /^application\/x-www-form-urlencoded(?:;|$)/i.test(type);
  if (boundary === undefined && !isPlain) throw new BtError('client/invalid', { what: 'this is not a form' });
  if (countUpTo(bytes, boundary === undefined ? AMPERSAND : `--${boundary}`) > catalogueLimits.formFieldsMax)
    throw new BtError('client/invalid', { what: `a form has at most ${catalogueLimits.formFieldsMax} fields` });
  const fields = await c.req.parseBody().catch(() => {
    throw new BtError('client/invalid', { what: 'this is not a form' });
  });
  return {
    text: (name) => {
      const value = fields[name];
      return typeof value === 'string' ? value.trim() : '';
    },
    file: (name) => {
      const value = fields[name];
      return value instanceof File && value.size > 0 ? value : undefined;
    },
  };
}

/** @returns how often it is there, or one more than is allowed */
function countUpTo(bytes: Buffer, what: string | number): number {
  let count = 0;
  for (let at = bytes.indexOf(what); at >= 0; at = bytes.indexOf(what, at + 1))
    if (++count > catalogueLimits.formFieldsMax) break;
  return count;
}

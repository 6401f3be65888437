import type { Context } from 'hono';
import { BtError } from '../../base/index.ts';
import { catalogueLimits } from '../limits.ts';

/** As browsers and programs write it. */
const MULTIPART = /^multipart\/form-data; ?boundary=("?)([\w'()+,./:=?-]{1,70})\1$/i;
/** Bytes of the lines before a field's value. */
const PART_HEAD_BYTES_MAX = 1_024;

/** The fields of a form that a page of ours has sent. */
export interface FormFields {
  /** Of a field; empty where there is none of that name. Without blanks around it. */
  text(name: string): string;
  /** Bytes of a field, a view of the form; undefined where there are none. */
  bytes(name: string): Uint8Array | undefined;
}

/**
 * Reads a form (RFC 7578) in one pass, without making anything of fields that nobody asks for: anybody may send a body of ten megabytes,
 * and general readers take seconds for one of many small fields.
 *
 * @throws BtError `client/invalid` for what is no form, or has too many fields
 */
export async function readForm(c: Context): Promise<FormFields> {
  // A visitor who goes away in the middle is no bug of ours.
  const body = Buffer.from(await c.req.arrayBuffer().catch(() => new ArrayBuffer(0)));
  const fields = parseForm(body, c.req.header('content-type') ?? '');
  return {
    text: (name) => fields.get(name)?.toString('utf8').trim() ?? '',
    bytes: (name) => {
      const value = fields.get(name);
      return value === undefined || value.length === 0 ? undefined : value;
    },
  };
}

/**
 * @param type the value of `Content-Type`
 * @returns the first value of each name; views of `body`
 * @throws BtError `client/invalid`
 */
export function parseForm(body: Buffer, type: string): Map<string, Buffer> {
  const boundary = MULTIPART.exec(type)?.[2];
  if (boundary !== undefined) return readParts(body, `--${boundary}`);
  if (!/^application\/x-www-form-urlencoded(?:;|$)/i.test(type) || body.length > catalogueLimits.plainFormBytesMax)
    throw noForm();
  const pairs = [...new URLSearchParams(body.toString('latin1'))];
  return new Map(pairs.map(([name, value]) => [name, Buffer.from(value)]));
}

/** @param delimiter stands before each part, and with `--` behind it after the last */
function readParts(body: Buffer, delimiter: string): Map<string, Buffer> {
  const fields = new Map<string, Buffer>();
  if (!body.toString('latin1', 0, delimiter.length).startsWith(delimiter)) throw noForm();
  for (let at = delimiter.length, count = 0; body.toString('latin1', at, at + 2) !== '--'; count++) {
    if (count >= catalogueLimits.formFieldsMax)
      throw new BtError('client/invalid', { what: `a form has at most ${catalogueLimits.formFieldsMax} fields` });
    const headLength = body.subarray(at, at + PART_HEAD_BYTES_MAX).indexOf('\r\n\r\n');
    const valueAt = at + headLength + 4;
    const valueEnd = headLength < 0 ? -1 : body.indexOf(`\r\n${delimiter}`, valueAt);
    if (valueEnd < 0) throw noForm();
    const head = body.toString('utf8', at, at + headLength);
    const name = /\r\ncontent-disposition: ?form-data;(?:[^\r]*?;)? ?name="([^"\r]*)"/i.exec(head)?.[1];
    if (name !== undefined && !fields.has(name)) fields.set(name, body.subarray(valueAt, valueEnd));
    at = valueEnd + 2 + delimiter.length;
  }
  return fields;
}

function noForm(): BtError {
  return new BtError('client/invalid', { what: 'this is not a form that can be read' });
}

import { OpenAPIHono, z } from '@hono/zod-openapi';
import type { Context } from 'hono';

/** What the API's routes share: bodies, errors, parameters. The OpenAPI document is made of the same schemas that judge requests. */

export interface ErrorBody {
  readonly error: { readonly code: string; readonly message: string };
}

export const errorSchema: z.ZodType<ErrorBody> = z
  .object({ error: z.object({ code: z.string(), message: z.string() }) })
  .openapi('Error');

/** 40 hex digits, lower case afterwards. */
export const infoHashSchema: z.ZodType<string, string> = z
  .string()
  .regex(/^[0-9a-fA-F]{40}$/)
  .transform((hash) => hash.toLowerCase())
  .openapi({
    type: 'string',
    description: '40 hex digits: a v1 info-hash, or a v2 one cut to 20 bytes.',
    example: 'c12fe1c06bba254a9dc9f519b335aa7c1367a88a',
  });

/** A whole number of a path or a query. */
export function numberParameter(max: number, description: string): z.ZodType<number, string> {
  return z
    .string()
    .regex(/^\d{1,10}$/)
    .transform(Number)
    .pipe(z.int().max(max))
    .openapi({ type: 'integer', minimum: 0, maximum: max, description, example: 1 }) as unknown as z.ZodType<
    number,
    string
  >;
}

/** The number of a user in a path. */
export const userIdSchema: z.ZodObject<{ user: z.ZodType<number, string> }> = z.object({
  user: numberParameter(4_294_967_295, 'Number of the user.'),
});

export interface JsonBody<S extends z.ZodType> {
  description: string;
  content: { 'application/json': { schema: S } };
}

export function json<S extends z.ZodType>(schema: S, description: string): JsonBody<S> {
  return { description, content: { 'application/json': { schema } } };
}

export function failure(description: string): JsonBody<typeof errorSchema> {
  return json(errorSchema, description);
}

export function toError(code: string, message: string): ErrorBody {
  return { error: { code, message } };
}

/** For every operation. */
export const bearer: { bearer: string[] }[] = [{ bearer: [] }];

/** An app whose requests that do not match their schemas are answered alike. */
export function createApi(): OpenAPIHono {
  return new OpenAPIHono({
    defaultHook: (result, c: Context) => {
      if (result.success) return undefined;
      const what = result.error.issues.map((issue) => `${issue.path.join('.') || 'body'}: ${issue.message}`).join('; ');
      return c.json(toError('api/invalid', what), 400);
    },
  });
}

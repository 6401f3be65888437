import type { MiddlewareHandler } from 'hono';
import { toError } from './api-common.ts';

/**
 * Refuses requests with a larger body before any of it is read. The length has to be said beforehand, and the HTTP parser holds the
 * sender to it; bodies in chunks are refused. (Hono's own middleware makes requests anew for the other cases, which fails for those of
 * `@hono/node-server` unless it may replace global objects.)
 */
export function limitBody(bytesMax: number): MiddlewareHandler {
  return async (c, next) => {
    if (c.req.header('transfer-encoding') !== undefined) {
      return c.json(toError('api/length-required', 'send Content-Length'), 411);
    }
    if (Number(c.req.header('content-length') ?? 0) > bytesMax) {
      return c.json(toError('api/too-large', `more than ${bytesMax} bytes`), 413);
    }
    return await next();
  };
}

import type { OpenAPIHono } from '@hono/zod-openapi';
import { BtError } from '../../base/index.ts';
import { webLimits } from '../limits.ts';
import type { AdminGate } from './admin-gate.ts';
import { addAccountRoutes } from './api-accounts.ts';
import { createApi, toError } from './api-common.ts';
import { addOperationRoutes } from './api-operation.ts';
import { addTorrentRoutes } from './api-torrents.ts';
import { addUserRoutes } from './api-users.ts';
import { limitBody } from './body-limit.ts';
import type { TrackerControl, TrackerFacts } from './ports.ts';
import type { StatsDocument } from './stats-document.ts';

export interface ApiOptions {
  readonly facts: TrackerFacts;
  readonly control: TrackerControl;
  readonly stats: () => StatsDocument;
  readonly gate: AdminGate;
  /** Where a request comes from. @param env what the server hands on with it */
  readonly addressOf: (env: unknown, headers: Headers) => string;
  readonly onBug: (error: unknown) => void;
  /** Parts of other components: path below `/api/v1` and their routes. */
  readonly parts: readonly { readonly path: string; readonly app: OpenAPIHono; readonly bodyBytesMax?: number }[];
}

/**
 * The API: everything needs the token but its own description. A browser never sends the token by itself, so no page can act in
 * somebody's name; there are no cookies.
 */
export function createAdminApi(o: ApiOptions): OpenAPIHono {
  const api = createApi();
  api.openAPIRegistry.registerComponent('securitySchemes', 'bearer', { type: 'http', scheme: 'bearer' });
  // Made once, of all routes: anybody may ask for it, and to make it takes milliseconds.
  let description: string | undefined;
  api.get('/openapi.json', (c) => {
    description ??= JSON.stringify(
      api.getOpenAPI31Document({
        openapi: '3.1.0',
        info: { title: 'Eider tracker API', version: o.facts.version, description: 'Operation of a tracker.' },
        servers: [{ url: '/api/v1' }],
      }),
    );
    return c.body(description, 200, { 'Content-Type': 'application/json' });
  });
  api.use(async (c, next) => {
    c.header('Cache-Control', 'no-store');
    const verdict = o.gate.judge(c.req.header('authorization'), o.addressOf(c.env, c.req.raw.headers));
    if (verdict.kind === 'open') return next();
    if (verdict.kind === 'wait') {
      c.header('Retry-After', String(verdict.retryInSec));
      return c.json(toError('api/too-many-attempts', 'too many wrong tokens'), 429);
    }
    c.header('WWW-Authenticate', 'Bearer');
    return c.json(toError('api/unauthorized', 'send Authorization: Bearer TOKEN'), 401);
  });
  for (const part of o.parts) {
    if (part.bodyBytesMax !== undefined) api.use(`${part.path}/*`, limitBody(part.bodyBytesMax));
    api.route(part.path, part.app);
  }
  api.use(limitBody(webLimits.apiBodyBytesMax));
  addOperationRoutes(api, o);
  addTorrentRoutes(api, o.control);
  addUserRoutes(api, o.control.users);
  addAccountRoutes(api, o.control);
  api.all('*', (c) => c.json(toError('api/absent', 'no such operation'), 404));
  api.onError((error, c) => {
    // What the world refuses (a full disk) is told; a bug is logged, and its text stays here.
    if (BtError.is(error)) return c.json(toError(error.code, error.message), 500);
    if ('status' in error && error.status === 400) return c.json(toError('api/invalid', 'not JSON'), 400);
    o.onBug(error);
    return c.json(toError('api/internal', 'the tracker has failed'), 500);
  });
  return api;
}

import { createRoute, type OpenAPIHono, z } from '@hono/zod-openapi';
import type { Context } from 'hono';
import { BtError } from '../../base/index.ts';
import { catalogueLimits } from '../limits.ts';
import { bearer, createApi, failure, json, toError } from '../web/api-common.ts';
import type { Catalogue } from './catalogue.ts';
import { type CatalogueEntry, magnetOf } from './entry.ts';
import { type CountsOf, countsOfEntry } from './ranking.ts';

const notes = z.object({
  title: z.string().max(catalogueLimits.titleCharsMax).optional(),
  description: z.string().max(catalogueLimits.descriptionCharsMax).optional(),
  category: z.string().max(catalogueLimits.wordCharsMax).optional(),
  tags: z.array(z.string().max(catalogueLimits.wordCharsMax)).max(catalogueLimits.tagsMax).optional(),
});
const entrySchema = z
  .object({
    id: z.string().openapi({ description: 'Info-hash as trackers know it, 40 hex digits' }),
    hashV1: z.string().optional(),
    hashV2: z.string().optional(),
    name: z.string(),
    title: z.string(),
    description: z.string(),
    category: z.string(),
    tags: z.array(z.string()),
    addedAt: z.number().int().openapi({ description: 'Seconds since 1970' }),
    addedBy: z.string(),
    isPrivate: z.boolean(),
    totalLength: z.number().optional().openapi({ description: 'Bytes; missing where only a magnet link is known' }),
    fileCount: z.number().int().optional(),
    magnet: z.string(),
    complete: z.number().int(),
    incomplete: z.number().int(),
    downloaded: z.number().int(),
  })
  .openapi('CatalogueEntry');
const idParam = z.object({ id: z.string().regex(/^([0-9a-f]{40}|[0-9a-f]{64})$/i) });
const security = bearer;
const tags = ['catalogue'];

const routes = {
  list: createRoute({
    method: 'get',
    path: '/',
    tags,
    security,
    summary: 'Lists or searches the catalogue',
    request: {
      query: z.object({
        q: z.string().max(200).optional(),
        category: z.string().optional(),
        tag: z.string().optional(),
        order: z.enum(['newest', 'name', 'size', 'seeders']).optional(),
        offset: z.coerce.number().int().min(0).default(0),
        limit: z.coerce.number().int().min(1).max(500).default(catalogueLimits.pageRows),
      }),
    },
    responses: { 200: json(z.object({ total: z.number().int(), items: z.array(entrySchema) }), 'A part of the list') },
  }),
  get: createRoute({
    method: 'get',
    path: '/{id}',
    tags,
    security,
    summary: 'One torrent',
    request: { params: idParam },
    responses: { 200: json(entrySchema, 'The torrent'), 404: failure('No such torrent') },
  }),
  add: createRoute({
    method: 'post',
    path: '/',
    tags,
    security,
    summary: 'Adds a torrent (base64) or a magnet link',
    request: {
      body: {
        required: true,
        content: {
          'application/json': {
            schema: notes.extend({
              torrent: z.string().optional().openapi({ description: 'The .torrent file, base64' }),
              magnet: z.string().optional(),
            }),
          },
        },
      },
    },
    responses: {
      201: json(entrySchema, 'Added'),
      400: failure('Not a torrent'),
      409: failure('Already listed'),
    },
  }),
  change: createRoute({
    method: 'patch',
    path: '/{id}',
    tags,
    security,
    summary: 'Changes title, description, category or tags',
    request: { params: idParam, body: { required: true, content: { 'application/json': { schema: notes } } } },
    responses: { 200: json(entrySchema, 'Changed'), 404: failure('No such torrent') },
  }),
  remove: createRoute({
    method: 'delete',
    path: '/{id}',
    tags,
    security,
    summary: 'Takes a torrent off the list and deletes its file',
    request: { params: idParam },
    responses: { 204: { description: 'Removed' }, 404: failure('No such torrent') },
  }),
};

/** The catalogue's part of the admin API, to be mounted at `/api/v1/catalogue` behind its authorisation. */
export function createCatalogueApi(o: {
  catalogue: Catalogue;
  countsOf: CountsOf;
  announceUrls: (c: Context) => readonly string[];
}): OpenAPIHono {
  const app = createApi();
  const { catalogue } = o;
  const show = (c: Context, entry: CatalogueEntry) => {
    const { torrent, ...rest } = entry;
    return {
      ...rest,
      tags: [...rest.tags],
      ...(torrent !== undefined && { totalLength: torrent.totalLength, fileCount: torrent.fileCount }),
      magnet: magnetOf(entry, o.announceUrls(c)),
      ...countsOfEntry(entry, o.countsOf),
    };
  };
  const missing = toError('catalogue/not-found', 'there is no such torrent in the catalogue');

  app.openapi(routes.list, (c) => {
    const { q, category, tag, order, offset, limit } = c.req.valid('query');
    const ids = catalogue.find({
      ...(q !== undefined && { words: q }),
      ...(category !== undefined && { category }),
      ...(tag !== undefined && { tag }),
      ...(order !== undefined && { order }),
    });
    const items = ids.slice(offset, offset + limit).map((id) => show(c, catalogue.get(id) as CatalogueEntry));
    return c.json({ total: ids.length, items }, 200);
  });
  app.openapi(routes.get, (c) => {
    const entry = catalogue.get(c.req.valid('param').id.toLowerCase());
    return entry === undefined ? c.json(missing, 404) : c.json(show(c, entry), 200);
  });
  app.openapi(routes.add, (c) => {
    const { torrent, magnet, ...given } = c.req.valid('json');
    const asked = { ...withoutUndefined(given), addedBy: 'api' };
    try {
      const entry =
        torrent === undefined
          ? catalogue.addMagnet(magnet ?? '', asked)
          : catalogue.addTorrent(new Uint8Array(Buffer.from(torrent, 'base64')), asked);
      return c.json(show(c, entry), 201);
    } catch (error) {
      if (!BtError.is(error)) throw error;
      const body = toError(error.code, error.message);
      return BtError.is(error, 'client/duplicate') ? c.json(body, 409) : c.json(body, 400);
    }
  });
  app.openapi(routes.change, async (c) => {
    const entry = await catalogue.change(c.req.valid('param').id.toLowerCase(), withoutUndefined(c.req.valid('json')));
    return entry === undefined ? c.json(missing, 404) : c.json(show(c, entry), 200);
  });
  app.openapi(routes.remove, async (c) => {
    if (!(await catalogue.remove(c.req.valid('param').id.toLowerCase()))) return c.json(missing, 404);
    return c.body(null, 204);
  });
  return app;
}

type Defined<T> = { [K in keyof T]?: Exclude<T[K], undefined> };

function withoutUndefined<T extends object>(value: T): Defined<T> {
  return Object.fromEntries(Object.entries(value).filter(([, v]) => v !== undefined)) as Defined<T>;
}

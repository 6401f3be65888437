import { createRoute, type OpenAPIHono, z } from '@hono/zod-openapi';
import { webLimits } from '../limits.ts';
import { bearer, failure, infoHashSchema, json, numberParameter, toError } from './api-common.ts';
import type { HashListControl, TrackerControl } from './ports.ts';

const swarmSchema = z
  .object({
    infoHash: z.string(),
    seeders: z.int(),
    leechers: z.int(),
    downloads: z.int(),
    name: z.string().optional(),
  })
  .openapi('Swarm');
const peersSchema = z
  .object({ peers: z.array(z.object({ address: z.string(), port: z.int(), isSeeder: z.boolean() })) })
  .openapi('Peers');
const pageSchema = z
  .object({ total: z.int(), infoHashes: z.array(z.string()), next: z.string().nullable() })
  .openapi('InfoHashPage');
const listedSchema = z.object({ infoHash: z.string(), isListed: z.boolean() }).openapi('Listed');
const changedSchema = z.object({ hasChanged: z.boolean() }).openapi('Changed');
const listSchema = z.enum(['allow', 'deny']).openapi({ description: 'Which list.', example: 'allow' });
const tags = ['torrents'];
const PAGE = webLimits.apiItemsDefault;
const PAGE_MAX = webLimits.apiItemsMax;

/** Swarms and the allow and deny lists. */
export function addTorrentRoutes(api: OpenAPIHono, control: TrackerControl): void {
  addSwarmRoutes(api, control);
  addListReading(api, control);
  addListChanges(api, control);
}

function addSwarmRoutes(api: OpenAPIHono, control: TrackerControl): void {
  const params = z.object({ infoHash: infoHashSchema });
  api.openapi(
    createRoute({
      method: 'get',
      path: '/swarms/{infoHash}',
      operationId: 'getSwarm',
      summary: 'Counts of a torrent',
      tags,
      security: bearer,
      request: { params },
      responses: { 200: json(swarmSchema, 'The counts.'), 400: failure('No info-hash.'), 404: failure('Not tracked.') },
    }),
    (c) => {
      const swarm = control.findSwarm(c.req.valid('param').infoHash);
      return swarm === undefined ? c.json(toError('api/absent', 'no such swarm'), 404) : c.json({ ...swarm }, 200);
    },
  );
  api.openapi(
    createRoute({
      method: 'get',
      path: '/swarms/{infoHash}/peers',
      operationId: 'getPeers',
      summary: 'Peers of a torrent',
      tags,
      security: bearer,
      request: { params, query: z.object({ limit: numberParameter(PAGE_MAX, 'Peers at most.').optional() }) },
      responses: { 200: json(peersSchema, 'Its peers.'), 400: failure('No info-hash.'), 404: failure('Not tracked.') },
    }),
    (c) => {
      const { infoHash } = c.req.valid('param');
      if (control.peersOf === undefined || control.findSwarm(infoHash) === undefined) {
        return c.json(toError('api/absent', 'no such swarm'), 404);
      }
      const peers = control.peersOf(infoHash, c.req.valid('query').limit ?? PAGE);
      return c.json({ peers: peers.map((peer) => ({ ...peer })) }, 200);
    },
  );
}

function addListReading(api: OpenAPIHono, control: TrackerControl): void {
  api.openapi(
    createRoute({
      method: 'get',
      path: '/lists/{list}',
      operationId: 'getList',
      summary: 'Info-hashes of a list, in order, page by page',
      tags,
      security: bearer,
      request: {
        params: z.object({ list: listSchema }),
        query: z.object({
          after: infoHashSchema.optional(),
          limit: numberParameter(PAGE_MAX, 'Info-hashes at most.').optional(),
        }),
      },
      responses: {
        200: json(pageSchema, 'A page; `next` is the `after` of the next one.'),
        400: failure('Not a list, or bad parameters.'),
        404: failure('The list is not configured.'),
      },
    }),
    (c) => {
      const list = control.lists?.[c.req.valid('param').list];
      if (list === undefined) return c.json(noList, 404);
      const { after, limit = PAGE } = c.req.valid('query');
      const infoHashes = [...list.page(after, limit)];
      const next = infoHashes.length === limit ? (infoHashes.at(-1) ?? null) : null;
      return c.json({ total: list.size(), infoHashes, next }, 200);
    },
  );
  api.openapi(
    createRoute({
      method: 'get',
      path: '/lists/{list}/{infoHash}',
      operationId: 'getListed',
      summary: 'Whether a torrent is on a list',
      tags,
      security: bearer,
      request: { params: z.object({ list: listSchema, infoHash: infoHashSchema }) },
      responses: {
        200: json(listedSchema, 'Whether it is.'),
        400: failure('Bad parameters.'),
        404: failure('The list is not configured.'),
      },
    }),
    (c) => {
      const { list: name, infoHash } = c.req.valid('param');
      const list = control.lists?.[name];
      return list === undefined ? c.json(noList, 404) : c.json({ infoHash, isListed: list.has(infoHash) }, 200);
    },
  );
}

const noList = toError('api/absent', 'this list is not configured');

function addListChanges(api: OpenAPIHono, control: TrackerControl): void {
  const change = (
    method: 'put' | 'delete',
    words: { operationId: string; summary: string },
    act: (list: HashListControl, infoHash: string) => Promise<boolean>,
  ) =>
    api.openapi(
      createRoute({
        method,
        path: '/lists/{list}/{infoHash}',
        ...words,
        tags,
        security: bearer,
        request: { params: z.object({ list: listSchema, infoHash: infoHashSchema }) },
        responses: {
          200: json(changedSchema, 'In force and in the file; false where it was so before.'),
          400: failure('Bad parameters.'),
          404: failure('The list is not configured.'),
        },
      }),
      async (c) => {
        const { list: name, infoHash } = c.req.valid('param');
        const list = control.lists?.[name];
        return list === undefined ? c.json(noList, 404) : c.json({ hasChanged: await act(list, infoHash) }, 200);
      },
    );
  change('put', { operationId: 'addToList', summary: 'Put a torrent on a list' }, (list, hash) => list.add(hash));
  change('delete', { operationId: 'removeFromList', summary: 'Take a torrent off a list' }, (list, hash) =>
    list.remove(hash),
  );
}

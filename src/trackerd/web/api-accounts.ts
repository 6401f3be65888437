import { createRoute, type OpenAPIHono, z } from '@hono/zod-openapi';
import { webLimits } from '../limits.ts';
import { bearer, failure, infoHashSchema, json, numberParameter, toError, userIdSchema } from './api-common.ts';
import type { TrackerControl } from './ports.ts';

const PAGE = webLimits.apiItemsDefault;
const PAGE_MAX = webLimits.apiItemsMax;

const bytes = (description: string) => z.number().openapi({ description });
const userTorrentSchema = z
  .object({
    infoHash: z.string(),
    uploaded: bytes('Bytes accounted to the user.'),
    downloaded: bytes('The same.'),
    left: bytes('Bytes missing, as the latest report says.'),
    seedSec: z.int().openapi({ description: 'Time as a seeder.' }),
    clients: z.int().openapi({ description: 'Clients announcing it now.' }),
    seenAt: z.number().openapi({ description: 'Unix seconds.' }),
    completedAt: z.number().nullable(),
  })
  .openapi('UserTorrent');
const torrentSchema = z
  .object({
    infoHash: z.string(),
    uploaded: bytes('All that was reported, believed or not.'),
    downloaded: bytes('The same.'),
    imbalance: bytes('uploaded - downloaded; does not grow where all tell the truth.'),
    leechers: z.int(),
    seeders: z.int(),
    completed: z.int().openapi({ description: 'Users who completed it.' }),
  })
  .openapi('TorrentAccount');
const suspicionSchema = z
  .object({
    kind: z.enum(['too-fast', 'no-leecher']),
    userId: z.int(),
    infoHash: z.string(),
    peerId: z.string(),
    uploaded: bytes('What the report added.'),
    downloaded: bytes('The same.'),
    sec: z.number().openapi({ description: "Since the client's report before." }),
    at: z.number().openapi({ description: 'Unix seconds.' }),
  })
  .openapi('Suspicion');

const tags = ['accounts'];
const limit = numberParameter(PAGE_MAX, 'Items at most.').optional();
const invalid = failure('Bad parameters.');
const absent = failure('No such user or torrent, or not a private tracker.');
const notPrivate = toError('api/absent', 'this is not a private tracker');

/** What users did, torrent by torrent, and what does not add up. */
export function addAccountRoutes(api: OpenAPIHono, control: TrackerControl): void {
  addUserTorrents(api, control);
  addTorrents(api, control);
  api.openapi(
    createRoute({
      method: 'get',
      path: '/accounts/suspicions',
      operationId: 'getSuspicions',
      summary: 'The latest reports that cannot be true, newest first',
      tags,
      security: bearer,
      request: { query: z.object({ limit }) },
      responses: {
        200: json(
          z.object({
            total: z.int().openapi({ description: 'Since the start; the latest 1,000 are kept.' }),
            suspicions: z.array(suspicionSchema),
          }),
          'The reports.',
        ),
        400: invalid,
        404: absent,
      },
    }),
    (c) => {
      const { accounts } = control;
      if (accounts === undefined) return c.json(notPrivate, 404);
      const suspicions = accounts.suspicions(c.req.valid('query').limit ?? PAGE);
      return c.json({ total: accounts.suspicionCount, suspicions }, 200);
    },
  );
}

function addUserTorrents(api: OpenAPIHono, control: TrackerControl): void {
  api.openapi(
    createRoute({
      method: 'get',
      path: '/users/{user}/torrents',
      operationId: 'getUserTorrents',
      summary: 'What a user did, torrent by torrent, the latest heard of first',
      tags,
      security: bearer,
      request: { params: userIdSchema, query: z.object({ limit }) },
      responses: {
        200: json(z.object({ torrents: z.array(userTorrentSchema) }), 'The torrents.'),
        400: invalid,
        404: absent,
      },
    }),
    (c) => {
      const { accounts, users } = control;
      const { user } = c.req.valid('param');
      if (accounts === undefined || users?.find(user) === undefined) {
        return c.json(toError('api/absent', 'no such user'), 404);
      }
      return c.json({ torrents: accounts.torrentsOf(user, c.req.valid('query').limit ?? PAGE) }, 200);
    },
  );
}

function addTorrents(api: OpenAPIHono, control: TrackerControl): void {
  api.openapi(
    createRoute({
      method: 'get',
      path: '/accounts/torrents',
      operationId: 'getImbalances',
      summary: 'Torrents of which more was uploaded than downloaded or the other way round, the worst first',
      tags,
      security: bearer,
      request: { query: z.object({ limit }) },
      responses: {
        200: json(z.object({ torrents: z.array(torrentSchema) }), 'The torrents.'),
        400: invalid,
        404: absent,
      },
    }),
    (c) => {
      const { accounts } = control;
      if (accounts === undefined) return c.json(notPrivate, 404);
      return c.json({ torrents: accounts.imbalances(c.req.valid('query').limit ?? PAGE) }, 200);
    },
  );
  api.openapi(
    createRoute({
      method: 'get',
      path: '/accounts/torrents/{infoHash}',
      operationId: 'getTorrentAccount',
      summary: 'What all users did with a torrent',
      tags,
      security: bearer,
      request: { params: z.object({ infoHash: infoHashSchema }) },
      responses: { 200: json(torrentSchema, 'The sums.'), 400: invalid, 404: absent },
    }),
    (c) => {
      const torrent = control.accounts?.torrent(c.req.valid('param').infoHash);
      return torrent === undefined ? c.json(toError('api/absent', 'no such torrent'), 404) : c.json(torrent, 200);
    },
  );
}

import { createRoute, type OpenAPIHono, z } from '@hono/zod-openapi';
import { isPasskey } from '../../tracker/index.ts';
import { webLimits } from '../limits.ts';
import { bearer, failure, json, numberParameter, toError, userIdSchema } from './api-common.ts';
import type { UsersControl } from './ports.ts';

const USER_ID_MAX = 4_294_967_295;
const PAGE = webLimits.apiItemsDefault;
const PAGE_MAX = webLimits.apiItemsMax;

const userSchema = z
  .object({
    id: z.int(),
    name: z.string(),
    createdAt: z.number().openapi({ description: 'Unix seconds.' }),
    expiresAt: z.number().nullable().openapi({ description: 'Unix seconds; null = never.' }),
    isEnabled: z.boolean(),
    mayDownload: z.boolean().openapi({ description: 'False: may only seed.' }),
    mayUpload: z.boolean().openapi({ description: 'Whether the user may add torrents to the catalogue.' }),
    torrentsMax: z.int().nullable().openapi({ description: "Null: the tracker's default; 0: any number." }),
    placesMax: z.int().nullable(),
    uploaded: z.number().openapi({ description: 'Bytes accounted to the user.' }),
    downloaded: z.number(),
    torrents: z.int().openapi({ description: 'Announced now.' }),
    suspicionCount: z.int().openapi({ description: 'Reports that cannot be true.' }),
    seenAt: z.number().nullable(),
  })
  .openapi('User');
const nameSchema = z
  .string()
  .regex(/^[^\0-\x1f\x7f]{1,64}$/)
  .openapi({ example: 'alice' });
const changes = {
  isEnabled: z.boolean().exactOptional(),
  expiresAt: z.int().min(0).nullable().exactOptional(),
  mayDownload: z.boolean().exactOptional(),
  mayUpload: z.boolean().exactOptional(),
  torrentsMax: z.int().min(0).max(1_000_000).nullable().exactOptional(),
  placesMax: z.int().min(0).max(1_000).nullable().exactOptional(),
};
const newUserSchema = z
  .strictObject({
    name: nameSchema,
    ...changes,
    passkey: z.string().refine(isPasskey).exactOptional().openapi({
      description: 'From a tracker before this one; otherwise a new one is made.',
      example: 'PasskeyOfBefore1',
    }),
  })
  .openapi('NewUser');
const userChangesSchema = z.strictObject({ name: nameSchema.exactOptional(), ...changes }).openapi('UserChanges');
const pageSchema = z
  .object({ total: z.int(), users: z.array(userSchema), next: z.int().nullable() })
  .openapi('UserPage');
const createdSchema = z
  .object({ user: userSchema, passkey: z.string().openapi({ description: 'Shown this once.' }) })
  .openapi('CreatedUser');
const passkeySchema = z.object({ passkey: z.string() }).openapi('Passkey');
const removedSchema = z.object({ hasChanged: z.boolean() }).openapi('UserRemoved');

const tags = ['users'];
const notPrivate = toError('api/absent', 'this is not a private tracker');
const noUser = toError('api/absent', 'no such user');
const nameTaken = toError('api/taken', 'the name or the passkey is taken');
const taken = failure('The name, or the passkey, is taken.');
const absent = failure('No such user, or not a private tracker.');
const invalid = failure('Bad parameters.');

/** Users of a private tracker, their passkeys and accounts. */
export function addUserRoutes(api: OpenAPIHono, users: UsersControl | undefined): void {
  addReading(api, users);
  addChanges(api, users);
}

function addReading(api: OpenAPIHono, users: UsersControl | undefined): void {
  api.openapi(
    createRoute({
      method: 'get',
      path: '/users',
      operationId: 'getUsers',
      summary: 'Users in order of their numbers, page by page',
      tags,
      security: bearer,
      request: {
        query: z.object({
          after: numberParameter(USER_ID_MAX, 'Number of the last user of the page before.').optional(),
          limit: numberParameter(PAGE_MAX, 'Users at most.').optional(),
        }),
      },
      responses: { 200: json(pageSchema, 'A page.'), 400: invalid, 404: absent },
    }),
    (c) => {
      if (users === undefined) return c.json(notPrivate, 404);
      const { after = 0, limit = PAGE } = c.req.valid('query');
      const page = users.page(after, limit).map((user) => ({ ...user }));
      const next = page.length === limit ? (page.at(-1)?.id ?? null) : null;
      return c.json({ total: users.size(), users: page, next }, 200);
    },
  );
  api.openapi(
    createRoute({
      method: 'get',
      path: '/users/{user}',
      operationId: 'getUser',
      summary: 'A user and what is accounted to it',
      tags,
      security: bearer,
      request: { params: userIdSchema },
      responses: { 200: json(userSchema, 'The user.'), 400: invalid, 404: absent },
    }),
    (c) => {
      const user = users?.find(c.req.valid('param').user);
      return user === undefined ? c.json(noUser, 404) : c.json({ ...user }, 200);
    },
  );
}

function addChanges(api: OpenAPIHono, users: UsersControl | undefined): void {
  api.openapi(
    createRoute({
      method: 'post',
      path: '/users',
      operationId: 'createUser',
      summary: 'Create a user with a passkey',
      tags,
      security: bearer,
      request: { body: { ...json(newUserSchema, 'The user.'), required: true } },
      responses: {
        201: json(createdSchema, 'Created.'),
        400: invalid,
        404: absent,
        409: taken,
      },
    }),
    async (c) => {
      if (users === undefined) return c.json(notPrivate, 404);
      const created = await users.create(c.req.valid('json'));
      if (created === undefined) return c.json(nameTaken, 409);
      return c.json({ user: { ...created.user }, passkey: created.passkey }, 201);
    },
  );
  api.openapi(
    createRoute({
      method: 'patch',
      path: '/users/{user}',
      operationId: 'updateUser',
      summary: 'Change name, expiry, rights or limits of a user',
      tags,
      security: bearer,
      request: { params: userIdSchema, body: { ...json(userChangesSchema, 'What changes.'), required: true } },
      responses: { 200: json(userSchema, 'The user now.'), 400: invalid, 404: absent, 409: taken },
    }),
    async (c) => {
      const { user: id } = c.req.valid('param');
      if (users?.find(id) === undefined) return c.json(noUser, 404);
      const user = await users.update(id, c.req.valid('json'));
      return user === undefined ? c.json(nameTaken, 409) : c.json({ ...user }, 200);
    },
  );
  api.openapi(
    createRoute({
      method: 'delete',
      path: '/users/{user}',
      operationId: 'removeUser',
      summary: 'Remove a user; its passkey is void at once',
      tags,
      security: bearer,
      request: { params: userIdSchema },
      responses: { 200: json(removedSchema, 'Removed.'), 400: invalid, 404: absent },
    }),
    async (c) => {
      const hasChanged = (await users?.remove(c.req.valid('param').user)) ?? false;
      return hasChanged ? c.json({ hasChanged }, 200) : c.json(noUser, 404);
    },
  );
  api.openapi(
    createRoute({
      method: 'post',
      path: '/users/{user}/passkey',
      operationId: 'rotatePasskey',
      summary: 'Give a user a new passkey; the old one is void at once',
      tags,
      security: bearer,
      request: { params: userIdSchema },
      responses: { 200: json(passkeySchema, 'The new passkey, shown this once.'), 400: invalid, 404: absent },
    }),
    async (c) => {
      const passkey = await users?.rotatePasskey(c.req.valid('param').user);
      return passkey === undefined ? c.json(noUser, 404) : c.json({ passkey }, 200);
    },
  );
}

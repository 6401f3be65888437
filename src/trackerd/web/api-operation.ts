import { createRoute, type OpenAPIHono, z } from '@hono/zod-openapi';
import { webLimits } from '../limits.ts';
import { bearer, failure, json, numberParameter, toError } from './api-common.ts';
import { readConnections } from './counts.ts';
import type { TrackerControl, TrackerFacts } from './ports.ts';
import { type StatsDocument, statsSchema } from './stats-document.ts';

const connectionsSchema = z.object({ connections: z.record(z.string(), z.int()) }).openapi('Connections');
const reloadSchema = z.object({ done: z.array(z.string()), failed: z.array(z.string()) }).openapi('ReloadReport');
const snapshotSchema = z.object({ path: z.string(), bytes: z.int(), elapsedMs: z.number() }).openapi('SnapshotReport');
const logLevelSchema = z.object({ level: z.enum(['debug', 'info', 'warning', 'error']) }).openapi('LogLevel');
const offendersSchema = z
  .object({
    offenders: z.array(
      z.object({
        address: z.string(),
        count: z.int().openapi({ description: 'Since it was first noted; at most `error` of them may be of others.' }),
        expired: z.int().openapi({ description: 'Connection ids that were too old: real clients do that.' }),
        forged: z
          .int()
          .openapi({ description: 'Connection ids that were never given; the address may be forged too.' }),
        limited: z.int().openapi({ description: 'Requests above the limits of an address.' }),
        error: z.int(),
      }),
    ),
  })
  .openapi('Offenders');
const tags = ['operation'];

/** Numbers, offenders, reload, snapshot, log level, connections. */
export function addOperationRoutes(
  api: OpenAPIHono,
  o: { readonly facts: TrackerFacts; readonly control: TrackerControl; readonly stats: () => StatsDocument },
): void {
  const { facts, control } = o;
  api.openapi(
    createRoute({
      method: 'get',
      path: '/stats',
      operationId: 'getStats',
      summary: 'Numbers of the tracker and their history',
      tags,
      security: bearer,
      responses: { 200: json(statsSchema, 'The numbers.') },
    }),
    (c) => c.json(o.stats(), 200),
  );
  api.openapi(
    createRoute({
      method: 'get',
      path: '/connections',
      operationId: 'getConnections',
      summary: 'Connections open now, by transport',
      tags,
      security: bearer,
      responses: { 200: json(connectionsSchema, 'The counts.') },
    }),
    (c) => c.json({ connections: readConnections(facts.numbers().counters) }, 200),
  );
  api.openapi(
    createRoute({
      method: 'post',
      path: '/reload',
      operationId: 'reload',
      summary: 'Read lists, users, certificates and the reloadable configuration again',
      tags,
      security: bearer,
      responses: { 200: json(reloadSchema, 'What was read again; what failed stays as it was.') },
    }),
    async (c) => {
      const { done, failed } = await control.reload();
      return c.json({ done: [...done], failed: [...failed] }, 200);
    },
  );
  api.openapi(
    createRoute({
      method: 'post',
      path: '/snapshot',
      operationId: 'writeSnapshot',
      summary: 'Write the swarms to the snapshot file now',
      tags,
      security: bearer,
      responses: { 200: json(snapshotSchema, 'Written.'), 404: failure('No snapshot file is configured.') },
    }),
    async (c) => {
      if (control.snapshot === undefined) return c.json(toError('api/absent', 'no snapshot file is configured'), 404);
      return c.json(await control.snapshot(), 200);
    },
  );
  addOffenders(api, control);
  addLogLevelRoutes(api, control);
}

function addOffenders(api: OpenAPIHono, control: TrackerControl): void {
  const limit = numberParameter(webLimits.apiItemsMax, 'Addresses at most.').optional();
  api.openapi(
    createRoute({
      method: 'get',
      path: '/offenders',
      operationId: 'getOffenders',
      summary: 'Addresses that offend most, the worst first; a list to look at, nothing to ban by',
      tags,
      security: bearer,
      request: { query: z.object({ limit }) },
      responses: { 200: json(offendersSchema, 'The addresses.'), 400: failure('Bad parameters.') },
    }),
    (c) => {
      const offenders = control.offenders(c.req.valid('query').limit ?? webLimits.apiItemsDefault);
      return c.json({ offenders: offenders.map((offender) => ({ ...offender })) }, 200);
    },
  );
}

function addLogLevelRoutes(api: OpenAPIHono, control: TrackerControl): void {
  api.openapi(
    createRoute({
      method: 'get',
      path: '/log-level',
      operationId: 'getLogLevel',
      summary: 'The least level that is logged',
      tags,
      security: bearer,
      responses: { 200: json(logLevelSchema, 'The level.') },
    }),
    (c) => c.json({ level: control.logLevel() }, 200),
  );
  api.openapi(
    createRoute({
      method: 'put',
      path: '/log-level',
      operationId: 'setLogLevel',
      summary: 'Change the least level that is logged, until the next start or reload',
      tags,
      security: bearer,
      request: { body: { ...json(logLevelSchema, 'The level.'), required: true } },
      responses: { 200: json(logLevelSchema, 'The level in force.'), 400: failure('Not a level.') },
    }),
    (c) => {
      control.setLogLevel(c.req.valid('json').level);
      return c.json({ level: control.logLevel() }, 200);
    },
  );
}

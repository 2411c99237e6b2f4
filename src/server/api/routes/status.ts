import { z } from 'zod';
import { TokenctlError } from '../../../budget/errors.ts';
import { timeField } from '../fields.ts';
import { named, ok, operation, type Answer } from '../operation.ts';
import { lostLedger } from '../problem.ts';
import { openApiText } from '../../../platform/package-files.ts';

/** How the budget and the server are. */

const tag = 'Status';

/** The OpenAPI document, once it was read. */
let description: object | null = null;

const status = operation({
  ...{ method: 'get', path: '/api/v1/status', id: 'getStatus', tag, access: 'read', polled: true },
  summary: 'Level, windows, AI types, what binds, burn rate: what tokenctl status --json prints',
  answers: { 200: { description: 'The ledger at one instant.', schema: { document: 'status' } } },
  answer: async ({ services }) => ok((await services.reads.read()).report),
});

const events = operation({
  ...{ method: 'get', path: '/api/v1/events', id: 'listen', tag, access: 'read' },
  summary: 'The status whenever it changes, as server-sent events',
  description:
    'Events: status (data as /api/v1/status gives it, at the beginning and when it has changed, looked at each second), heartbeat (data: { time }, after 15 s without news), lost (data: { code, message, time }, when the ledger does not answer), stopping (data: { time }, before the server ends the stream). At most 500 clients.',
  answers: { 200: { description: 'A stream without end.', schema: 'text/event-stream' } },
  answer: async ({ services, stillAllowed }): Promise<Answer> => ({
    stream: await services.events.listen(stillAllowed),
  }),
});

const health = operation({
  ...{ method: 'get', path: '/healthz', id: 'getHealth', tag, access: 'open' },
  summary: 'Whether the server lives, whatever its database does',
  answers: {
    200: {
      description: 'It does.',
      schema: named('Health', z.object({ status: z.literal('ok').describe('Always ok.') })),
    },
  },
  answer: () => Promise.resolve(ok({ status: 'ok' })),
});

const ready = operation({
  ...{ method: 'get', path: '/readyz', id: 'getReadiness', tag, access: 'open' },
  summary: 'Whether the database answers, so that calls can be admitted',
  answers: {
    200: {
      description: 'It does.',
      schema: named(
        'Readiness',
        z.object({
          status: z.literal('ready').describe('Always ready; else the answer is a 503.'),
          time: timeField.describe("The database's time when it answered, ISO 8601 in UTC."),
        }),
      ),
    },
  },
  problems: { 503: 'The database does not answer; the server’s standard error says why.' },
  answer: async ({ services }) => {
    try {
      const { report } = await services.reads.read();
      return ok({ status: 'ready', time: report.time });
    } catch (error) {
      // Anybody may ask, so it does not say where the database is.
      if (error instanceof TokenctlError) throw lostLedger('the database does not answer');
      throw error;
    }
  },
});

const openapi = operation({
  ...{ method: 'get', path: '/openapi.json', id: 'getOpenApi', tag, access: 'read', polled: true },
  summary: 'This description',
  answers: {
    200: {
      description: 'OpenAPI 3.1.',
      schema: named('OpenApi', z.looseObject({ openapi: z.string().describe('3.1.0') })),
    },
  },
  answer: () => {
    description ??= JSON.parse(openApiText()) as object;
    return Promise.resolve(ok(description));
  },
});

const command = operation({
  ...{
    method: 'get',
    path: '/api/v1/command',
    id: 'getCommand',
    tag,
    access: 'read',
    polled: true,
  },
  summary: 'How a command begins that works on this server’s database',
  description:
    'As the commands in answers (fix) begin: with --database and --config where the server was started with them, without a password.',
  answers: {
    200: {
      description: 'Such as tokenctl --database /srv/budget.db.',
      schema: named(
        'Command',
        z.object({ command: z.string().describe('tokenctl, and the flags that it needs.') }),
      ),
    },
  },
  answer: ({ services }) => Promise.resolve(ok({ command: services.documents.command })),
});

export const STATUS = [status, events, command, health, ready, openapi];

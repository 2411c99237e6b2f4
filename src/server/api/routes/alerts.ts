import {
  alertsDocument,
  caredDocument,
  retryDocument,
  silenceDocument,
} from '../../../alerts/care-documents.ts';
import { actorOf } from '../actor.ts';
import { ok, operation } from '../operation.ts';
import { alertParams, retrySchema, silenceSchema } from '../schemas/admin.ts';

/** Alerts: what was raised and told, and what is done with it. */

const tag = 'Alerts';

const list = operation({
  ...{ method: 'get', path: '/api/v1/alerts', id: 'getAlerts', tag, access: 'read', polled: true },
  summary: 'What was raised, and whether it was told',
  answers: {
    200: { description: 'The newest 50 first, and the silence.', schema: { document: 'alerts' } },
  },
  answer: async ({ services: { app } }) => ok(alertsDocument(await app.alerts())),
});

const ack = operation({
  ...{ method: 'post', path: '/api/v1/alerts/{id}/ack', id: 'ackAlert', tag, access: 'admin' },
  summary: 'Says that someone takes care of it: what waits of it is not told any more',
  params: alertParams,
  answers: { 200: { description: 'The alert.', schema: { document: 'alerts-ack' } } },
  problems: { 404: 'There is no such alert.' },
  answer: async ({ params: { id }, caller, services: { app } }) =>
    ok(caredDocument(await app.ackAlert(id, actorOf(caller)))),
});

const retry = operation({
  ...{ method: 'post', path: '/api/v1/alerts/retry', id: 'retryDeliveries', tag, access: 'admin' },
  summary: 'Lets deliveries that were given up be tried again, of one alert or of all',
  body: retrySchema,
  answers: { 200: { description: 'What waits again.', schema: { document: 'alerts-retry' } } },
  problems: { 404: 'There is no such alert.' },
  answer: async ({ body: { id = null }, services: { app } }) =>
    ok(retryDocument(await app.retryDeliveries(id))),
});

const silence = operation({
  ...{ method: 'put', path: '/api/v1/alerts/silence', id: 'silenceAlerts', tag, access: 'admin' },
  summary: 'Holds messages back for a while, in place of a silence before',
  body: silenceSchema,
  answers: {
    200: { description: 'The silence that began.', schema: { document: 'alerts-silence' } },
  },
  answer: async ({ body: { seconds, reason }, caller, services: { app } }) => {
    const forMs = seconds * 1_000;
    const begun = await app.silenceAlerts({ forMs, reason, actor: actorOf(caller) });
    return ok(silenceDocument(begun, true));
  },
});

const endSilence = operation({
  ...{ method: 'delete', path: '/api/v1/alerts/silence', id: 'endSilence', tag, access: 'admin' },
  summary: 'Ends the silence: what it held back is told at the next check of a monitor',
  answers: {
    200: {
      description: 'The silence that ended; null where there was none.',
      schema: { document: 'alerts-silence' },
    },
  },
  answer: async ({ services: { app } }) => ok(silenceDocument(await app.endSilence(), false)),
});

export const ALERTS = [list, ack, retry, silence, endSilence];

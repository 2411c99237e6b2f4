import { z } from 'zod';
import { parseAiType } from '../../../budget/ai-type.ts';
import {
  MOST_USAGE_ROWS,
  USAGE_GROUPS,
  USAGE_ORDERS,
  usageQuery,
} from '../../../budget/usage-query.ts';
import { keptText } from '../fields.ts';
import { ok, operation } from '../operation.ts';

/** What was used, grouped. */

const TIME = /^\d{4}-\d\d-\d\d(T\d\d:\d\d(:\d\d(\.\d{1,3})?)?Z)?$/;
const NO_TIME = 'is no UTC time: YYYY-MM-DD, or YYYY-MM-DDTHH:MM:SSZ';

const timeField = z
  .string()
  .regex(TIME, NO_TIME)
  .refine((text) => instantOf(text) !== null, NO_TIME);

const nameField = keptText(z.string().min(1).max(200));

const query = z.strictObject({
  since: timeField
    .optional()
    .describe(
      'From this UTC time on: a date, or YYYY-MM-DDTHH:MM:SSZ. The current month where left out.',
    ),
  until: timeField
    .optional()
    .describe('Up to, and without, this UTC time; only with since. Up to now by default.'),
  month: z
    .string()
    .max(20)
    .optional()
    .describe('A whole month in place of the two, YYYY-MM (UTC).'),
  by: z
    .string()
    .max(60)
    .optional()
    .describe(
      `One of ${USAGE_GROUPS.join(', ')}, or two with a comma, of which one at most is a time; ai-type by default.`,
    ),
  aiType: nameField
    .optional()
    .describe('Of this AI type alone; unknown is that of rows without a valid name.'),
  model: nameField.optional().describe('Of this model alone, as it was logged.'),
  requestType: nameField
    .optional()
    .describe('Of this request type alone, as it was logged: sdk, gateway, api, import …'),
  sort: z
    .string()
    .max(20)
    .optional()
    .describe(
      `${USAGE_ORDERS.join(' or ')}; key (by time) where it is grouped by time, else used (the most tokens first).`,
    ),
  limit: z
    .string()
    .regex(/^\d{1,9}$/, 'must be a whole number')
    .transform(Number)
    .optional()
    .describe(
      `The rows with the most tokens, 1 to ${String(MOST_USAGE_ROWS)}; what they leave out is one row, other.`,
    ),
});

const usage = operation({
  ...{
    method: 'get',
    path: '/api/v1/usage',
    id: 'getUsage',
    tag: 'Usage',
    access: 'read',
    polled: true,
  },
  summary:
    'What was used, by AI type, model, request type and time: what tokenctl usage --json prints',
  description:
    'From hourly counts, in whole UTC hours. total is what status shows: the rows and the adjustments.',
  query,
  answers: { 200: { description: 'The groups and their sums.', schema: { document: 'usage' } } },
  answer: async ({ query: asked, services: { app, runtime } }) => {
    const { since, until, month, by, aiType, model, requestType, sort, limit } = asked;
    const request = {
      sinceMs: since === undefined ? null : instantOf(since),
      untilMs: until === undefined ? null : instantOf(until),
      month: month ?? null,
      by: by?.split(',') ?? null,
      aiType: aiType === undefined ? null : aiTypeOf(aiType),
      model: model ?? null,
      requestType: requestType ?? null,
      sort: sort ?? null,
      limit: limit ?? null,
    };
    return ok(await app.usage(usageQuery(request, runtime.nowMs(), '')));
  },
});

export const USAGE = [usage];

/** In ms; null for a day or an hour that no calendar has. */
function instantOf(text: string): number | null {
  const whole = text.length === 10 ? `${text}T00:00Z` : text;
  const atMs = Date.parse(whole);
  if (Number.isNaN(atMs)) return null;
  return new Date(atMs).toISOString().startsWith(whole.slice(0, 16)) ? atMs : null;
}

/** Rows of other programs without a valid name count under `unknown`, which may be asked for. */
function aiTypeOf(text: string): string {
  return text.trim().toLowerCase() === 'unknown' ? 'unknown' : parseAiType(text, 'aiType');
}

import { z } from 'zod';
import { parseAiType } from '../../../budget/ai-type.ts';
import { parseInstant } from '../../../budget/instant.ts';
import {
  MOST_USAGE_ROWS,
  USAGE_GROUPS,
  USAGE_ORDERS,
  usageQuery,
} from '../../../budget/usage-query.ts';
import { keptText } from '../fields.ts';
import { ok, operation } from '../operation.ts';

/** What was used, grouped. */

/** As a command line gives it; the parser says what is wrong with it. */
const instantField = z.string().max(60);

const nameField = keptText(z.string().min(1).max(200));

const query = z.strictObject({
  since: instantField
    .optional()
    .describe(
      'From this time on: a length of time ago (90s, 5m, 24h, 30d), a UTC date, or a time: YYYY-MM-DDTHH:MM[:SS], in UTC or with its offset (Z, %2B02:00). The current month where left out.',
    ),
  until: instantField
    .optional()
    .describe(
      'Up to, and without, this time, written as since; only with it. Up to now by default.',
    ),
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
    .regex(/^\d{1,9}$/, `must be a whole number from 1 to ${String(MOST_USAGE_ROWS)}`)
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
    const nowMs = runtime.nowMs();
    const request = {
      sinceMs: since === undefined ? null : parseInstant('since', since, nowMs),
      untilMs: until === undefined ? null : parseInstant('until', until, nowMs),
      month: month ?? null,
      by: by?.split(',') ?? null,
      aiType: aiType === undefined ? null : aiTypeOf(aiType),
      model: model ?? null,
      requestType: requestType ?? null,
      sort: sort ?? null,
      limit: limit ?? null,
    };
    return ok(await app.usage(usageQuery(request, nowMs, '')));
  },
});

export const USAGE = [usage];

/** Rows of other programs without a valid name count under `unknown`, which may be asked for. */
function aiTypeOf(text: string): string {
  return text.trim().toLowerCase() === 'unknown' ? 'unknown' : parseAiType(text, 'aiType');
}

import { z } from 'zod';
import { isoTime } from '../../../budget/windows.ts';
import type { LogEntry } from '../../../ledger/port.ts';
import { verdictOf } from '../../../ledger/request-document.ts';
import { fixesOf } from '../../denial.ts';
import { timeField } from '../fields.ts';
import { named, ok, operation } from '../operation.ts';

/** What was denied lately, and why. */

const MOST = 100;
const USUAL = 20;

const denialSchema = z.object({
  time: timeField.describe('When it was asked for, ISO 8601 in UTC.'),
  id: z.string().describe('The row of the log; tokenctl explain takes it.'),
  requestId: z.string().nullable().describe('As the caller named it; null where it did not.'),
  aiType: z.string().describe('Who asked.'),
  model: z.string().nullable().describe('Null where none was named.'),
  requestedTokens: z
    .int()
    .nullable()
    .describe('What it might have cost; null where that is not known.'),
  count: z.int().describe('How many denials of that second the row stands for.'),
  codes: z.array(z.string()).describe('The code of each rule that it broke.'),
  explanation: z
    .array(z.string())
    .describe('Each rule that it broke, in words with its arithmetic.'),
  canEverPass: z
    .boolean()
    .nullable()
    .describe(
      'Whether it could pass later under the limits of then; null where that is not known.',
    ),
  retryAt: timeField
    .nullable()
    .describe('From when on it could have passed; null where time does not help.'),
  fix: z
    .string()
    .nullable()
    .describe('The command that would change it; null where there is none.'),
  fixes: z
    .array(z.string())
    .describe('Each of the commands, where several are needed; empty where there is none.'),
});

const denials = operation({
  ...{
    method: 'get',
    path: '/api/v1/denials',
    id: 'getDenials',
    tag: 'Usage',
    access: 'read',
    polled: true,
  },
  summary: 'The newest denials, each with the rules that it broke',
  query: z.strictObject({
    limit: z
      .string()
      .regex(/^([1-9]\d?|100)$/, `must be a whole number from 1 to ${String(MOST)}`)
      .transform(Number)
      .optional()
      .describe(`The most rows, 1 to ${String(MOST)}; ${String(USUAL)} by default.`),
  }),
  answers: {
    200: {
      description: 'The newest first.',
      schema: named(
        'Denials',
        z.object({ denials: z.array(denialSchema).describe('The newest first.') }),
      ),
    },
  },
  answer: async ({ query: { limit = USUAL }, services: { app } }) =>
    ok({ denials: (await app.denials(limit)).map(denialOf) }),
});

export const DENIALS = [denials];

function denialOf(entry: LogEntry): z.output<typeof denialSchema> {
  const verdict = verdictOf(entry);
  const reasons = verdict?.reasons ?? [];
  // Another program may have logged it, in its own words.
  const told = entry.error === null ? [] : [entry.error];
  return {
    time: isoTime(entry.atMs),
    ...{ id: entry.id, requestId: entry.requestId, aiType: entry.aiType, model: entry.model },
    requestedTokens: verdict?.estimate.total ?? null,
    count: entry.deniedCount,
    codes: reasons.map(({ code }) => code),
    explanation: reasons.length === 0 ? told : reasons.map(({ message }) => message),
    canEverPass: verdict === null ? null : reasons.every(({ canEverPass }) => canEverPass),
    retryAt: verdict?.retryAt ?? null,
    fix: reasons.find(({ fix }) => typeof fix === 'string')?.fix ?? null,
    fixes: fixesOf(reasons),
  };
}

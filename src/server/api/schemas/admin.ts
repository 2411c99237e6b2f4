import { z } from 'zod';
import { AI_TYPE_LIMIT_KEYS, LIMIT_KEYS, type LimitKey, type LimitKeyRule } from '../../../budget/limits.ts';
import { acceptedValues } from '../../../budget/settings.ts';
import { aiTypeField, dryRunField, reasonField, tokensField, wholeField } from '../fields.ts';
import { named } from '../operation.ts';

/** What operators send to change limits, reset usage and care for alerts. */

/** What the database's columns can hold. */
export const MOST_ID = 2_147_483_647;

const revisionField = wholeField(0, MOST_ID);

const values = Object.fromEntries(
  Object.entries(LIMIT_KEYS as Record<LimitKey, LimitKeyRule>).map(([key, rule]) => {
    const amount = z.union(
      [wholeField(0, rule.max), z.string().min(1).max(40)],
      `send ${acceptedValues(rule)}; of an AI type ${ofAiType(key, rule)}`,
    );
    const about = `${rule.about}: ${acceptedValues(rule)}. Of an AI type ${ofAiType(key, rule)}.`;
    return [key, amount.optional().describe(about)];
  }),
);

function ofAiType(key: string, rule: LimitKeyRule): string {
  return (AI_TYPE_LIMIT_KEYS as readonly string[]).includes(key)
    ? acceptedValues(rule, 'any')
    : 'it can’t be set';
}

export const changeLimitsSchema = named(
  'ChangeLimitsRequest',
  z.strictObject({
    aiType: aiTypeField
      .optional()
      .describe('Whose own limits are meant; the global ones where it is left out.'),
    set: z
      .strictObject(values)
      .default({})
      .describe('Limits by their names, with a number, "15%" or "off" where that is accepted.'),
    unset: z
      .array(z.enum(Object.keys(LIMIT_KEYS) as [LimitKey, ...LimitKey[]]))
      .max(20)
      .default([])
      .describe('Limits that get their default again; of an AI type, that it no longer has.'),
    reason: reasonField.optional(),
    dryRun: dryRunField,
    revision: revisionField
      .optional()
      .describe('The revision that this change was made for: where another is in force, it is refused (409).'),
  }),
);

export const rollbackSchema = named(
  'RollbackLimitsRequest',
  z.strictObject({
    revision: wholeField(1, MOST_ID).describe('What this revision had set is set again.'),
    reason: reasonField.optional(),
    dryRun: dryRunField,
  }),
);

export const resetSchema = named(
  'ResetRequest',
  z.strictObject({
    aiTypes: z
      .array(aiTypeField)
      .min(1, 'names nobody: name at least one AI type, or leave it out for everybody’s usage')
      .max(100)
      .optional()
      .describe(
        'Whose usage is lowered, 1 to 100; everybody’s where it is left out. An empty list is refused: it could be meant as nobody’s.',
      ),
    window: z
      .enum(['month', 'day', 'hour', 'all'])
      .default('all')
      .describe('Which current window; all three by default.'),
    toTokens: tokensField('What the usage becomes, of exactly one AI type; 0 by default')
      .default(0),
    reason: reasonField,
    dryRun: dryRunField,
  }),
);

export const undoSchema = named(
  'UndoResetRequest',
  z.strictObject({ reason: reasonField.optional(), dryRun: dryRunField }).prefault({}),
);

export const resetParams = z.object({
  id: z
    .string()
    .regex(/^[1-9]\d{0,9}$/, 'is no id of a reset: a whole number from 1, as /api/v1/resets has them')
    .describe('The reset: its id, 1 to 2147483647.'),
});

const alertId = z
  .string()
  .regex(/^[0-9A-Fa-f-]{4,36}$/, 'must be the id of an alert, or its last 4 characters or more')
  .describe('The alert: its id, or the last 4 or more characters of it.');

export const alertParams = z.object({ id: alertId });

export const retrySchema = named(
  'RetryDeliveriesRequest',
  z.strictObject({ id: alertId.optional() }).prefault({}),
);

export const silenceSchema = named(
  'SilenceRequest',
  z.strictObject({
    seconds: wholeField(1, 604_800).describe('How long, in seconds: 1 to 604,800, 7 days.'),
    reason: reasonField,
  }),
);

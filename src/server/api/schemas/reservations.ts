import { z } from 'zod';
import { aiTypeField, keptText, tokensField, wholeField } from '../fields.ts';
import { named } from '../operation.ts';

/** What backends send to reserve, settle and release. Names and shapes are those of the library. */

const counted = named(
  'TokenEstimate',
  z.strictObject({
    input: tokensField('The most that goes in'),
    output: tokensField('The most that may come out: max_tokens'),
  }),
);

const prompted = named(
  'PromptEstimate',
  z.strictObject({
    prompt: z
      .union([
        z.string(),
        z.looseObject({ messages: z.array(z.unknown()).describe('As in a Messages request.') }),
      ])
      .describe(
        'Text, or the content of a Messages request: { system, messages, tools }. It is estimated, and not kept.',
      ),
    maxTokens: tokensField('The most that may come out'),
  }),
);

const CALL_FORMS = 'send { input, output } or { prompt, maxTokens }';

// xor, not union: of a union with one form that fits but for unknown fields zod tells these alone, without the form.
const estimateField = z
  .xor(
    [
      counted,
      prompted,
      z.strictObject({
        items: z
          .array(z.xor([counted, prompted], CALL_FORMS))
          .min(1)
          .max(100_000)
          .describe('The calls of a batch, 1 to 100,000, as far as the body has room.'),
      }),
    ],
    `${CALL_FORMS}; { items } is only for a batch`,
  )
  .describe(
    'What the call may cost. Of a batch each item must fit the limit of a request, their sum the windows. Input and output together are 1 to 10^12 tokens.',
  );

const nameField = (about: string) => keptText(z.string().min(1).max(200)).describe(`${about}: 1 to 200 characters.`);

const asked = {
  aiType: aiTypeField,
  estimate: estimateField,
  model: nameField('The model that is called').optional(),
};

export const checkSchema = named('CheckRequest', z.strictObject(asked));

export const reserveSchema = named(
  'ReserveRequest',
  z.strictObject({
    ...asked,
    requestId: nameField(
      'Your own id of the request, kept in the log. A retry with the same one gets the same reservation',
    ).optional(),
    ttlSeconds: wholeField(1, 2_678_400)
      .optional()
      .describe(
        'How long it is held before it is charged in full, in seconds: 1 to 2,678,400; the limit reservationTtl (600) by default.',
      ),
  }),
);

const errorField = keptText(z.string().max(2_000))
  .nullable()
  .optional()
  .describe('What failed, for the log: at most 2,000 characters.');

const cacheTokens = (about: string) =>
  tokensField(about)
    .nullable()
    .optional()
    .describe(`${about}, in tokens: 0 to 10^12; none by default.`);

const usageSchema = named(
  'KnownUsage',
  z.strictObject({
    inputTokens: tokensField('Uncached input, as the provider reports it'),
    outputTokens: tokensField('Output'),
    cacheCreationInputTokens: cacheTokens('Input that was written to the prompt cache'),
    cacheReadInputTokens: cacheTokens('Input that was read from the prompt cache'),
    model: nameField('The model that answered').optional(),
    stopReason: nameField('')
      .nullable()
      .optional()
      .describe("Why the model stopped, in the provider's words: 1 to 200 characters."),
    error: errorField,
  }),
);

export const settleSchema = named(
  'SettleRequest',
  z.xor(
    [
      usageSchema,
      named(
        'UnknownUsage',
        z.strictObject({
          unknown: z.literal(true).describe('Nobody knows what was charged: the hold is charged.'),
          error: errorField,
        }),
      ),
    ],
    'send { inputTokens, outputTokens } as the provider reports them; { "unknown": true } only where nobody knows: it charges the whole hold',
  ),
);

export const releaseSchema = named(
  'ReleaseRequest',
  z.strictObject({ error: errorField }).default({}),
);

export const endingSchema = named(
  'Ending',
  z.object({
    id: z.string().describe('The reservation.'),
    state: z
      .enum(['settled', 'released', 'expired'])
      .describe('How it ended; a hold whose time was over is expired and charged in full.'),
    charged: z.int().min(0).describe('What it is charged now, in tokens.'),
  }),
);

export const reservationParams = z.object({
  id: z
    .string()
    .max(100)
    .describe('The reservation: reservation.id of the answer that admitted it, a UUID.'),
});

export const reserveHeaders = z.object({
  'idempotency-key': keptText(z.string().min(1).max(200))
    .optional()
    .describe(
      'Binds retries to one admission, as requestId does; 1 to 200 characters. Beside a requestId it must be the same.',
    ),
});

import { z } from 'zod';
import { storageProblem } from '../../budget/storable.ts';
import { MAX_TOKENS } from '../../budget/tokens.ts';

/** Fields that several operations have. */

/** An AI type as callers name it; upper case is taken for lower. */
export const aiTypeField = z
  .string()
  .regex(
    /^[A-Za-z0-9][A-Za-z0-9_.-]{0,49}$/,
    "is no AI type: 1 to 50 of a-z, 0-9, '_', '.', '-', beginning with a letter or digit",
  )
  .describe(
    "The service that spends: 1 to 50 of a-z, 0-9, '_', '.', '-', such as imperium. global, all, none and unknown are reserved.",
  );

/** @param about what is counted, in tokens */
export function tokensField(about: string, least = 0): z.ZodNumber {
  return wholeField(least, MAX_TOKENS).describe(`${about}, in tokens: ${String(least)} to 10^12.`);
}

/** A whole number. Its bounds are looked at first: one that is too large is told the real bound. */
export function wholeField(least: number, most: number): z.ZodNumber {
  return z.number().min(least).max(most).int();
}

/** Text that is kept, or looked for among what is kept: both databases must keep it as it is. */
export function keptText(text: z.ZodString): z.ZodString {
  return text.refine((given) => storageProblem(given) === null, {
    error: ({ input }) => storageProblem(String(input)) ?? undefined,
  });
}

export const reasonField = keptText(z.string().trim().min(1).max(500)).describe(
  'Why, for the record: 1 to 500 characters.',
);

export const dryRunField = z
  .boolean()
  .default(false)
  .describe('true shows what would change, and changes nothing; false by default.');

export const timeField = z.string().meta({ format: 'date-time' });

import { parseAiType } from '../../../budget/ai-type.ts';
import { invalidInput, TokenctlError } from '../../../budget/errors.ts';
import { actorOf } from '../actor.ts';
import { ok, operation } from '../operation.ts';
import { MOST_ID, resetParams, resetSchema, undoSchema } from '../schemas/admin.ts';

/** Resets: the adjustments by which operators lower usage, and take that back. */

const tag = 'Resets';

const listResets = operation({
  ...{ method: 'get', path: '/api/v1/resets', id: 'getResets', tag, access: 'read' },
  summary: 'The adjustments by which usage was lowered: who, when, why, how much of which window',
  answers: { 200: { description: 'The newest 50 first.', schema: { document: 'resets' } } },
  answer: async ({ services: { app } }) => ok({ resets: await app.resets() }),
});

const reset = operation({
  ...{ method: 'post', path: '/api/v1/resets', id: 'reset', tag, access: 'admin' },
  summary: 'Lowers usage by an adjustment',
  description:
    'Holds, request rates and history stay. It can be undone. Repeated, it finds nothing to lower.',
  body: resetSchema,
  answers: {
    200: {
      description:
        'Each window before and after; id is null for a dry run, and where nothing was used.',
      schema: { document: 'reset' },
    },
  },
  answer: async ({ body, caller, services: { app } }) => {
    const { window, toTokens, reason, dryRun } = body;
    // To the ledger no name is everybody; who calls over HTTP says that by leaving them out.
    const aiTypes = [...new Set(body.aiTypes?.map((name) => parseAiType(name, 'aiTypes')))];
    if (toTokens > 0 && aiTypes.length !== 1) {
      throw invalidInput('toTokens', 'is for exactly one AI type', 'name it in aiTypes');
    }
    const request = { aiTypes, window, toTokens, actor: actorOf(caller), reason, dryRun };
    const { id, changes } = await app.reset(request);
    return ok({ id, dryRun, changes });
  },
});

const undoReset = operation({
  ...{ method: 'post', path: '/api/v1/resets/{id}/undo', id: 'undoReset', tag },
  summary: 'Takes a whole reset back',
  ...{ access: 'admin', params: resetParams, body: undoSchema },
  answers: {
    200: { description: 'Each window before and after.', schema: { document: 'reset' } },
  },
  problems: { 404: 'There is no such reset.', 409: 'It was undone already.' },
  answer: async ({ params, body: { reason = null, dryRun }, caller, services: { app } }) => {
    const number = Number(params.id);
    if (number > MOST_ID) {
      throw new TokenctlError('reset_not_found', `there is no reset ${params.id}`);
    }
    const { id, changes } = await app.undoReset(number, { actor: actorOf(caller), reason, dryRun });
    return ok({ id, dryRun, changes });
  },
});

export const RESETS = [listResets, reset, undoReset];

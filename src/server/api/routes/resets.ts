import { parseAiType } from '../../../budget/ai-type.ts';
import { closest } from '../../../budget/closest.ts';
import { invalidInput, TokenctlError } from '../../../budget/errors.ts';
import { hadRequests } from '../../../ledger/known-ai-type.ts';
import { actorOf } from '../actor.ts';
import { ok, operation, type Services } from '../operation.ts';
import { Problem } from '../problem.ts';
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
  problems: {
    404: 'Nothing is known of an AI type that was named: it is mistyped. Nothing is reset.',
  },
  answer: async ({ body, caller, services }) => {
    const { window, toTokens, reason, dryRun } = body;
    // To the ledger no name is everybody; who calls over HTTP says that by leaving them out.
    const aiTypes = [...new Set(body.aiTypes?.map((name) => parseAiType(name, 'aiTypes')))];
    if (toTokens > 0 && aiTypes.length !== 1) {
      throw invalidInput('toTokens', 'is for exactly one AI type', 'name it in aiTypes');
    }
    await requireKnown(services, aiTypes);
    const request = { aiTypes, window, toTokens, actor: actorOf(caller), reason, dryRun };
    const { id, changes } = await services.app.reset(request);
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

/** Of an AI type that has limits or had a request there may be nothing to lower. @throws ai_type_not_found */
async function requireKnown({ app, reads }: Services, aiTypes: readonly string[]): Promise<void> {
  if (aiTypes.length === 0) return;
  const { report, limits } = await reads.read();
  const known = [...report.aiTypes.map(({ aiType }) => aiType), ...Object.keys(limits.aiTypes)];
  for (const aiType of aiTypes) {
    if (known.includes(aiType)) continue;
    if (await app.ledger.read((ops) => hadRequests(ops, aiType))) continue;
    const meant = closest(aiType, known);
    throw new Problem('ai_type_not_found', `aiTypes: nothing is known of ${aiType}`, {
      field: 'aiTypes',
      fix: meant === null ? '/api/v1/status has those that are in use' : `did you mean ${meant}?`,
    });
  }
}

import { parseAiType } from '../../../budget/ai-type.ts';
import { invalidInput, TokenctlError } from '../../../budget/errors.ts';
import { applyChanges, checkSettings, parseSetting } from '../../../budget/settings.ts';
import { limitsChangeDocument, limitsDocument } from '../../../ledger/limits-documents.ts';
import { actorOf } from '../actor.ts';
import { ok, operation } from '../operation.ts';
import { changeLimitsSchema, rollbackSchema } from '../schemas/admin.ts';

/** Limits: what is in force, and its changes. Each is kept with who made it. */

const tag = 'Limits';
/** Where a revision of the limits came from. */
const SOURCE = 'api';

const getLimits = operation({
  ...{ method: 'get', path: '/api/v1/limits', id: 'getLimits', tag },
  summary: 'The limits in force, where each comes from, and their revision',
  ...{ access: 'read', polled: true },
  answers: { 200: { description: 'As tokenctl limits --json.', schema: { document: 'limits' } } },
  answer: async ({ services: { app } }) => ok(limitsDocument(await app.limits())),
});

const changeLimits = operation({
  ...{ method: 'patch', path: '/api/v1/limits', id: 'changeLimits', tag },
  summary: 'Sets and unsets limits, as a new revision',
  description:
    'All or nothing. It is in force at the next decision of every process. Where nothing would change no revision is made.',
  ...{ access: 'admin', body: changeLimitsSchema },
  answers: {
    200: {
      description: 'What changed, and what that does.',
      schema: { document: 'limits-change' },
    },
  },
  problems: { 409: 'Another revision is in force than the one that was named.' },
  answer: async ({ body, caller, services: { app } }) => {
    const { set, unset, revision, dryRun, reason = null } = body;
    const aiType = body.aiType === undefined ? null : parseAiType(body.aiType);
    const both = unset.find((key) => set[key] !== undefined);
    if (both !== undefined) {
      throw invalidInput('unset', `${both} is set too`, 'name it in one of the two');
    }
    const set_ = Object.entries(set).flatMap(([key, value]) =>
      value === undefined ? [] : [parseSetting(key, String(value), aiType, 'set.')],
    );
    const changes = [...set_, ...unset.map((key) => ({ aiType, key, value: null }))];
    if (changes.length === 0) {
      throw invalidInput('set', 'names no limit', 'set or unset one, such as { "hourly": "15%" }');
    }
    const note = { source: SOURCE, actor: actorOf(caller), reason, dryRun };
    const done = await app.changeLimits(
      async (settings) => {
        if (revision !== undefined) requireRevision((await app.limits()).revision, revision);
        return applyChanges(settings, changes);
      },
      note,
      aiType,
    );
    return ok(limitsChangeDocument(done, dryRun));
  },
});

const limitHistory = operation({
  ...{ method: 'get', path: '/api/v1/limits/history', id: 'getLimitHistory', tag },
  summary: 'Every change of limits: who, when, why',
  access: 'read',
  answers: { 200: { description: 'The newest first.', schema: { document: 'limits-history' } } },
  answer: async ({ services: { app } }) => ok({ revisions: await app.limitHistory() }),
});

const rollbackLimits = operation({
  ...{ method: 'post', path: '/api/v1/limits/rollback', id: 'rollbackLimits', tag },
  summary: 'Sets again what a revision had set, as a new revision',
  ...{ access: 'admin', body: rollbackSchema },
  answers: {
    200: {
      description: 'What changed, and what that does.',
      schema: { document: 'limits-change' },
    },
  },
  answer: async ({ body: { revision, reason, dryRun }, caller, services: { app } }) => {
    const back = `back to revision ${String(revision)}`;
    const note = {
      ...{ source: SOURCE, actor: actorOf(caller), dryRun },
      reason: reason === undefined ? back : `${back}: ${reason}`,
    };
    const done = await app.changeLimits(async () => {
      const found = (await app.limitHistory()).find((each) => each.revision === revision);
      if (found === undefined) {
        const problem = `there is no revision ${String(revision)}`;
        throw invalidInput('revision', problem, '/api/v1/limits/history has them');
      }
      checkSettings(found.settings);
      return found.settings;
    }, note);
    return ok(limitsChangeDocument(done, dryRun));
  },
});

export const LIMITS = [getLimits, changeLimits, limitHistory, rollbackLimits];

/** @throws limits_changed */
function requireRevision(inForce: number, wanted: number): void {
  if (inForce === wanted) return;
  throw new TokenctlError(
    'limits_changed',
    `revision ${String(inForce)} is in force, not ${String(wanted)}`,
    { field: 'revision', fix: 'look at the limits again: /api/v1/limits' },
  );
}

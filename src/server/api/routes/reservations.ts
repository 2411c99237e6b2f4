import { parseAiType } from '../../../budget/ai-type.ts';
import { invalidInput } from '../../../budget/errors.ts';
import type { Caller } from '../../access.ts';
import { ok, operation } from '../operation.ts';
import { Problem, problemOfVerdict } from '../problem.ts';
import {
  checkSchema,
  endingSchema,
  releaseSchema,
  reservationParams as params,
  reserveHeaders as headers,
  reserveSchema,
  settleSchema,
} from '../schemas/reservations.ts';

/** Reserve, settle, release, check: what the library does, for backends in any language. */

const tag = 'Reservations';
const verdict = { document: 'verdict' };

const reserve = operation({
  ...{ method: 'post', path: '/api/v1/reservations', id: 'reserve', tag, access: 'reserve' },
  summary: 'Admits a call and holds its estimate, or denies it',
  description:
    'Call the provider only after a 201. It is durable then. A retry with the same requestId or Idempotency-Key gets the same reservation and counts once; a denial is decided anew. Settle or release it afterwards: what is left is charged in full when its time is over.',
  ...{ headers, body: reserveSchema },
  answers: {
    201: {
      description: 'Admitted: the verdict, with the reservation.',
      schema: verdict,
      headers: { location: 'The path of the reservation.' },
    },
  },
  problems: {
    409: 'The key belongs to another request, or its reservation has ended.',
    422: 'Denied, and it can never pass under the limits in force. The verdict’s members stand beside those of the problem.',
    429: 'Denied; retry-after says when it may pass, where that is known. With the verdict’s members.',
    503: 'The ledger does not answer or is busy: denied. With the verdict’s members where it was asked.',
  },
  answer: async ({ body, headers: { 'idempotency-key': key }, caller, services }) => {
    const aiType = parseAiType(body.aiType);
    requireAiType(caller, aiType);
    const { requestId } = body;
    if (key !== undefined && requestId !== undefined && key !== requestId) {
      throw invalidInput('idempotency-key', 'is not the requestId of the body', 'send one of them');
    }
    const { model, ttlSeconds, estimate } = body;
    const decided = await services.guard.reserve({
      ...{ aiType, estimate: estimate as never },
      ...(model === undefined ? {} : { model }),
      ...(requestId === undefined ? {} : { requestId }),
      ...(key === undefined ? {} : { idempotencyKey: key }),
      ...(ttlSeconds === undefined ? {} : { ttlSeconds }),
    });
    const { reservation } = decided;
    if (reservation === null) throw problemOfVerdict(decided, services.runtime.nowMs());
    const location = `/api/v1/reservations/${reservation.id}`;
    return { status: 201, body: decided, headers: { location } };
  },
});

const settle = operation({
  ...{ method: 'post', path: '/api/v1/reservations/{id}/settle', id: 'settle', tag },
  summary: 'Replaces a hold by what the call used',
  description:
    'Idempotent: the first settle counts, a repeated one answers what is charged. Usage above the hold is counted in full. A late one corrects an expired reservation.',
  ...{ access: 'reserve', params, body: settleSchema },
  answers: { 200: { description: 'It is charged; durable.', schema: endingSchema } },
  problems: { 404: 'There is no such reservation, or it is not one of the token’s AI types.' },
  answer: async ({ params: { id }, body, caller, services }) => {
    return ok(await services.guard.settle(id, body as never, aiTypesOf(caller)));
  },
});

const release = operation({
  ...{ method: 'post', path: '/api/v1/reservations/{id}/release', id: 'release', tag },
  summary: 'Drops a hold: the provider charged nothing',
  description: 'Idempotent. What is not known to be free must be settled as { "unknown": true }.',
  ...{ access: 'reserve', params, body: releaseSchema },
  answers: { 200: { description: 'It is free; durable.', schema: endingSchema } },
  problems: {
    404: 'There is no such reservation, or it is not one of the token’s AI types.',
    409: 'It was settled.',
  },
  answer: async ({ params: { id }, body, caller, services }) => {
    return ok(await services.guard.release(id, body, aiTypesOf(caller)));
  },
});

const check = operation({
  ...{
    method: 'post',
    path: '/api/v1/check',
    id: 'check',
    tag,
    access: 'check',
    body: checkSchema,
  },
  summary: 'Would a call pass now? Reserves nothing',
  answers: { 200: { description: 'The verdict, admitted or denied.', schema: verdict } },
  answer: async ({ body: { aiType, estimate, model }, services }) => {
    const decided = await services.guard.check({
      ...{ aiType, estimate: estimate as never },
      ...(model === undefined ? {} : { model }),
    });
    const { reasons } = decided;
    // The ledger itself could not say.
    if (reasons.some(({ code }) => code === 'ledger_unavailable' || code === 'ledger_busy')) {
      throw problemOfVerdict(decided, services.runtime.nowMs());
    }
    return ok(decided);
  },
});

export const RESERVATIONS = [reserve, settle, release, check];

/** @throws forbidden */
function requireAiType(caller: Caller | null, aiType: string): void {
  const aiTypes = caller?.aiTypes ?? null;
  if (aiTypes === null || aiTypes.includes(aiType)) return;
  throw new Problem('forbidden', `aiType: the token may not spend for ${aiType}`, {
    field: 'aiType',
    fix: `tokenctl token create --ai-type ${aiType}`,
  });
}

function aiTypesOf(caller: Caller | null): { readonly aiTypes: readonly string[] | null } {
  return { aiTypes: caller?.aiTypes ?? null };
}

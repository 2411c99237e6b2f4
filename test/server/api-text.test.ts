import { describe, expect, it } from 'vitest';
import { openApi } from '../support/api.ts';
import { sql } from '../support/budget.ts';
import { DATABASES } from '../support/databases.ts';

const estimate = { input: 5, output: 5 };
const good = { aiType: 'imperium', estimate };
const used = { inputTokens: 1, outputTokens: 1 };

/** A body with this text in each of its fields in turn. */
const withText = (bad: string): readonly (readonly [string, string, object, string])[] => [
  ['POST', '/api/v1/reservations', { ...good, requestId: bad }, 'requestId'],
  ['POST', '/api/v1/reservations', { ...good, model: bad }, 'model'],
  ['POST', '/api/v1/reservations', { ...good, aiType: bad }, 'aiType'],
  ['POST', '/api/v1/check', { ...good, model: bad }, 'model'],
  ['POST', '/api/v1/reservations/ID/settle', { ...used, model: bad }, 'model'],
  ['POST', '/api/v1/reservations/ID/settle', { ...used, stopReason: bad }, 'stopReason'],
  ['POST', '/api/v1/reservations/ID/settle', { ...used, error: bad }, 'error'],
  ['POST', '/api/v1/reservations/ID/settle', { unknown: true, error: bad }, 'error'],
  ['POST', '/api/v1/reservations/ID/release', { error: bad }, 'error'],
  ['POST', '/api/v1/resets', { reason: bad }, 'reason'],
  ['POST', '/api/v1/resets', { reason: 'x', aiTypes: [bad] }, 'aiTypes[0]'],
  ['POST', '/api/v1/resets/1/undo', { reason: bad }, 'reason'],
  ['PATCH', '/api/v1/limits', { set: { hourly: 1 }, reason: bad }, 'reason'],
  ['PATCH', '/api/v1/limits', { set: { hourly: bad } }, 'set.hourly'],
  ['PATCH', '/api/v1/limits', { set: { [bad]: 1 } }, 'set.a?b'],
  ['POST', '/api/v1/limits/rollback', { revision: 1, reason: bad }, 'reason'],
  ['PUT', '/api/v1/alerts/silence', { seconds: 60, reason: bad }, 'reason'],
  ['POST', '/api/v1/alerts/retry', { id: bad }, 'id'],
];

describe.each(DATABASES)('text that no database keeps as it is, on %s', (kind) => {
  it('is refused by its field, in every body and query, and nothing is written', async () => {
    const { ask, target } = await openApi(kind);
    const { body: admitted } = await ask('/api/v1/reservations', { body: good });
    const { id } = admitted['reservation'] as { id: string };
    const stored = () => sql(target, 'SELECT * FROM token_usage_logs');
    const before = await stored();
    for (const bad of ['a\0b', 'a\ud800b', 'a\udfffb']) {
      for (const [method, path, body, field] of withText(bad)) {
        const { status, body: problem } = await ask(path.replace('ID', id), { method, body });
        const told = [path, body, status, problem['code'], problem['field']];
        expect(told).toEqual([path, body, 400, 'invalid_input', field]);
      }
    }
    for (const field of ['model', 'requestType', 'aiType', 'since', 'by', 'month', 'sort']) {
      const { status, body } = await ask(`/api/v1/usage?${field}=a%00b`);
      expect([field, status, body['field']]).toEqual([field, 400, field]);
    }
    expect(await stored()).toEqual(before);
    const { body } = await ask('/api/v1/resets', { body: { reason: 'a\0b' } });
    expect(body['detail']).toBe('reason: has a NUL character (U+0000), which no database keeps');
  });

  it('is a pair of surrogates all the same, and comes back as it was', async () => {
    const { ask, target } = await openApi(kind);
    const sent = { ...good, requestId: 'r\u{1f600}', model: '\u{10ffff}' };
    expect((await ask('/api/v1/reservations', { body: sent })).status).toBe(201);
    expect(await sql(target, 'SELECT request_id, model_used FROM token_usage_logs')).toEqual([
      { request_id: sent.requestId, model_used: sent.model },
    ]);
    expect((await ask(`/api/v1/usage?model=${encodeURIComponent(sent.model)}`)).status).toBe(200);
  });
});

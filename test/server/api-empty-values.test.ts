import { expect, it } from 'vitest';
import { openApi } from '../support/api.ts';
import { foreignLog } from '../support/budget.ts';

const reason = 'a test';

/** Bodies with an empty value that might be taken for "all", "off" or "none". */
const EMPTY: readonly (readonly [string, string, object | string, field: string])[] = [
  ['POST', '/api/v1/resets', { aiTypes: [], reason }, 'aiTypes'],
  ['POST', '/api/v1/resets', { aiTypes: [], toTokens: 5, reason }, 'aiTypes'],
  ['POST', '/api/v1/resets', { aiTypes: [''], reason }, 'aiTypes[0]'],
  ['POST', '/api/v1/resets', { aiTypes: null, reason }, 'aiTypes'],
  ['POST', '/api/v1/resets', { aiTypes: '', reason }, 'aiTypes'],
  ['POST', '/api/v1/resets', { window: '', reason }, 'window'],
  ['POST', '/api/v1/resets', { toTokens: null, reason }, 'toTokens'],
  ['POST', '/api/v1/resets', { reason: ' ' }, 'reason'],
  ['POST', '/api/v1/resets', { reason, dryRun: null }, 'dryRun'],
  ['POST', '/api/v1/resets', '', 'body'],
  ['POST', '/api/v1/resets/1/undo', { reason: '' }, 'reason'],
  ['PATCH', '/api/v1/limits', '', 'body'],
  ['PATCH', '/api/v1/limits', {}, 'set'],
  ['PATCH', '/api/v1/limits', { set: {}, unset: [] }, 'set'],
  ['PATCH', '/api/v1/limits', { set: { hourly: '' } }, 'set.hourly'],
  ['PATCH', '/api/v1/limits', { set: { hourly: ' ' } }, 'set.hourly'],
  ['PATCH', '/api/v1/limits', { set: { hourly: null } }, 'set.hourly'],
  ['PATCH', '/api/v1/limits', { aiType: '', unset: ['hourly'] }, 'aiType'],
  ['PATCH', '/api/v1/limits', { unset: [''] }, 'unset[0]'],
  ['POST', '/api/v1/limits/rollback', {}, 'revision'],
  ['POST', '/api/v1/limits/rollback', { revision: 0 }, 'revision'],
  ['POST', '/api/v1/alerts/retry', { id: '' }, 'id'],
  ['PUT', '/api/v1/alerts/silence', { reason }, 'seconds'],
  ['PUT', '/api/v1/alerts/silence', { seconds: 0, reason }, 'seconds'],
];

it('an empty value is refused by its field, and changes nothing', async () => {
  const { app, ask, target } = await openApi('sqlite', { limits: { hourly: 5_000 } });
  await foreignLog(target, new Date().toISOString(), 110, 'imperium');
  const { revision } = await app.limits();
  for (const [method, path, body, field] of EMPTY) {
    const { status, body: problem } = await ask(path, { method, body });
    const told = [path, body, status, problem['code'], problem['field']];
    expect(told).toEqual([path, body, 400, 'invalid_input', field]);
  }
  expect((await app.limits()).revision).toBe(revision);
  expect(await app.resets()).toEqual([]);
  expect((await app.status()).windows[0]).toMatchObject({ used: 110 });
});

it('a reset is of everybody where it names no AI type at all, and says so where the list is empty', async () => {
  const { app, ask, target } = await openApi('sqlite');
  await foreignLog(target, new Date().toISOString(), 110, 'imperium');
  const { body } = await ask('/api/v1/resets', { body: { aiTypes: [], reason } });
  expect(body['detail']).toBe(
    'aiTypes: names nobody: name at least one AI type, or leave it out for everybody’s usage',
  );
  expect((await ask('/api/v1/resets', { body: { reason } })).status).toBe(200);
  expect((await app.status()).windows[0]).toMatchObject({ used: 0 });
});

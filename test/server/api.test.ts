import { beforeEach, describe, expect, it } from 'vitest';
import { OPENAPI, openApi, type OpenedApi } from '../support/api.ts';
import { foreignLog } from '../support/budget.ts';
import { DATABASES } from '../support/databases.ts';
import { addAlert } from '../support/prepared.ts';

const reserved = (input: number, more: object = {}) => ({
  aiType: 'imperium',
  estimate: { input, output: 10 },
  ...more,
});

interface Verdict {
  readonly admitted: boolean;
  readonly reservation: { readonly id: string } | null;
}

interface Told {
  readonly fix: string;
  readonly fixes: readonly string[];
}

describe.each(DATABASES)('the API on %s', (kind) => {
  let opened: OpenedApi;
  beforeEach(async () => {
    opened = await openApi(kind, {
      limits: {
        monthly: 10_000,
        enforcedMonthly: 1_000,
        daily: 800,
        hourly: 700,
        request: 500,
        warning: 80,
      },
      aiTypes: { guardian: { monthly: 100, request: 90 } },
    });
  });

  /** Reserves, and settles with so many tokens. */
  async function spend(aiType: string, tokens: number): Promise<void> {
    const body = { aiType, estimate: { input: tokens, output: 0 } };
    const { reservation } = (await opened.ask<Verdict>('/api/v1/reservations', { body })).body;
    const settle = `/api/v1/reservations/${reservation!.id}/settle`;
    const usage = { inputTokens: tokens - 5, outputTokens: 5 };
    expect((await opened.ask(settle, { body: usage })).body).toEqual({
      id: reservation!.id,
      state: 'settled',
      charged: tokens,
    });
  }

  it('answers what older clients read, in their names', async () => {
    await spend('imperium', 300);
    await spend('guardian', 85);
    await opened.ask('/api/v1/reservations', { body: reserved(90) });
    await foreignLog(opened.target, new Date().toISOString(), 15, 'sandbox');

    const { body: monthly } = await opened.ask('/api/token-usage/monthly', { token: null });
    expect(monthly).toEqual({
      month_year: new Date().toISOString().slice(0, 7),
      ai_usage: {
        imperium: {
          ...{ tokens_in: 295, tokens_out: 5, total_tokens: 300, request_count: 2 },
          ...{ monthly_limit: 1_000, usage_percentage: 30, status: 'active' },
          last_request_at: expect.stringMatching(/Z$/) as string,
        },
        guardian: expect.objectContaining({
          ...{ total_tokens: 85, monthly_limit: 100, usage_percentage: 85 },
        }) as object,
        sandbox: expect.objectContaining({ total_tokens: 15, request_count: 1 }) as object,
      },
      summary: { total_tokens: 400, total_requests: 4, ai_count: 3 },
    });

    const one = await opened.ask('/api/token-usage/monthly/Guardian', { token: null });
    expect(one.body).toMatchObject({ ai_type: 'guardian', total_tokens: 85, tokens_in: 80 });
    expect(Date.parse(String(one.body['updated_at']))).toBeGreaterThan(Date.now() - 60_000);
    const unknown = await opened.ask('/api/token-usage/monthly/nobody', { token: null });
    expect([unknown.status, unknown.body['code']]).toEqual([404, 'ai_type_not_found']);

    const { body: alerts } = await opened.ask('/api/token-usage/alerts', { token: null });
    expect(alerts['alerts']).toEqual([
      {
        ...{ ai_type: 'guardian', usage_percentage: 85, total_tokens: 85, monthly_limit: 100 },
        alert_level: 'warning',
        ...{ remaining_tokens: 15, last_request_at: expect.any(String) as string },
      },
    ]);

    const { body: summary } = await opened.ask('/api/token-usage/summary', { token: null });
    const { ai_usage: usage } = monthly as { ai_usage: object };
    expect(summary).toMatchObject({
      usage_summary: { ai_usage: usage },
      emergency_status: {
        ...{ emergency_shutdown: false, usage_percentage: 50 },
        ...{ total_tokens: 500, remaining_tokens: 500 },
      },
      limits: { monthly_limit: 10_000, enforced_global_limit: 1_000, hourly_limit: 700 },
    });
    const { body: limits } = await opened.ask('/api/token-usage/limits', { token: null });
    expect(limits).toEqual(summary['limits']);

    const { body: status } = await opened.ask('/api/token-usage/status/guardian', { token: null });
    expect(status).toEqual({
      ...{ ai_type: 'guardian', global_total_tokens: 500, enforced_global_limit: 1_000 },
      ...{ usage_percentage: 50, daily_usage_percentage: 62.5, hourly_usage_percentage: 71.42 },
      ...{ status: 'ok', remaining_tokens: 500 },
      limits: { monthly_limit: 100, daily_limit: 800, hourly_limit: 700, request_limit: 90 },
    });
  });

  it('admits, denies and never admits, each with its status and the verdict', async () => {
    const admitted = await opened.ask<Verdict>('/api/v1/reservations', { body: reserved(400) });
    expect(admitted.status).toBe(201);
    expect(admitted.body.admitted).toBe(true);
    const { id } = admitted.body.reservation!;
    expect(admitted.headers.get('location')).toBe(`/api/v1/reservations/${id}`);

    const denied = await opened.ask('/api/v1/reservations', { body: reserved(400) });
    expect(denied.status).toBe(429);
    expect(Number(denied.headers.get('retry-after'))).toBeGreaterThan(0);
    expect(denied.body).toMatchObject({
      ...{ code: 'window_exceeded', admitted: false, largestAdmissible: 290 },
      ...{ requestId: denied.headers.get('x-request-id') },
    });

    const never = await opened.ask('/api/v1/reservations', { body: reserved(600) });
    expect([never.status, never.body['code']]).toEqual([422, 'request_too_large']);
    expect(never.headers.get('retry-after')).toBeNull();

    const check = await opened.ask('/api/v1/check', { body: reserved(400), token: null });
    expect([check.status, check.body['admitted'], check.body['reservation']]).toEqual([
      ...[200, false, null],
    ]);

    const release = `/api/v1/reservations/${id}/release`;
    for (let time = 0; time < 2; time += 1) {
      const { body } = await opened.ask(release, { method: 'POST' });
      expect(body).toEqual({ id, state: 'released', charged: 0 });
    }
    const late = `/api/v1/reservations/${id}/settle`;
    const used = { inputTokens: 7, outputTokens: 1, stopReason: 'end_turn' };
    expect((await opened.ask(late, { body: used })).body).toMatchObject({ charged: 8 });
    const ended = await opened.ask(release, { body: { error: 'too late' } });
    expect([ended.status, ended.body['code']]).toEqual([409, 'reservation_ended']);
  });

  it('estimates prompts and batches', async () => {
    const of = async (estimate: object) =>
      (await opened.ask('/api/v1/check', { body: { aiType: 'imperium', estimate } })).body[
        'estimate'
      ];
    expect(await of({ prompt: 'one two three', maxTokens: 10 })).toEqual({
      ...{ input: 4, output: 10, total: 14 },
    });
    const messages = [{ role: 'user', content: 'one two three' }];
    expect(await of({ prompt: { messages }, maxTokens: 10 })).toMatchObject({ output: 10 });
    expect(
      await of({
        items: [
          { input: 1, output: 2 },
          { prompt: 'a', maxTokens: 3 },
        ],
      }),
    ).toEqual({
      ...{ input: 3, output: 5, total: 8 },
    });
  });

  it('settles what nobody knows as the hold', async () => {
    const { body } = await opened.ask<Verdict>('/api/v1/reservations', { body: reserved(40) });
    const settle = `/api/v1/reservations/${body.reservation!.id}/settle`;
    const ended = await opened.ask(settle, { body: { unknown: true, error: 'a time-out' } });
    expect(ended.body).toMatchObject({ state: 'settled', charged: 50 });
  });

  it('binds retries to one admission, by requestId or by Idempotency-Key', async () => {
    const made = async (more: object, headers: Record<string, string> = {}) =>
      opened.ask<Verdict & { code?: string; field?: string }>('/api/v1/reservations', {
        body: reserved(10, more),
        headers,
      });
    const first = await made({ requestId: 'a' });
    expect((await made({ requestId: 'a' })).body.reservation).toEqual(first.body.reservation);
    const same = await made({ requestId: 'a' }, { 'idempotency-key': 'a' });
    expect(same.body.reservation).toEqual(first.body.reservation);
    const alone = await made({}, { 'idempotency-key': 'a' });
    expect(alone.body.reservation).toEqual(first.body.reservation);
    const both = await made({ requestId: 'a' }, { 'idempotency-key': 'b' });
    expect([both.status, both.body.field]).toEqual([400, 'idempotency-key']);
    const other = await made({ requestId: 'a', estimate: { input: 11, output: 10 } });
    expect([other.status, other.body.code]).toEqual([409, 'key_reused']);
    const { windows } = await opened.app.status();
    expect(windows[0]).toMatchObject({ held: 20, requests: 1 });
  });

  it('shows and changes limits: dry, for a revision, and back', async () => {
    const { body: before } = await opened.ask('/api/v1/limits', { token: null });
    const revision = before['revision'] as number;
    const change = (body: object) =>
      opened.ask('/api/v1/limits', { method: 'PATCH', body: { reason: 'a test', ...body } });
    const dry = await change({ set: { hourly: '50%' }, dryRun: true });
    expect(dry.body).toMatchObject({ revision, changed: true, dryRun: true });
    const changed = await change({ set: { hourly: 600, warning: 'off' }, revision });
    expect(changed.body).toMatchObject({ revision: revision + 1, effective: { hourly: 600 } });
    const late = await change({ set: { hourly: 500 }, revision });
    expect([late.status, late.body['code']]).toEqual([409, 'limits_changed']);
    const own = await change({ aiType: 'guardian', set: { hourly: 50 }, unset: ['monthly'] });
    expect(own.body).toMatchObject({ changed: true });
    const wrong = await change({ set: { hourly: 'many' } });
    expect([wrong.status, wrong.body['field']]).toEqual([400, 'set.hourly']);

    const { body: history } = await opened.ask('/api/v1/limits/history', { token: null });
    expect((history['revisions'] as object[])[0]).toMatchObject({
      ...{ revision: revision + 2, source: 'api', actor: 'token test', reason: 'a test' },
    });
    const rollback = (body: object) => opened.ask('/api/v1/limits/rollback', { body });
    const back = await rollback({ revision });
    expect(back.body).toMatchObject({ revision: revision + 3, effective: { hourly: 700 } });
    expect(await rollback({ revision: 99 })).toMatchObject({
      ...{ status: 400, body: { field: 'revision' } },
    });
  });

  it('tells each command that a denial needs', async () => {
    const { body } = await opened.ask('/api/v1/reservations', { body: reserved(740) });
    const { fix, fixes, reasons } = body as unknown as Told & { reasons: Told[] };
    expect(fixes.length).toBeGreaterThan(1);
    expect(fixes).toEqual([...new Set(reasons.map((reason) => reason.fix))]);
    expect(fixes[0]).toBe(fix);
    const denied = () => opened.ask<{ denials: Told[] }>('/api/v1/denials', { token: null });
    await expect.poll(async () => (await denied()).body.denials[0]?.fixes).toEqual(fixes);
    const set: Record<string, number> = {};
    for (const [, key = '', value] of fixes.join(' ').matchAll(/limits set (\w+)=(\d+)/g)) {
      set[key] = Number(value);
    }
    expect(Object.keys(set)).toHaveLength(fixes.length);
    await opened.ask('/api/v1/limits', { method: 'PATCH', body: { set } });
    const passed = await opened.ask('/api/v1/reservations', { body: reserved(740) });
    expect(passed.status).toBe(201);
  });

  it('resets usage: dry, once, and takes it back', async () => {
    await spend('imperium', 100);
    const reset = (body: object) => opened.ask('/api/v1/resets', { body });
    const request = { aiTypes: ['imperium'], window: 'hour', reason: 'a test' };
    expect((await reset({ ...request, dryRun: true })).body).toMatchObject({ id: null });
    const { body } = await reset(request);
    expect(body).toMatchObject({ id: 1, dryRun: false });
    expect((await reset(request)).body).toEqual({ id: null, dryRun: false, changes: [] });
    const { body: list } = await opened.ask('/api/v1/resets', { token: null });
    expect(list).toMatchObject({ resets: [{ id: 1, actor: 'token test', undone: false }] });
    const undo = () => opened.ask('/api/v1/resets/1/undo', { method: 'POST' });
    expect((await undo()).body).toMatchObject({ id: 1 });
    expect(await undo()).toMatchObject({ status: 409, body: { code: 'reset_undone' } });
    expect((await opened.app.status()).windows[2]).toMatchObject({ used: 100 });
    expect(await opened.ask('/api/v1/resets/2147483648/undo', { method: 'POST' })).toMatchObject({
      ...{ status: 404, body: { code: 'reset_not_found' } },
    });
    const two = await reset({ toTokens: 5, reason: 'a test' });
    expect([two.status, two.body['field']]).toEqual([400, 'toTokens']);
  });

  it('resets nothing where an AI type is named of which nothing is known', async () => {
    await spend('imperium', 100);
    await foreignLog(opened.target, '2025-03-01T00:00:00Z', 15, 'retired');
    const reset = (aiTypes: readonly string[], dryRun: boolean) =>
      opened.ask('/api/v1/resets', { body: { aiTypes, reason: 'a test', dryRun } });
    for (const dryRun of [true, false]) {
      for (const [name, fix] of [
        ['imperum', 'did you mean imperium?'],
        ['gaurdian', 'did you mean guardian?'],
        ['constructor', '/api/v1/status has those that are in use'],
      ] as const) {
        expect(await reset(['imperium', name], dryRun)).toMatchObject({
          status: 404,
          body: {
            ...{ code: 'ai_type_not_found', field: 'aiTypes', fix },
            detail: `aiTypes: nothing is known of ${name}`,
          },
        });
      }
      for (const name of ['guardian', 'Retired']) {
        expect(await reset([name], dryRun)).toMatchObject({
          ...{ status: 200, body: { id: null, dryRun, changes: [] } },
        });
      }
    }
    expect((await opened.app.status()).windows[0]).toMatchObject({ used: 100 });
  });

  it('cares for alerts', async () => {
    await opened.app.ledger.write(addAlert);
    const { body: list } = await opened.ask('/api/v1/alerts', { token: null });
    const [alert] = list['alerts'] as { id: string; deliveries: { state: string }[] }[];
    expect(alert!.deliveries[0]!.state).toBe('dead');
    const retried = await opened.ask('/api/v1/alerts/retry', { method: 'POST' });
    expect(retried.body).toMatchObject({ deliveries: [{ alertId: alert!.id }] });
    const acked = await opened.ask(`/api/v1/alerts/${alert!.id}/ack`, { method: 'POST' });
    expect(acked.body).toMatchObject({ ackedBy: 'token test' });
    const unknown = await opened.ask('/api/v1/alerts/00000000/ack', { method: 'POST' });
    expect([unknown.status, unknown.body['code']]).toEqual([404, 'alert_not_found']);
    const silence = { seconds: 3_600, reason: 'load test' };
    const path = '/api/v1/alerts/silence';
    const begun = await opened.ask(path, { method: 'PUT', body: silence });
    expect(begun.body).toMatchObject({ silent: true, silence: { reason: 'load test' } });
    const ended = await opened.ask(path, { method: 'DELETE' });
    expect(ended.body).toMatchObject({ silent: false, silence: { reason: 'load test' } });
  });

  it('has ETags on what is polled, which a change of the ledger changes, and time does not', async () => {
    const polled = Object.entries(OPENAPI.paths)
      .filter(([path, { get }]) => get?.responses['304'] !== undefined && !path.includes('{'))
      .map(([path]) => path);
    expect(polled.length).toBeGreaterThan(6);
    for (const path of polled) {
      const { headers, status } = await opened.ask(path);
      expect([path, status]).toEqual([path, 200]);
      const etag = headers.get('etag')!;
      const again = await opened.ask(path, { headers: { 'if-none-match': `"x", ${etag}` } });
      expect([path, again.status, again.body]).toEqual([path, 304, null]);
      const head = await opened.ask(path, { method: 'HEAD' });
      expect([path, head.status, head.headers.get('etag')]).toEqual([path, 200, etag]);
    }
    const path = '/api/token-usage/summary';
    const before = (await opened.ask(path)).headers.get('etag')!;
    await spend('imperium', 10);
    const after = await opened.ask(path, { headers: { 'if-none-match': before } });
    expect(after.status).toBe(200);
  });

  it('gives to each who ask at once what they asked for', async () => {
    await spend('imperium', 100);
    for (const input of [501, 502]) {
      await opened.ask('/api/v1/reservations', { body: reserved(input) });
    }
    const path = '/api/token-usage/monthly';
    const [imperium, guardian, one, both] = await Promise.all([
      opened.ask(`${path}/imperium`),
      opened.ask(`${path}/guardian`),
      opened.ask<{ denials: unknown[] }>('/api/v1/denials?limit=1'),
      opened.ask<{ denials: unknown[] }>('/api/v1/denials?limit=2'),
    ]);
    expect(imperium.body).toMatchObject({ ai_type: 'imperium', total_tokens: 100 });
    expect([guardian.status, guardian.body['code']]).toEqual([404, 'ai_type_not_found']);
    expect([one.body.denials.length, both.body.denials.length]).toEqual([1, 2]);
  });

  it('says that it lives, is ready, and what it is', async () => {
    expect((await opened.ask('/healthz', { token: null })).body).toEqual({ status: 'ok' });
    expect((await opened.ask('/readyz', { token: null })).body).toMatchObject({ status: 'ready' });
    expect((await opened.ask('/openapi.json', { token: null })).body).toEqual(OPENAPI);
    const { body } = await opened.ask('/api/v1/status', { token: null });
    expect(body).toMatchObject({ schemaVersion: 1, level: 'ok' });
  });
});

describe('openapi.json', () => {
  const operations = Object.entries(OPENAPI.paths).flatMap(([path, methods]) =>
    Object.entries(methods).map(([method, operation]) => ({ path, method, operation })),
  );

  it('says of every operation, parameter and field what it is', () => {
    expect(OPENAPI.openapi).toBe('3.1.0');
    expect(operations.length).toBeGreaterThan(20);
    const silent = (node: unknown, at: string): string[] => {
      if (typeof node !== 'object' || node === null) return [];
      return Object.entries(node).flatMap(([key, value]): string[] => {
        if (key !== 'properties' || Array.isArray(value)) return silent(value, `${at}.${key}`);
        return Object.entries(value as object).flatMap(([name, field]) => [
          ...((field as { description?: string }).description ? [] : [`${at}.${name}`]),
          ...silent(field, `${at}.${name}`),
        ]);
      });
    };
    expect(silent(OPENAPI.components.schemas, '')).toEqual([]);
    for (const { operation } of operations) {
      expect(operation).toMatchObject({ summary: expect.any(String) as string });
      for (const { description } of operation.parameters ?? []) expect(description).toBeTruthy();
    }
  });

  it('names each operation once', () => {
    const ids = operations.map(({ operation }) => operation.operationId);
    expect(new Set(ids).size).toBe(ids.length);
  });
});

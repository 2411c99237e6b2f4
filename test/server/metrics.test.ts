import { readFileSync } from 'node:fs';
import { describe, expect, it } from 'vitest';
import { ALERT_KINDS } from '../../src/budget/alert-kinds.ts';
import { ask, openApi, startApi, type OpenedApi } from '../support/api.ts';
import { foreignLog, sql } from '../support/budget.ts';
import { DATABASES } from '../support/databases.ts';
import { openTestLedger } from '../support/ledgers.ts';
import { samplesOf, valueOf, type MetricSample } from '../support/metrics.ts';
import { startProxy } from '../support/postgres-proxy.ts';
import { addAlert } from '../support/prepared.ts';
import { untilHourLasts } from '../support/processes.ts';
import { promtool } from '../support/prometheus.ts';

const RESERVE = '/api/v1/reservations';

async function textOf(url: string): Promise<string> {
  return (await ask<string>(url, '/metrics')).body;
}

async function scrape(url: string): Promise<MetricSample[]> {
  return samplesOf(await textOf(url));
}

/** Reserves, and ends it so. */
async function call(
  { ask: asked }: OpenedApi,
  aiType: string,
  input: number,
  end: 'settle' | 'release',
  body: object,
): Promise<void> {
  const estimate = { input, output: 10 };
  const { body: verdict } = await asked<{ reservation: { id: string } }>(RESERVE, {
    body: { aiType, estimate },
  });
  const { status } = await asked(`${RESERVE}/${verdict.reservation.id}/${end}`, { body });
  expect(status).toBe(200);
}

/** A request each of `type-0`, which uses 1 token, `type-1`, which uses 2, and so on. */
async function logTypes({ target }: OpenedApi, many: number): Promise<void> {
  const time = new Date().toISOString();
  const rows = Array.from({ length: many }, (_, index) => [`type-${index}`, index + 1, time]);
  await sql(
    target,
    `INSERT INTO token_usage_logs (ai_type, total_tokens, created_at) VALUES ${rows.map(() => '(?, ?, ?)').join(', ')}`,
    rows.flat(),
  );
}

describe.each(DATABASES)('metrics on %s', (kind) => {
  it('show the ledger as status does, and what the process has answered', async () => {
    await untilHourLasts(20_000);
    const opened = await openApi(kind, {
      limits: { monthly: 2_000, enforcedMonthly: 1_000, warning: 50, daily: 900, request: 700 },
      aiTypes: { guardian: { monthly: 400 }, idle: { daily: 0 } },
    });
    const used = { inputTokens: 400, outputTokens: 20 };
    await call(opened, 'imperium', 400, 'settle', used);
    await call(opened, 'imperium', 40, 'settle', { unknown: true });
    await call(opened, 'guardian', 90, 'release', {});
    await foreignLog(opened.target, new Date().toISOString(), 30, 'sandbox');
    await opened.ask(RESERVE, {
      body: { aiType: 'guardian', estimate: { input: 90, output: 10 } },
    });
    await opened.ask(RESERVE, {
      body: { aiType: 'imperium', estimate: { input: 650, output: 0 } },
    });
    await opened.ask(RESERVE, {
      body: { aiType: 'imperium', estimate: { input: 800, output: 0 } },
    });
    await opened.app.ledger.write(addAlert);

    const text = await textOf(opened.api.url);
    expect(promtool(['check', 'metrics'], text)).toEqual({ status: 0, output: '' });
    const samples = samplesOf(text);
    const value = (name: string, labels = {}) => valueOf(samples, `tokenctl_${name}`, labels);

    const status = await opened.app.status();
    for (const {
      scope,
      window,
      used: u,
      held,
      limit,
      requests,
      failed,
      denied,
    } of status.windows) {
      const labels = {
        ...(scope === 'global' ? { scope } : { scope: 'ai_type', ai_type: scope }),
        window,
      };
      expect({
        ...{ scope, window },
        used: value('usage_tokens', labels),
        held: value('held_tokens', labels),
        limit: value('limit_tokens', labels) ?? null,
        requests: value('window_requests', labels),
        failed: value('window_failed_requests', labels),
        denied: value('window_denied_requests', labels),
      }).toEqual({ scope, window, used: u, held, limit, requests, failed, denied });
    }
    expect(status.windows.length).toBe(9);
    const month = { scope: 'global', window: 'month' };
    // 420 used, 50 charged as its hold, 30 foreign, 100 held.
    expect(value('usage_ratio', month)).toBe(0.6);
    expect(value('usage_ratio', { ai_type: 'guardian', window: 'month' })).toBe(0.25);
    expect(value('usage_ratio', { ai_type: 'idle', window: 'day' })).toBe(0);
    expect(value('usage_tokens', { ai_type: 'sandbox', window: 'hour' })).toBe(30);
    expect(value('level')).toBe(1);
    expect(value('level_threshold_tokens', { level: 'warning' })).toBe(500);
    expect(value('level_threshold_tokens', { level: 'critical' })).toBeUndefined();
    expect(value('largest_admissible_tokens')).toBe(300);
    expect(value('open_reservations')).toBe(1);
    expect(value('overdue_tokens')).toBe(0);
    expect(value('limits_revision')).toBe(1);
    expect(value('rate_requests', { window: 'day' })).toBe(status.rates[1]!.requests);
    expect(value('rate_limit_requests', { window: 'day' })).toBeUndefined();
    expect(value('last_log_timestamp_seconds')).toBe(Date.parse(status.lastLogAt!) / 1_000);
    expect(value('window_reset_timestamp_seconds', { window: 'month' })).toBe(
      Date.parse(status.windows[0]!.resetsAt) / 1_000,
    );
    expect(value('limit_reached_timestamp_seconds')).toBeUndefined();
    expect(value('ledger_up')).toBe(1);
    const open = samples.filter(({ name }) => name === 'tokenctl_alerts_open');
    expect(open.length).toBe(ALERT_KINDS.length * 3);
    expect(open.filter((sample) => sample.value !== 0)).toEqual([
      expect.objectContaining({ labels: { kind: 'level', level: 'warning' }, value: 1 }),
    ]);

    const results = (ai_type: string) =>
      ['settled', 'failed', 'released', 'denied'].map((result) =>
        value('requests_total', { ai_type, result }),
      );
    expect(results('imperium')).toEqual([1, 1, 0, 2]);
    expect(results('guardian')).toEqual([0, 0, 1, 0]);
    expect(results('sandbox')).toEqual([0, 0, 0, 0]);
    expect(value('tokens_total', { ai_type: 'imperium', type: 'input' })).toBe(440);
    expect(value('tokens_total', { ai_type: 'imperium', type: 'output' })).toBe(30);
    expect(value('denial_reasons_total', { code: 'window_exceeded', window: 'month' })).toBe(2);
    expect(value('denial_reasons_total', { code: 'request_too_large', window: 'none' })).toBe(1);
    expect(value('admission_duration_seconds_count')).toBe(6);
    expect(value('batch_commands_sum')).toBe(9);
    expect(value('build_info', { database: kind })).toBe(1);
  });

  it('keep a settle that is repeated, and a retry with the same key, from counting twice', async () => {
    const opened = await openApi(kind);
    const body = { aiType: 'a', estimate: { input: 5, output: 5 }, requestId: 'once' };
    const ids = new Set<string>();
    for (let time = 0; time < 3; time += 1) {
      const { body: verdict } = await opened.ask<{ reservation: { id: string } }>(RESERVE, {
        body,
      });
      ids.add(verdict.reservation.id);
    }
    const [id] = ids;
    for (let time = 0; time < 3; time += 1) {
      const used = { inputTokens: 3, outputTokens: 4 };
      await opened.ask(`${RESERVE}/${id!}/settle`, { body: used });
    }
    const samples = await scrape(opened.api.url);
    expect(valueOf(samples, 'tokenctl_requests_total', { result: 'settled' })).toBe(1);
    expect(valueOf(samples, 'tokenctl_tokens_total', { type: 'output' })).toBe(4);
  });

  it('show a hundred AI types by name and the rest as one, and lose no token', async () => {
    const opened = await openApi(kind, { aiTypes: { limited: { monthly: 10 } } });
    await logTypes(opened, 130);
    const month = (await scrape(opened.api.url)).filter(
      ({ name, labels }) => name === 'tokenctl_usage_tokens' && labels['window'] === 'month',
    );
    const named = month.filter(({ labels }) => labels['scope'] === 'ai_type');
    expect(named.length).toBe(101);
    const sum = named.reduce((total, sample) => total + sample.value, 0);
    expect(sum).toBe(valueOf(month, 'tokenctl_usage_tokens', { scope: 'global' }));
    expect(sum).toBe((130 * 131) / 2);
    // Who has limits and who uses most have their names.
    const names = named.map(({ labels }) => labels['ai_type']);
    expect(names).toEqual(expect.arrayContaining(['limited', 'type-129', '_other']));
    expect(names).not.toContain('type-0');
  });

  it('keep an AI type called other apart from the rest', async () => {
    const opened = await openApi(kind, { aiTypes: { other: { monthly: 100 } } });
    await logTypes(opened, 130);
    await foreignLog(opened.target, new Date().toISOString(), 30, 'other');
    const samples = await scrape(opened.api.url);
    const month = { ai_type: 'other', window: 'month' };
    expect(valueOf(samples, 'tokenctl_usage_tokens', month)).toBe(30);
    expect(valueOf(samples, 'tokenctl_usage_ratio', month)).toBe(0.3);
    const rest = { ai_type: '_other', window: 'month' };
    // 99 of the 130 have their names, those that use most.
    expect(valueOf(samples, 'tokenctl_usage_tokens', rest)).toBe((31 * 32) / 2);
    expect(valueOf(samples, 'tokenctl_usage_ratio', rest)).toBeUndefined();
  });

  it('name an AI type of the rest once it has limits, and lose no token', async () => {
    const opened = await openApi(kind);
    await logTypes(opened, 130);
    const month = { ai_type: 'type-9', window: 'month' };
    expect(valueOf(await scrape(opened.api.url), 'tokenctl_usage_tokens', month)).toBeUndefined();
    const { status } = await opened.ask('/api/v1/limits', {
      method: 'PATCH',
      body: { aiType: 'type-9', set: { monthly: 8 } },
    });
    expect(status).toBe(200);
    const ratio = async () => valueOf(await scrape(opened.api.url), 'tokenctl_usage_ratio', month);
    await expect.poll(ratio, { timeout: 10_000 }).toBe(1.25);
    const samples = await scrape(opened.api.url);
    expect(valueOf(samples, 'tokenctl_limit_tokens', month)).toBe(8);
    // 29 of the 30 that use least.
    const rest = { ai_type: '_other', window: 'month' };
    expect(valueOf(samples, 'tokenctl_usage_tokens', rest)).toBe((30 * 31) / 2 - 10);
    expect(
      valueOf(samples, 'tokenctl_requests_total', { ai_type: 'type-9', result: 'denied' }),
    ).toBe(0);
  });

  it('write nothing: a hold past its time shows as used, and stays open', async () => {
    const opened = await openApi(kind);
    const body = { aiType: 'a', estimate: { input: 5, output: 5 }, ttlSeconds: 1 };
    await opened.ask(RESERVE, { body });
    await expect
      .poll(async () => valueOf(await scrape(opened.api.url), 'tokenctl_overdue_tokens'), {
        timeout: 10_000,
      })
      .toBe(10);
    const samples = await scrape(opened.api.url);
    expect(valueOf(samples, 'tokenctl_open_reservations')).toBe(1);
    const month = { scope: 'global', window: 'month' };
    expect(valueOf(samples, 'tokenctl_usage_tokens', month)).toBe(10);
    const [row] = await sql(opened.target, 'SELECT state FROM token_usage_logs');
    expect(row).toEqual({ state: 'reserved' });
  });

  it('show who reserved and never settled, by AI type and window, before the hold is charged and after', async () => {
    await untilHourLasts(20_000);
    const opened = await openApi(kind);
    const reserve = (aiType: string, ttlSeconds: number) =>
      opened.ask(RESERVE, { body: { aiType, estimate: { input: 5, output: 5 }, ttlSeconds } });
    await reserve('c', 600);
    await Promise.all(['a', 'a', 'b'].map((aiType) => reserve(aiType, 2)));
    const expired = async () =>
      (await scrape(opened.api.url))
        .filter(({ name }) => name === 'tokenctl_window_expired_requests')
        .map(({ labels, value }) => [
          labels['ai_type'] ?? labels['scope'],
          labels['window'],
          value,
        ]);
    const shown = (
      [
        ['global', 3],
        ['a', 2],
        ['b', 1],
        ['c', 0],
      ] as const
    ).flatMap(([who, many]) => ['month', 'day', 'hour'].map((window) => [who, window, many]));
    const inAnyOrder: unknown = expect.arrayContaining(shown);
    await expect.poll(expired, { timeout: 10_000 }).toEqual(inAnyOrder);
    const state = `SELECT state FROM token_usage_logs WHERE state = 'expired'`;
    expect(await sql(opened.target, state)).toEqual([]);
    await reserve('c', 600);
    expect(await sql(opened.target, state)).toHaveLength(3);
    await expect.poll(expired, { timeout: 10_000 }).toEqual(inAnyOrder);
    expect(await expired()).toHaveLength(shown.length);
  });

  it('are read as the API is: openly on this machine, else by a token that may read', async () => {
    const opened = await openApi(kind);
    const { url } = opened.api;
    const headers = { 'x-forwarded-for': '10.1.2.3' };
    const status = async (token: string | null) =>
      (await ask(url, '/metrics', { token, headers })).status;
    expect(await status(null)).toBe(401);
    expect(await status(await opened.token({ scopes: ['reserve'] }))).toBe(403);
    expect(await status(await opened.token({ scopes: ['read'] }))).toBe(200);
    const got = await ask(url, '/metrics');
    expect(got.headers.get('content-type')).toBe('text/plain; version=0.0.4; charset=utf-8');
    expect((await ask(url, '/metrics', { method: 'POST' })).status).toBe(405);
  });
});

it('say that the ledger is lost, without old numbers, and that it is back', async () => {
  const { target } = await openTestLedger('postgresql');
  await foreignLog(target, new Date().toISOString(), 30);
  const proxy = await startProxy(target);
  const { url } = await startApi(proxy.target.url);
  const up = async () => valueOf(await scrape(url), 'tokenctl_ledger_up');
  expect(await up()).toBe(1);
  for (const mode of ['refuses', 'silent'] as const) {
    proxy.mode = mode;
    proxy.cut();
    await expect.poll(up, { timeout: 15_000 }).toBe(0);
    const text = await textOf(url);
    expect(promtool(['check', 'metrics'], text)).toEqual({ status: 0, output: '' });
    const ofLedger = samplesOf(text).filter(({ name }) =>
      /^tokenctl_(?!.*(_total|_info|_bucket|_sum|_count)$)/.test(name),
    );
    expect(ofLedger).toEqual([{ name: 'tokenctl_ledger_up', labels: {}, value: 0 }]);
    proxy.mode = 'passes';
    await expect.poll(up, { timeout: 15_000 }).toBe(1);
  }
}, 90_000);

it('are each told in docs/metrics.md', async () => {
  const opened = await openApi('sqlite', { limits: { enforcedMonthly: 100, requestsPerDay: 5 } });
  const shown = [...(await textOf(opened.api.url)).matchAll(/^# TYPE (\S+) (\S+)$/gm)]
    .map(([, name = '', type = '']) => `${name} ${type}`)
    .filter((entry) => entry.startsWith('tokenctl_'));
  const docs = readFileSync(new URL('../../docs/metrics.md', import.meta.url), 'utf8');
  const told = [...docs.matchAll(/^\| `(tokenctl_\w+)` \| (\w+) \|/gm)].map(
    ([, name = '', type = '']) => `${name} ${type}`,
  );
  expect(told.length).toBeGreaterThan(20);
  // What is left out where there is nothing to say.
  const sometimes = [
    'tokenctl_limit_reached_timestamp_seconds',
    'tokenctl_last_log_timestamp_seconds',
    'tokenctl_level_threshold_tokens',
  ].map((name) => `${name} gauge`);
  expect(told.toSorted()).toEqual([...new Set([...shown, ...sometimes])].toSorted());
});

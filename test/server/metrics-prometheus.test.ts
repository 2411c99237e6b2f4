import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import { describe, expect, it } from 'vitest';
import { migrateDatabase } from '../../src/app.ts';
import type { Settings } from '../../src/budget/limits.ts';
import { windowAt } from '../../src/budget/windows.ts';
import { ask, startApi } from '../support/api.ts';
import { testClock } from '../support/clock.ts';
import { emptyDatabase } from '../support/databases.ts';
import { openLedgerOn, UNLIMITED } from '../support/ledgers.ts';
import { startProxy } from '../support/postgres-proxy.ts';
import { until, untilHourLasts } from '../support/processes.ts';
import { DEPLOY, promtool, startPrometheus } from '../support/prometheus.ts';

const HOUR_MS = 3_600_000;

interface Panel {
  readonly title: string;
  readonly targets?: readonly { readonly expr: string; readonly datasource: unknown }[];
}

interface Dashboard {
  readonly panels: readonly Panel[];
  readonly annotations: { readonly list: readonly { readonly expr: string }[] };
}

const DASHBOARD = JSON.parse(
  readFileSync(join(DEPLOY, '../grafana/dashboards/tokenctl.json'), 'utf8'),
) as Dashboard;

describe('the files for Prometheus', () => {
  it('are well formed, and the rules fire when they should and not else', () => {
    for (const args of [
      ['check', 'config', join(DEPLOY, 'prometheus.yml')],
      ['check', 'rules', join(DEPLOY, 'rules/tokenctl-alerts.yml')],
      ['test', 'rules', join(DEPLOY, 'rules.test.yml')],
    ]) {
      const { status, output } = promtool(args);
      expect([args[1], status, output]).toEqual([
        args[1],
        0,
        expect.not.stringMatching(/FAILED|duplicate/i),
      ]);
    }
  });

  it('have a test for each alert', () => {
    const rules = readFileSync(join(DEPLOY, 'rules/tokenctl-alerts.yml'), 'utf8');
    const tests = readFileSync(join(DEPLOY, 'rules.test.yml'), 'utf8');
    const alerts = [...rules.matchAll(/alert: (\w+)/g)].map(([, name = '']) => name);
    expect(alerts.length).toBeGreaterThan(10);
    expect(alerts.filter((name) => !tests.includes(name))).toEqual([]);
  });
});

const LIMITS: Settings = {
  global: {
    ...UNLIMITED.global,
    ...{ monthly: 1_000, enforcedMonthly: 1_000, daily: 2_000, hourly: 1_000 },
    ...{ warning: 80, critical: 95, emergency: 98, requestsPerDay: 1_000 },
  },
  aiTypes: { guardian: { monthly: 500 } },
};

/** A server on a database that has counted for two days, which a test may take away, and a way to spend. */
async function openServer() {
  const target = await emptyDatabase('postgresql');
  const runtime = testClock(new Date(Date.now() - 48 * HOUR_MS).toISOString());
  await migrateDatabase({ target, runtime, dryRun: false, firstSettings: LIMITS });
  const { app } = await openLedgerOn(target);
  const usual = { name: 'test', scopes: ['admin'], aiTypes: null, expiresAtMs: null } as const;
  const { secret: token } = await app.createToken({ ...usual, actor: null });
  const proxy = await startProxy(target);
  const api = await startApi(proxy.target.url);
  const reserve = async (aiType: string, tokens: number) => {
    const body = { aiType, estimate: { input: tokens, output: 0 } };
    return ask<{ reservation: { id: string } }>(api.url, '/api/v1/reservations', { body, token });
  };
  return {
    ...{ api, proxy, reserve },
    spend: async (aiType: string, tokens: number) => {
      const { body } = await reserve(aiType, tokens);
      const path = `/api/v1/reservations/${body.reservation.id}/settle`;
      const used = { inputTokens: tokens - 1, outputTokens: 1 };
      expect((await ask(api.url, path, { body: used, token })).status).toBe(200);
    },
  };
}

/** As Grafana asks it: with the variables of the dashboard, and its own. */
function withVariables(expr: string, instance: string): string {
  return expr
    .replaceAll('$instance', instance)
    .replaceAll('$__rate_interval', '2m')
    .replaceAll('$__interval', '2m');
}

it('a real Prometheus scrapes: alerts fire as levels are crossed, and the dashboard has data', async () => {
  await untilHourLasts(60_000);
  const monthLasts = windowAt('month', Date.now() + 2 * HOUR_MS).startsAtMs < Date.now();
  const { api, proxy, reserve, spend } = await openServer();
  const host = new URL(api.url).host;
  const prometheus = await startPrometheus(host);
  const fires = (...names: string[]) =>
    until(async () => {
      const firing = await prometheus.firing();
      return names.every((name) => firing.includes(name));
    }, 15_000);

  await spend('imperium', 500);
  await until(async () => (await prometheus.query('tokenctl_usage_tokens')).length > 0);
  expect(await prometheus.firing()).toEqual([]);

  await spend('guardian', 330);
  await fires('TokenctlWarning');
  expect(await prometheus.firing()).not.toContain('TokenctlCritical');

  await spend('imperium', 130);
  for (let time = 0; time < 12; time += 1)
    expect((await reserve('imperium', 900)).status).toBe(429);
  await fires('TokenctlCritical', 'TokenctlHourExhausted', 'TokenctlManyDenials');
  if (monthLasts) await fires('TokenctlRunsOut');
  expect(await prometheus.firing()).not.toContain('TokenctlWarning');

  const queries = DASHBOARD.panels
    .filter(({ title }) => monthLasts || title !== 'Month is used up')
    .flatMap(({ title, targets = [] }) =>
      targets.map(({ expr, datasource }) => ({
        title,
        expr: withVariables(expr, host),
        datasource,
      })),
    );
  expect(queries.length).toBeGreaterThan(25);
  expect(new Set(queries.map(({ datasource }) => JSON.stringify(datasource)))).toEqual(
    new Set([JSON.stringify({ type: 'prometheus', uid: '${datasource}' })]),
  );
  const withoutData = async () => {
    const results = await Promise.all(queries.map(({ expr }) => prometheus.query(expr)));
    return queries.filter((_, index) => results[index]!.length === 0);
  };
  await expect.poll(withoutData, { timeout: 10_000 }).toEqual([]);
  for (const { expr } of DASHBOARD.annotations.list) {
    expect(await prometheus.query(withVariables(expr, host))).toEqual([]);
  }

  await spend('imperium', 25);
  await fires('TokenctlEmergency');
  expect(await prometheus.firing()).not.toContain('TokenctlRunsOut');

  proxy.mode = 'refuses';
  proxy.cut();
  await fires('TokenctlLedgerDown');
  expect(
    await prometheus.query('{__name__=~"tokenctl_(usage|held|limit)_.*|tokenctl_level"}'),
  ).toEqual([]);
  // The numbers are gone, and so is what was said of them.
  await until(async () => !(await prometheus.firing()).includes('TokenctlEmergency'));

  api.child.kill('SIGKILL');
  await fires('TokenctlDown');
}, 60_000);

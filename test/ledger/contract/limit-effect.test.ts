import { describe, expect, it } from 'vitest';
import type { ChangeNote } from '../../../src/app.ts';
import type { Settings, SettingValue } from '../../../src/budget/limits.ts';
import { idOf, openBudget, sql, tokens } from '../../support/budget.ts';
import { DATABASES } from '../../support/databases.ts';

const plan: ChangeNote = { source: 'test', actor: null, reason: null, dryRun: true };
const hourly =
  (value: SettingValue) =>
  (settings: Settings): Settings => ({
    ...settings,
    global: { ...settings.global, hourly: value },
  });

describe.each(DATABASES)('what a change of limits would change on %s', (kind) => {
  it('is the largest request, the rule that binds, and the denials that would have passed', async () => {
    const { app, guard } = await openBudget(kind, { global: { hourly: 200, request: 1_000 } });
    idOf(await guard.reserve(tokens(150)));
    for (const size of [51, 100, 2_000]) await guard.reserve(tokens(size));
    const { effect, before, after } = await app.changeLimits(hourly(300), plan);
    expect(after.revision).toBe(before.revision);
    expect(effect).toMatchObject({
      aiType: null,
      largestAdmissible: { before: 50, after: 150 },
      binding: {
        before: { window: 'hour', limit: 200, remaining: 50 },
        after: { window: 'hour', limit: 300, remaining: 150 },
      },
      denialsToday: 3,
      wouldHavePassed: { before: 0, after: 2 },
      cut: false,
    });
    const off = await app.changeLimits(hourly('off'), plan);
    expect(off.effect).toMatchObject({
      largestAdmissible: { after: 1_000 },
      binding: { after: { window: 'request', limit: 1_000 } },
      wouldHavePassed: { after: 2 },
    });
  });

  it('judges each denial of a summary row, and what changed the limits since', async () => {
    const { app, guard, clock } = await openBudget(kind, { global: { hourly: 50 } });
    await Promise.all(Array.from({ length: 25 }, () => guard.reserve(tokens(51))));
    await app.changeLimits(hourly(60), { ...plan, dryRun: false });
    // The next second has rows of its own again.
    clock.advance(1_000);
    await guard.reserve(tokens(70));
    const { effect } = await app.changeLimits(hourly(70), plan);
    expect(effect).toMatchObject({ denialsToday: 26, wouldHavePassed: { before: 25, after: 26 } });
  });

  it("shows an AI type's own rules where it is the one that changes", async () => {
    const { app, guard } = await openBudget(kind, { global: { hourly: 500 } });
    const own = (settings: Settings): Settings => ({
      ...settings,
      aiTypes: { imperium: { hourly: 90 } },
    });
    idOf(await guard.reserve(tokens(30)));
    expect((await app.changeLimits(own, plan, 'imperium')).effect).toMatchObject({
      aiType: 'imperium',
      largestAdmissible: { before: 470, after: 60 },
      binding: {
        before: { scope: 'global' },
        after: { scope: 'imperium', window: 'hour', limit: 90 },
      },
    });
    expect((await app.changeLimits(own, plan)).effect).toMatchObject({
      largestAdmissible: { before: 470, after: 470 },
    });
  });

  it('leaves out yesterday, and says where it was cut', async () => {
    const budget = await openBudget(kind, {
      start: '2025-06-15T23:59:59Z',
      global: { hourly: 50 },
    });
    const { app, guard, clock, target } = budget;
    await guard.reserve(tokens(51));
    expect((await app.changeLimits(hourly(51), plan)).effect).toMatchObject({ denialsToday: 1 });
    clock.advance(1_000);
    expect((await app.changeLimits(hourly(51), plan)).effect).toMatchObject({ denialsToday: 0 });
    const verdict = JSON.stringify(await guard.check(tokens(51)));
    const rows = `WITH RECURSIVE n(i) AS (SELECT 1 UNION ALL SELECT i + 1 FROM n WHERE i < 1001) SELECT 'imperium', 'denied', CAST(? AS text), '2025-06-16 00:00:00' FROM n`;
    const at =
      kind === 'postgresql'
        ? rows.replace(`'2025-06-16 00:00:00'`, `timestamp '2025-06-16 00:00:00'`)
        : rows;
    await sql(target, `INSERT INTO token_usage_logs (ai_type, state, verdict, created_at) ${at}`, [
      verdict,
    ]);
    expect((await app.changeLimits(hourly(51), plan)).effect).toMatchObject({
      denialsToday: 1_000,
      wouldHavePassed: { before: 0, after: 1_000 },
      cut: true,
    });
  });

  it('is nothing where nothing changes', async () => {
    const { app } = await openBudget(kind, { global: { hourly: 50 } });
    const { before, after, effect } = await app.changeLimits(hourly(50), {
      ...plan,
      dryRun: false,
    });
    expect(effect).toBeNull();
    expect(after).toEqual(before);
  });
});

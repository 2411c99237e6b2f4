import { describe, expect, it } from 'vitest';
import type { Channel } from '../../src/alerts/channel.ts';
import { messageOf } from '../../src/alerts/message.ts';
import { USUAL_ALERT_KINDS, type AlertKindSettings } from '../../src/budget/alert-kinds.ts';
import type { Alert } from '../../src/ledger/alerts.ts';
import { foreignLog, idOf, openBudget, tokens, type BudgetOptions } from '../support/budget.ts';
import { DATABASES, type DatabaseName } from '../support/databases.ts';

const HOUR_MS = 3_600_000;

/** A budget and two monitors, which look at the same time, twice; what they told. */
async function watched(kind: DatabaseName, options: BudgetOptions = {}) {
  const budget = await openBudget(kind, options);
  const second = await budget.another();
  const told: string[] = [];
  const titles: string[] = [];
  const alerts: Alert[] = [];
  const channel: Channel = {
    ...{ name: 'console', events: ['raised', 'resolved'] },
    send: (alert, event) => {
      const whose = alert.aiType === null ? '' : ` of ${alert.aiType}`;
      told.push(`${event} ${alert.kind} ${alert.level}${whose}, ${alert.windowStart}`);
      titles.push(messageOf(alert, event).title);
      alerts.push(alert);
      return Promise.resolve();
    },
  };
  return {
    ...{ ...budget, titles, alerts },
    use: async (amount: number, aiType = 'imperium'): Promise<void> => {
      const id = idOf(await budget.guard.reserve(tokens(amount, 0, aiType)));
      await budget.guard.settle(id, { inputTokens: amount, outputTokens: 0 });
    },
    /** What is told by two looks of both monitors. */
    look: async (kinds: Partial<AlertKindSettings> = {}): Promise<string[]> => {
      const settings = { ...USUAL_ALERT_KINDS, ...kinds };
      for (let round = 0; round < 2; round += 1) {
        await Promise.all(
          [budget.app, second.app].map((app) => app.watch([channel], null, settings)),
        );
      }
      return told.splice(0);
    },
  };
}

const resetOf = (window: 'day' | 'hour' | 'month') => ({
  ...{ aiTypes: [], window, actor: null, reason: 'test', dryRun: false },
});

describe.each(DATABASES)('on %s two monitors tell once', (database) => {
  it('that the day and the hour are exhausted, what passes still, and that each is over', async () => {
    const { clock, app, look, use, alerts } = await watched(database, {
      global: { daily: 20_000, hourly: 10_000 },
    });
    await use(9_940);
    expect(await look()).toEqual(['raised exhausted warning, 2025-06-15T12']);
    expect(alerts[0]!.message).toBe(
      '99.40 % of the 10,000 tokens of the hour 2025-06-15 12:00 UTC are used or held; requests above 60 tokens are denied until 2025-06-15 13:00 UTC',
    );
    clock.advance(HOUR_MS);
    expect(await look()).toEqual(['resolved exhausted warning, 2025-06-15T12']);
    await use(9_922);
    expect(await look()).toEqual([
      // The hour, which is exhausted too, would say nothing new.
      'raised exhausted critical, 2025-06-15',
    ]);
    expect(alerts.at(-1)!.message).toBe(
      '99.31 % of the 20,000 tokens of the day 2025-06-15 are used or held; requests above 138 tokens are denied until 2025-06-16 00:00 UTC',
    );
    await app.reset(resetOf('day'));
    expect(await look()).toEqual([
      'resolved exhausted critical, 2025-06-15',
      'raised exhausted warning, 2025-06-15T13',
    ]);
    expect(alerts.at(-2)!.data).toMatchObject({
      overBecause: 'usage was reset',
      atEnd: { used: 0 },
    });
    expect(await look({ exhausted: false })).toEqual(['resolved exhausted warning, 2025-06-15T13']);
    expect(await look()).toEqual([]);
  });

  it('that an AI type comes to the end of its own limits', async () => {
    const { app, look, use, clock, titles, alerts } = await watched(database, {
      aiTypes: { imperium: { monthly: 1_000, daily: 900 } },
    });
    await use(5_000, 'guardian');
    await use(850);
    expect(await look()).toEqual(['raised ai-type warning of imperium, 2025-06']);
    await use(48);
    expect(await look()).toEqual(['raised ai-type critical of imperium, 2025-06-15']);
    expect(titles.at(-1)).toBe('CRITICAL: 99.77 % of the day 2025-06-15, imperium');
    clock.advance(24 * HOUR_MS);
    expect(await look()).toEqual(['resolved ai-type critical of imperium, 2025-06-15']);
    await use(100);
    expect(await look()).toEqual(['raised ai-type critical of imperium, 2025-06']);
    expect(alerts.at(-1)!.data.incident).toBe(alerts[0]!.id);
    const note = { source: 'test', actor: null, reason: null };
    await app.changeLimits((settings) => ({ ...settings, aiTypes: {} }), note);
    expect(await look()).toEqual(['resolved ai-type critical of imperium, 2025-06']);
    expect(alerts.at(-1)!.data.overBecause).toBe('it has no limit any more');
  });

  it('that many requests were denied, and by what', async () => {
    const { guard, clock, look, use, titles, alerts } = await watched(database, {
      global: { request: 1_000 },
    });
    for (let index = 0; index < 9; index += 1) await use(10);
    const ask = () => guard.reserve(tokens(1_001));
    await Promise.all(Array.from({ length: 10 }, ask));
    expect(await look()).toEqual([]);
    clock.advance(60_000);
    await Promise.all(Array.from({ length: 21 }, ask));
    expect(await look()).toEqual(['raised denials warning, 2025-06-15T12']);
    expect(titles.at(-1)).toBe(
      'WARNING: 31 of 40 requests denied in the hour 2025-06-15 12:00 UTC, all AI types',
    );
    expect(alerts.at(-1)!.message).toBe(
      '31 of 40 requests in the hour 2025-06-15 12:00 UTC were denied; most were denied by the limit of a request',
    );
    clock.advance(HOUR_MS);
    expect(await look()).toEqual(['resolved denials warning, 2025-06-15T12']);
  });

  it('that an hour is unusual', async () => {
    const { target, clock, look, use, titles, alerts } = await watched(database, {
      start: '2025-06-15T12:00:00Z',
      global: { enforcedMonthly: 100_000 },
    });
    for (let day = 10; day < 15; day += 1) {
      for (let hour = 8; hour < 14; hour += 1) {
        await foreignLog(
          target,
          `2025-06-${String(day)} ${String(hour).padStart(2, '0')}:30:00`,
          500,
        );
      }
    }
    clock.advance(HOUR_MS / 2);
    await use(1_500);
    expect(await look()).toEqual([]);
    await use(1);
    expect(await look()).toEqual(['raised burn-rate warning, 2025-06-15']);
    expect(titles.at(-1)).toBe(
      'WARNING: 1,501 tokens in an hour of the day 2025-06-15, usual are up to 500, all AI types',
    );
    expect(alerts.at(-1)!.data).toMatchObject({ used: 1_501, limit: null, percent: null });
    clock.advance(HOUR_MS);
    expect(await look()).toEqual([]);
    clock.advance(HOUR_MS);
    expect(await look()).toEqual(['resolved burn-rate warning, 2025-06-15']);
    await use(9_000);
    expect(await look()).toEqual([]);
  });

  it('that the month will pass its limit, before it does', async () => {
    const { clock, look, use, alerts } = await watched(database, {
      global: { enforcedMonthly: 10_000 },
    });
    await use(2_400);
    expect(await look()).toEqual([]);
    // Half of the oldest hour counts, and 347.5 hours are left.
    clock.advance(24 * HOUR_MS - 60_000);
    await use(1);
    clock.advance(60_000);
    const told = await look();
    expect(told).toEqual(['raised overrun warning, 2025-06']);
    expect(alerts[0]!.message).toMatch(
      /^at 50 tokens an hour, as in the last 24, the month 2025-06 comes to 19,776 tokens, of 10,000; nothing is denied for it yet; the limit is reached 2025-06-/,
    );
    expect(alerts[0]!.data).toMatchObject({ used: 2_401, limit: 10_000, percent: 24.01 });
    clock.advance(24 * HOUR_MS);
    expect(await look()).toEqual(['resolved overrun warning, 2025-06']);
    await use(3_000);
    expect(await look()).toEqual([]);
  });

  it('that nothing was logged for too long, and again', async () => {
    const { clock, look, use, titles } = await watched(database, { start: '2025-06-30T20:00:00Z' });
    const silence = { afterMs: 2 * HOUR_MS, hours: null };
    await use(1);
    clock.advance(2 * HOUR_MS);
    expect(await look({ silence })).toEqual([]);
    clock.advance(1);
    expect(await look({ silence })).toEqual(['raised silence critical, 2025-06']);
    expect(titles).toEqual(['CRITICAL: nothing logged since 2025-06-30 20:00 UTC, all AI types']);
    clock.advance(4 * HOUR_MS);
    expect(await look({ silence })).toEqual([]);
    await use(1);
    expect(await look({ silence })).toEqual(['resolved silence critical, 2025-06']);
    clock.advance(2 * HOUR_MS + 1);
    expect(await look({ silence })).toEqual(['raised silence critical, 2025-07']);
    expect(await look({ silence: null })).toEqual(['resolved silence critical, 2025-07']);
  });

  it('that holds exhaust an hour when they have lasted a minute', async () => {
    const { guard, clock, look } = await watched(database, { global: { hourly: 1_000 } });
    const hold = idOf(await guard.reserve(tokens(995)));
    expect(await look()).toEqual([]);
    clock.advance(60_000);
    expect(await look()).toEqual(['raised exhausted warning, 2025-06-15T12']);
    await guard.release(hold);
    expect(await look()).toEqual(['resolved exhausted warning, 2025-06-15T12']);
    // Once an hour.
    idOf(await guard.reserve(tokens(995)));
    await look();
    clock.advance(60_000);
    expect(await look()).toEqual([]);
  });
});

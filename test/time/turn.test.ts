import { describe, expect, it } from 'vitest';
import { windowsAt } from '../../src/budget/windows.ts';
import { idOf, openBudget, sql, tokens } from '../support/budget.ts';
import { expectCountsAgree, windowOf } from '../support/counts.ts';
import { DATABASES } from '../support/databases.ts';

/** The names of the month, day and hour that hold an instant. */
function startsAt(time: string): string[] {
  return Object.values(windowsAt(Date.parse(time))).map(({ start }) => start);
}

describe.each(DATABASES)('reservations that are open on %s', (kind) => {
  it.each([
    ['a month', '2025-06-30T23:59:59.900Z', '2025-07-01T00:00:00.000Z'],
    ['February', '2025-02-28T23:59:59.900Z', '2025-03-01T00:00:00.000Z'],
    ['the day before a leap day', '2024-02-28T23:59:59.900Z', '2024-02-29T00:00:00.000Z'],
    ['a leap day', '2024-02-29T23:59:59.900Z', '2024-03-01T00:00:00.000Z'],
    ['a year', '2025-12-31T23:59:59.900Z', '2026-01-01T00:00:00.000Z'],
  ])('while %s ends are charged where they were made', async (_, before, after) => {
    const { app, guard, clock, target } = await openBudget(kind, {
      start: before,
      global: { hourly: 200, daily: 200, reservationTtl: 3 },
    });
    const settled = idOf(await guard.reserve(tokens(100)));
    const released = idOf(await guard.reserve(tokens(50)));
    const expired = idOf(await guard.reserve(tokens(30)));

    clock.set(after);
    expect(await guard.check(tokens(200))).toMatchObject({ admitted: true });
    await guard.settle(settled, { inputTokens: 140, outputTokens: 0 });
    await guard.release(released);
    clock.advance(2_899);
    idOf(await guard.reserve(tokens(5)));
    const state = async (): Promise<unknown> => {
      const rows = await sql(target, 'SELECT state FROM token_usage_logs WHERE id = ?', [expired]);
      return rows[0]?.['state'];
    };
    expect(await state()).toBe('reserved');
    clock.advance(1);
    idOf(await guard.reserve(tokens(6)));
    expect(await state()).toBe('expired');

    const [old, fresh] = [startsAt(before), startsAt(after)];
    for (const start of new Set([...old, ...fresh])) {
      const [was, is] = [old.includes(start), fresh.includes(start)];
      for (const aiType of [null, 'imperium']) {
        expect(await windowOf(app, aiType, start), `${String(aiType)} ${start}`).toMatchObject({
          used: was ? 170 : 0,
          held: is ? 11 : 0,
          requests: (was ? 3 : 0) + (is ? 2 : 0),
          failed: was ? 1 : 0,
        });
      }
    }
    await expectCountsAgree(app, target);
  });
});

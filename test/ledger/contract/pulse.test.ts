import { describe, expect, it } from 'vitest';
import { foreignLog, openBudget, tokens } from '../../support/budget.ts';
import { DATABASES } from '../../support/databases.ts';

describe.each(DATABASES)('the pulse on %s', (kind) => {
  it('has the last 24 hours, the newest denials and all AI types, of one type or of all', async () => {
    const { app, guard, target, clock } = await openBudget(kind, {
      start: '2025-06-15T12:30:00Z',
      global: { request: 1_000 },
    });
    await foreignLog(target, '2025-06-14 12:59:59', 1, 'guardian');
    await foreignLog(target, '2025-06-14 13:00:00', 20, 'guardian');
    await foreignLog(target, '2025-06-15 12:10:00', 300, 'sandbox');
    for (let size = 1_001; size <= 1_007; size += 1) {
      clock.advance(1_000);
      await guard.reserve(tokens(size, 0, size === 1_005 ? 'sandbox' : 'guardian'));
    }
    const asked = (denials: readonly { verdict: string | null }[]): number[] =>
      denials.map(
        ({ verdict }) => (JSON.parse(verdict!) as { estimate: { total: number } }).estimate.total,
      );

    const all = await app.pulse(null);
    expect(all.hours).toHaveLength(24);
    expect(all.hours[0]).toEqual({ startsAt: '2025-06-14T13:00:00.000Z', used: 20 });
    expect(all.hours[23]).toEqual({ startsAt: '2025-06-15T12:00:00.000Z', used: 300 });
    expect(all.hours.reduce((sum, { used }) => sum + used, 0)).toBe(320);
    expect(asked(all.denials)).toEqual([1_007, 1_006, 1_005, 1_004, 1_003]);
    expect(all.aiTypes).toEqual(all.report.aiTypes);
    expect(all.report).toEqual(await app.status());

    const one = await app.pulse('sandbox');
    expect(one.hours.filter(({ used }) => used > 0)).toEqual([
      { startsAt: '2025-06-15T12:00:00.000Z', used: 300 },
    ]);
    expect(asked(one.denials)).toEqual([1_005]);
    expect(one.report.aiTypes.map(({ aiType }) => aiType)).toEqual(['sandbox']);
    expect(one.aiTypes.map(({ aiType }) => aiType)).toEqual(['sandbox', 'guardian']);
  });

  it('counts a hold that is due as used, in the hour that it was made in', async () => {
    const { app, guard, clock } = await openBudget(kind, { start: '2025-06-15T12:30:00Z' });
    await guard.reserve(tokens(70, 30));
    clock.advance(3_600_000);
    for (const aiType of [null, 'imperium']) {
      const { hours } = await app.pulse(aiType);
      expect(hours.slice(-2).map(({ used }) => used)).toEqual([100, 0]);
    }
  });
});

import { describe, expect, it } from 'vitest';
import { counts, everywhere, openBudget, tokens } from '../support/budget.ts';
import { DATABASES } from '../support/databases.ts';

const LIMIT = 1_000;

describe.each(DATABASES)('six ledgers that spend one budget at once on %s', (kind) => {
  it('reserve exactly what it holds', async () => {
    const { app, another } = await openBudget(kind, { global: { hourly: LIMIT } });
    const ledgers = await Promise.all(Array.from({ length: 6 }, () => another()));
    const spend = async (guard: (typeof ledgers)[number]['guard']): Promise<number> => {
      let admitted = 0;
      while ((await guard.reserve(tokens(30))).admitted) admitted += 1;
      return admitted;
    };
    const callers = ledgers.flatMap(({ guard }) => [guard, guard, guard]);
    const admitted = await Promise.all(callers.map(spend));
    expect(admitted.reduce((sum, many) => sum + many, 0)).toBe(33);
    expect(await counts(app)).toEqual(everywhere(0, 990));
  });
});

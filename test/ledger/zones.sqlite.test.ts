import { afterEach, expect, it, vi } from 'vitest';
import { counts, everywhere, foreignLog, idOf, openBudget, tokens } from '../support/budget.ts';

afterEach(() => {
  vi.unstubAllEnvs();
});

it.each(['Asia/Kolkata', 'America/New_York'])(
  'SQLite counts a row in its UTC month, day and hour on a host in %s',
  async (zone) => {
    vi.stubEnv('TZ', zone);
    const start = '2025-05-31T23:40:00Z';
    const { app, guard, target } = await openBudget('sqlite', { start });
    idOf(await guard.reserve(tokens(30)));
    await foreignLog(target, '2025-05-31 23:20:00', 7);
    expect(await counts(app)).toEqual(everywhere(7, 30));
  },
);

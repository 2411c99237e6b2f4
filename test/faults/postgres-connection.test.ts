import { describe, expect, it } from 'vitest';
import { systemRuntime } from '../../src/platform/runtime.ts';
import { counts, everywhere, idOf, openBudget, sql, tokens } from '../support/budget.ts';

describe('a guard whose connection an administrator ends (pg_terminate_backend)', () => {
  it('goes on without a restart, and counts nothing twice', async () => {
    const { target, app, guard } = await openBudget('postgresql');
    const ids: string[] = [];
    let terminated = 0;
    const spending = { go: true };
    const caller = async (): Promise<void> => {
      while (spending.go) ids.push(idOf(await guard.reserve(tokens(10))));
    };
    const callers = Array.from({ length: 8 }, caller);
    while (terminated < 15 || ids.length < 40) {
      const [row] = await sql(
        target,
        `SELECT count(*) FILTER (WHERE pg_terminate_backend(pid)) AS many FROM pg_stat_activity
         WHERE application_name = 'tokenctl' AND datname = current_database()`,
      );
      terminated += Number(row!['many']);
      await systemRuntime.sleep(Math.random() * 40);
    }
    spending.go = false;
    await Promise.all(callers);
    expect(new Set(ids).size).toBe(ids.length);
    expect(await counts(app)).toEqual(everywhere(0, ids.length * 10));
    expect(await sql(target, 'SELECT id FROM token_usage_logs')).toHaveLength(ids.length);
    for (const id of ids.slice(0, 20)) await guard.release(id);
    expect(await counts(app)).toEqual(everywhere(0, (ids.length - 20) * 10));
  });
});

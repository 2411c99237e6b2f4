import { beforeEach, describe, expect, it } from 'vitest';
import { idOf, openBudget, sql, tokens } from '../support/budget.ts';
import { temporaryCli, type Cli } from '../support/cli.ts';
import { DATABASES } from '../support/databases.ts';

let cli: Cli;
beforeEach(() => {
  cli = temporaryCli();
});

describe.each(DATABASES)('explain on %s', (kind) => {
  const budgetOfNow = () =>
    openBudget(kind, {
      start: new Date(Date.now() - 1_000).toISOString(),
      global: { request: 500 },
    });

  it('shows what a request was and what it cost', async () => {
    const { guard, target } = await budgetOfNow();
    const id = idOf(
      await guard.reserve({ ...tokens(30, 10), model: 'claude', requestId: 'req-1' }),
    );
    await guard.settle(id, { inputTokens: 30, outputTokens: 5 });
    const run = (...args: string[]) => cli.run(['explain', '--database', target.url, ...args]);
    const { code, stdout, stderr } = await run('req-1');
    expect({ code, stderr }).toEqual({ code: 0, stderr: '' });
    for (const part of [
      /^Request +req-1$/m,
      new RegExp(`^Id +${id}$`, 'm'),
      /^State +settled/m,
      /^Cost +35 tokens \(30 in \+ 5 out\)$/m,
      /^Reserved +40 tokens \(30 in \+ up to 10 out\)$/m,
      /^Model +claude$/m,
    ]) {
      expect(stdout).toMatch(part);
    }
    expect(stdout).not.toContain('now');
    expect(JSON.parse((await run(id, '--json')).stdout)).toMatchObject({
      request: { id, state: 'settled', totalTokens: 35, requestedTokens: 40, requestId: 'req-1' },
      count: 1,
      verdict: null,
      now: null,
    });
  });

  it('shows the receipt of a denial, and whether it would pass now', async () => {
    const { guard, target } = await budgetOfNow();
    await guard.reserve({ ...tokens(501), requestId: 'big' });
    await guard.reserve({ ...tokens(400, 102), requestId: 'big' });
    const run = (...args: string[]) => cli.run(['--database', target.url, ...args]);
    const denied = await run('explain', 'big');
    expect(denied.code).toBe(0);
    expect(denied.stdout).toMatch(/^Request +big, the newest of 2 with that name$/m);
    expect(denied.stdout).toMatch(/^NO request: a request of 50[12] tokens can never pass/m);
    expect(denied.stdout).toMatch(/^DENIED: it could never pass under the limits of then/m);
    expect(denied.stdout).toMatch(/^ {2}-> tokenctl --database \S+ limits set request=50[12]$/m);
    expect(denied.stdout).toMatch(/The same request now[^]*^DENIED: it can never pass/m);
    expect((await run('limits', 'set', 'request=600')).code).toBe(0);
    const passes = await run('explain', 'big');
    expect(passes.stdout).toMatch(
      /The same request now[^]*^ADMITTED: this request would pass now/m,
    );
    expect(JSON.parse((await run('explain', 'big', '--json')).stdout)).toMatchObject({
      request: { state: 'denied', requestId: 'big', deniedCount: 1 },
      count: 2,
      verdict: { admitted: false, reasons: [{ code: 'request_too_large', limit: 500 }] },
      now: { admitted: true, reservation: null },
    });
    const [row] = await sql(target, 'SELECT count(*) AS n FROM token_usage_logs');
    expect(Number(row!['n'])).toBe(2);
  });

  it('says that a summary stands for many denials', async () => {
    const { guard, target } = await budgetOfNow();
    await Promise.all(Array.from({ length: 25 }, () => guard.reserve(tokens(501))));
    const [row] = await sql(
      target,
      'SELECT id, denied_count FROM token_usage_logs ORDER BY denied_count DESC LIMIT 1',
    );
    expect(Number(row!['denied_count'])).toBe(15);
    const { stdout } = await cli.run(['explain', String(row!['id']), '--database', target.url]);
    expect(stdout).toMatch(/^State +denied: this row stands for 15 denials/m);
  });

  it('does not know what is not in the log: exit 1', async () => {
    const { target } = await budgetOfNow();
    const run = (...args: string[]) => cli.run(['explain', '--database', target.url, ...args]);
    const unknown = await run('nothing');
    expect(unknown).toMatchObject({ code: 1, stdout: '' });
    expect(unknown.stderr).toMatch(
      /no request "nothing" is in the log\n {2}-> tokenctl --database \S+ log/,
    );
    expect(JSON.parse((await run('nothing', '--json')).stdout)).toMatchObject({
      error: { code: 'request_not_found', field: 'request' },
    });
    expect((await run('00000000-0000-0000-0000-000000000000')).code).toBe(1);
    expect((await run('')).code).toBe(2);
    expect((await run()).code).toBe(2);
  });

  it('shows a denial of another program without a verdict, and a strange verdict as none', async () => {
    const { target } = await budgetOfNow();
    await sql(
      target,
      `INSERT INTO token_usage_logs (ai_type, month_year, state, request_id, verdict)
       VALUES ('guardian', '2026-11', 'denied', 'theirs', '{"estimate": 3}')`,
    );
    const { code, stdout } = await cli.run(['explain', 'theirs', '--database', target.url]);
    expect(code).toBe(0);
    expect(stdout).toMatch(/^State +denied/m);
    expect(stdout).not.toContain('now');
  });
});

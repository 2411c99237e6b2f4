import { describe, expect, it } from 'vitest';
import { BudgetDeniedError, runGuarded, type Called } from '../../src/guard/run.ts';
import { counts, everywhere, openBudget, sql, tokens, type Budget } from '../support/budget.ts';
import { DATABASES, type DatabaseName } from '../support/databases.ts';

const usage = { inputTokens: 40, outputTokens: 7 };

async function open(kind: DatabaseName) {
  const budget = await openBudget(kind, { global: { hourly: 200 } });
  const warnings: string[] = [];
  const run = <T>(call: (id: string) => Promise<Called<T>>): Promise<T> =>
    runGuarded(
      budget.guard,
      tokens(60, 40),
      (reservation) => call(reservation.id),
      (message) => warnings.push(message),
    );
  return { budget, run, warnings };
}

const row = async ({ target }: Budget) =>
  (
    await sql(
      target,
      'SELECT state, success, error_message FROM token_usage_logs ORDER BY created_at, id',
    )
  ).map(({ state, success, error_message }) => [state, Boolean(success), error_message]);

describe.each(DATABASES)('run on %s', (kind) => {
  it('holds the estimate during the call, and settles its usage', async () => {
    const { budget, run, warnings } = await open(kind);
    const value = await run(async () => {
      expect(await counts(budget.app)).toEqual(everywhere(0, 100));
      return { value: 'answer', usage };
    });
    expect(value).toBe('answer');
    expect(await counts(budget.app)).toEqual(everywhere(47, 0));
    expect(await row(budget)).toEqual([['settled', true, null]]);
    expect(warnings).toEqual([]);
  });

  it.each<[string, Called<string>]>([
    ['none', { value: 'answer' }],
    ['null', { value: 'answer', usage: null }],
    ['what is no usage', { value: 'answer', usage: { inputTokens: -5 } as never }],
  ])('charges the hold where the call reports %s, and returns its value', async (_, called) => {
    const { budget, run } = await open(kind);
    expect(await run(async () => called)).toBe('answer');
    expect(await counts(budget.app)).toEqual(everywhere(100, 0));
    expect((await row(budget))[0]?.slice(0, 2)).toEqual(['settled', false]);
  });

  it.each([undefined, null, 'text'])(
    'charges the hold where the call gives back %s',
    async (odd) => {
      const { budget, run } = await open(kind);
      await expect(run(async () => odd as never)).rejects.toThrow('{ value, usage }');
      expect(await counts(budget.app)).toEqual(everywhere(100, 0));
    },
  );

  it.each<[string, unknown]>([
    ['an HTTP error of the provider', Object.assign(new Error('overloaded'), { status: 529 })],
    ['a refused request', Object.assign(new Error('bad request'), { status: 400 })],
    ['an error marked notCharged', Object.assign(new Error('queue full'), { notCharged: true })],
    ['an object with a status', { status: 500 }],
  ])('releases the hold on %s, and passes it on', async (_, error) => {
    const { budget, run } = await open(kind);
    const caught = await run(() => Promise.reject(error as Error)).catch((e: unknown) => e);
    expect(caught).toBe(error);
    expect(await counts(budget.app)).toEqual(everywhere(0, 0));
    expect((await row(budget))[0]?.slice(0, 2)).toEqual(['released', false]);
    expect((await budget.app.status()).windows[0]).toMatchObject({ requests: 1, failed: 1 });
  });

  it.each<[string, unknown, string]>([
    ['a thrown error', new Error('socket hang up'), 'socket hang up'],
    ['an abort', new DOMException('aborted by the user', 'AbortError'), 'aborted by the user'],
    ['a time-out', new DOMException('timed out', 'TimeoutError'), 'timed out'],
    ['what is no error', () => undefined, 'an error without a message'],
    ['a status that is no HTTP error', Object.assign(new Error('odd'), { status: 200 }), 'odd'],
    ['a status that is no number', Object.assign(new Error('odd'), { status: '500' }), 'odd'],
    ['notCharged that is not true', Object.assign(new Error('odd'), { notCharged: 1 }), 'odd'],
    ['a thrown text', 'gone', 'gone'],
  ])('charges the hold in full on %s, and passes it on', async (_, error, message) => {
    const { budget, run } = await open(kind);
    const caught = await run(() => Promise.reject(error as Error)).catch((e: unknown) => e);
    expect(caught).toBe(error);
    expect(await counts(budget.app)).toEqual(everywhere(100, 0));
    expect(await row(budget)).toEqual([['settled', false, message]]);
  });

  it('charges the hold where the call throws before it returns a promise', async () => {
    const { budget, run } = await open(kind);
    const failing = () => {
      throw new Error('at once');
    };
    await expect(run(failing)).rejects.toThrow('at once');
    expect(await counts(budget.app)).toEqual(everywhere(100, 0));
  });

  it('throws the verdict when it is denied, and calls nothing', async () => {
    const { budget, run } = await open(kind);
    await budget.guard.reserve(tokens(150));
    let called = false;
    const error = await run(async () => {
      called = true;
      return { value: null };
    }).catch((e: unknown) => e);
    expect(called).toBe(false);
    expect(error).toBeInstanceOf(BudgetDeniedError);
    const { verdict, code, message } = error as BudgetDeniedError;
    expect(code).toBe('budget_denied');
    expect(verdict).toMatchObject({ admitted: false, largestAdmissible: 50, reservation: null });
    expect(verdict.reasons).toMatchObject([{ window: 'hour', held: 150, requested: 100 }]);
    expect(message).toBe(verdict.reasons[0]?.message);
  });

  it('returns the value and warns where the settle fails: the hold stays, and is charged in time', async () => {
    const { budget, run, warnings } = await open(kind);
    const value = await run(async () => {
      await budget.app.close();
      return { value: 'answer', usage };
    });
    expect(value).toBe('answer');
    expect(warnings).toEqual([expect.stringMatching(/could not be settled.*closed/)]);
    const { app } = await budget.another();
    expect(await counts(app)).toEqual(everywhere(0, 100));
    budget.clock.advance(600_000);
    expect(await counts(app)).toEqual(everywhere(100, 0));
  });

  it("passes the call's own error on where ending fails too", async () => {
    const { budget, run, warnings } = await open(kind);
    const failing = run(async () => {
      await budget.app.close();
      throw new Error('mine');
    });
    await expect(failing).rejects.toThrow('mine');
    expect(warnings).toEqual([expect.stringMatching(/could not be ended/)]);
  });

  it('settles what another process settled already without a second charge', async () => {
    const { budget, run, warnings } = await open(kind);
    await run(async (id) => {
      await budget.guard.settle(id, usage);
      return { value: null, usage: { inputTokens: 99, outputTokens: 99 } };
    });
    expect(await counts(budget.app)).toEqual(everywhere(47, 0));
    expect(warnings).toEqual([]);
  });
});

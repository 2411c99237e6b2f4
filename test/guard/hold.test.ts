import { describe, expect, it } from 'vitest';
import type { Outcome } from '../../src/anthropic/outcome.ts';
import { TokenctlError } from '../../src/budget/errors.ts';
import { Hold } from '../../src/guard/hold.ts';
import { counts, everywhere, idOf, openBudget, sql, tokens } from '../support/budget.ts';
import { until } from '../support/processes.ts';
import { DATABASES, type DatabaseName } from '../support/databases.ts';

const free: Outcome = { kind: 'free', error: 'HTTP status 429' };
const unknown: Outcome = { kind: 'unknown', error: 'socket hang up' };
const used = (model = 'm'): Outcome => ({
  kind: 'used',
  usage: { inputTokens: 3, outputTokens: 4, cacheCreationInputTokens: 5, cacheReadInputTokens: 6 },
  model,
  stopReason: 'end_turn',
  error: null,
});

/** A reservation of 100 tokens. */
async function hold(kind: DatabaseName) {
  const budget = await openBudget(kind);
  const verdict = await budget.guard.reserve(tokens(60, 40));
  const warnings: string[] = [];
  const warn = (message: string): void => void warnings.push(message);
  const ended = async () => {
    await until(async () => (await counts(budget.app))['month']?.[1] === 0);
    return counts(budget.app);
  };
  return {
    ...budget,
    ended,
    warnings,
    hold: new Hold(budget.guard, idOf(verdict), verdict.estimate, warn),
  };
}

describe.each(DATABASES)('the reservation of a call on %s', (kind) => {
  it.each<[string, number, Outcome, number, string]>([
    ['used', 0, used(), 18, 'settled'],
    ['free', 0, free, 0, 'released'],
    ['unknown', 0, unknown, 100, 'settled'],
    ['used, after one that may have been charged', 1, used(), 118, 'settled'],
    ['free, after one that may have been charged', 1, free, 100, 'settled'],
    ['unknown, after two that may have been charged', 2, unknown, 300, 'settled'],
    ['used, with a model too long to be stored', 0, used('m'.repeat(500)), 18, 'settled'],
    ['used, with a model without a name', 0, used(''), 18, 'settled'],
  ])('whose last attempt was %s', async (_, before, outcome, charged, state) => {
    const opened = await hold(kind);
    for (let count = 0; count < before; count += 1) opened.hold.countUnknownAttempt();
    await opened.hold.end(outcome);
    expect(await opened.ended()).toEqual(everywhere(charged, 0));
    expect(await sql(opened.target, 'SELECT state FROM token_usage_logs')).toEqual([{ state }]);
  });

  it('ends once', async () => {
    const opened = await hold(kind);
    await Promise.all([opened.hold.end(used()), opened.hold.end(unknown), opened.hold.end(free)]);
    expect(await opened.ended()).toEqual(everywhere(18, 0));
    expect(opened.warnings).toEqual([]);
  });

  it('ends when the ledger answers again', async () => {
    for (const outcome of [free, used()]) {
      const opened = await hold(kind);
      let failures = 2;
      const once =
        <Args extends unknown[], T>(work: (...args: Args) => Promise<T>) =>
        (...args: Args): Promise<T> => {
          failures -= 1;
          const lost = new TokenctlError('ledger_unavailable', 'it does not answer');
          return failures < 0 ? work(...args) : Promise.reject(lost);
        };
      const { guard, hold: first } = opened;
      const budget = Object.assign(Object.create(guard) as typeof guard, {
        settle: once((...args: Parameters<typeof guard.settle>) => guard.settle(...args)),
        release: once((...args: Parameters<typeof guard.release>) => guard.release(...args)),
      });
      const warn = (message: string): void => void opened.warnings.push(message);
      await new Hold(budget, first.id, first.estimate, warn).end(outcome);
      expect(await opened.ended()).toEqual(everywhere(outcome.kind === 'free' ? 0 : 18, 0));
      expect(opened.warnings).toEqual([expect.stringContaining('could not be')]);
    }
  });

  it('logs why the model stopped, and what broke an answer off', async () => {
    const opened = await hold(kind);
    await opened.hold.end({ ...used(), error: 'the stream was cut' });
    await opened.ended();
    const columns = 'stop_reason, error_message, model_used';
    expect(await sql(opened.target, `SELECT ${columns} FROM token_usage_logs`)).toEqual([
      { stop_reason: 'end_turn', error_message: 'the stream was cut', model_used: 'm' },
    ]);
  });

  it('that can not be ended is told, and throws nothing', async () => {
    for (const outcome of [free, used()]) {
      const opened = await hold(kind);
      await opened.app.close();
      await opened.hold.end(outcome);
      expect(opened.warnings).toEqual([expect.stringContaining('could not be')]);
    }
  });
});

import { describe, expect, it } from 'vitest';
import type { Outcome } from '../../src/anthropic/outcome.ts';
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
    ['used, with a model that can not be stored', 0, used('m'.repeat(500)), 100, 'settled'],
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

  it('that can not be ended is told, and throws nothing', async () => {
    for (const outcome of [free, used()]) {
      const opened = await hold(kind);
      await opened.app.close();
      await opened.hold.end(outcome);
      expect(opened.warnings).toEqual([expect.stringContaining('could not be')]);
    }
  });
});

import { describe, expect, it } from 'vitest';
import type { ImportRow } from '../../../src/ledger/import.ts';
import { counts, idOf, openBudget, tokens } from '../../support/budget.ts';
import { DATABASES } from '../../support/databases.ts';

const row = (at: string, inputTokens: number, more: Partial<ImportRow> = {}): ImportRow => ({
  aiType: 'imperium',
  atMs: Date.parse(at),
  inputTokens,
  outputTokens: 1,
  model: null,
  requestId: null,
  success: true,
  ...more,
});
const nothing = () => undefined;

describe.each(DATABASES)('an import on %s', (kind) => {
  const rows = [
    row('2025-05-01T00:00:00Z', 10),
    row('2025-05-01T00:00:00Z', 10),
    row('2025-05-31T23:59:59.999Z', 20, { success: false }),
    row('2025-06-15T12:29:59Z', 30, { aiType: 'guardian', model: 'claude' }),
  ];

  it('counts each row in its own month, day and hour', async () => {
    const { app } = await openBudget(kind);
    expect(await app.importRows(rows, nothing)).toEqual({ added: 4, known: 0 });
    expect((await app.status({ month: '2025-05' })).windows).toMatchObject([
      { used: 43, requests: 3, failed: 1, inputTokens: 40, outputTokens: 3 },
    ]);
    expect(await counts(app)).toEqual({ month: [31, 0], day: [31, 0], hour: [31, 0] });
    expect((await app.status()).rates[0]).toMatchObject({ requests: 1 });
  });

  it('adds nothing when it is repeated, also by another process at the same time', async () => {
    const { app, another } = await openBudget(kind);
    const other = await another();
    const results = await Promise.all([
      app.importRows(rows, nothing),
      other.app.importRows(rows, nothing),
    ]);
    expect(results.map(({ added }) => added).toSorted()).toEqual([0, 4]);
    expect(await app.importRows(rows, nothing)).toEqual({ added: 0, known: 4 });
    expect((await app.status({ month: '2025-05' })).windows).toMatchObject([{ used: 43 }]);
  });

  it('of a grown file adds what is new', async () => {
    const { app } = await openBudget(kind);
    await app.importRows(rows, nothing);
    const grown = [...rows, row('2025-05-01T00:00:00Z', 10), row('2025-05-02T00:00:00Z', 10)];
    expect(await app.importRows(grown, nothing)).toEqual({ added: 2, known: 4 });
    expect((await app.status({ month: '2025-05' })).windows).toMatchObject([{ used: 65 }]);
  });

  it('tells its progress, and lets requests through between its transactions', async () => {
    const { app, guard } = await openBudget(kind);
    const many = Array.from({ length: 1_200 }, (_, n) => row('2025-05-03T10:00:00Z', n));
    const progress: number[] = [];
    const admitted: Promise<unknown>[] = [];
    await app.importRows(many, (done) => {
      progress.push(done);
      admitted.push(guard.reserve(tokens(1)).then(idOf));
    });
    expect(progress).toEqual([500, 1_000, 1_200]);
    await Promise.all(admitted);
    const used = (1_199 * 1_200) / 2 + 1_200;
    expect((await app.status({ month: '2025-05' })).windows).toMatchObject([{ used }]);
  });

  it.each([0, 1_000])(
    'refuses a row of the future after %i others, and changes nothing',
    async (many) => {
      const { app } = await openBudget(kind);
      const before = Array.from({ length: many }, (_, n) => row('2025-05-03T10:00:00Z', n));
      const late = [...rows, ...before, row('2025-06-15T12:30:00.001Z', 1)];
      await expect(app.importRows(late, nothing)).rejects.toMatchObject({
        code: 'invalid_input',
        field: 'timestamp',
      });
      expect((await app.status({ month: '2025-05' })).windows).toMatchObject([{ used: 0 }]);
    },
  );

  it('is charged against the limits like any usage', async () => {
    const { app, guard } = await openBudget(kind, { global: { hourly: 40 } });
    await app.importRows(rows, nothing);
    expect((await guard.reserve(tokens(10))).reasons).toMatchObject([{ window: 'hour', used: 31 }]);
    idOf(await guard.reserve(tokens(9)));
  });
});

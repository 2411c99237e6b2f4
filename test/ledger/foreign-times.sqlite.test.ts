import { describe, expect, it } from 'vitest';
import { expectCountsAgree, query, windowOf } from '../support/counts.ts';
import { openTestLedger } from '../support/ledgers.ts';
import { pythonDone } from '../support/python-writer.ts';

const INSERT =
  'INSERT INTO token_usage_logs (ai_type, month_year, tokens_in, tokens_out, total_tokens, created_at) VALUES (?, ?, ?, ?, ?, ?)';

/** How a backend may write a time, the hour that it lies in, and how it then stands in the table. */
const READABLE = [
  ['seconds', '2024-02-29 23:59:59', '2024-02-29T23', '2024-02-29 23:59:59'],
  ['minutes', '2024-02-29 23:59', '2024-02-29T23', '2024-02-29 23:59'],
  ['milliseconds', '2024-02-29 23:59:59.999', '2024-02-29T23', '2024-02-29 23:59:59.999'],
  ['microseconds', '2024-02-29 23:59:59.999999', '2024-02-29T23', '2024-02-29 23:59:59.999999'],
  ['more digits', '2024-02-29 23:59:59.9999996', '2024-02-29T23', '2024-02-29 23:59:59.9999996'],
  ['T', '2024-03-01T00:00:00', '2024-03-01T00', '2024-03-01 00:00:00.000000'],
  ['T and µs', '2024-03-01T00:00:00.123456', '2024-03-01T00', '2024-03-01 00:00:00.123456'],
  ['Z', '2024-02-29T23:59:59Z', '2024-02-29T23', '2024-02-29 23:59:59.000000'],
  ['small z', '2024-02-29t23:59:59z', '2024-02-29T23', '2024-02-29 23:59:59.000000'],
  ['Z, 7 digits', '2024-02-29T23:59:59.9999996Z', '2024-02-29T23', '2024-02-29 23:59:59.999999'],
  ['+02:00', '2024-03-01T01:30:00+02:00', '2024-02-29T23', '2024-02-29 23:30:00.000000'],
  ['+0200', '2024-03-01T01:30:00+0200', '2024-02-29T23', '2024-02-29 23:30:00.000000'],
  ['+02', '2024-03-01T01:30:00+02', '2024-02-29T23', '2024-02-29 23:30:00.000000'],
  ['-05:30', '2024-02-29 18:29:59.999999-05:30', '2024-02-29T23', '2024-02-29 23:59:59.999999'],
  ['space, offset', '2024-03-01 01:30:00 +02:00', '2024-02-29T23', '2024-02-29 23:30:00.000000'],
  ['+00:00', '2024-02-29T23:59:59.5+00:00', '2024-02-29T23', '2024-02-29 23:59:59.500000'],
  ['comma', '2024-02-29 23:59:59,75', '2024-02-29T23', '2024-02-29 23:59:59.750000'],
  ['a date', '2024-02-29', '2024-02-29T00', '2024-02-29'],
  ['blanks', ' 2024-02-29 23:00:00 ', '2024-02-29T23', '2024-02-29 23:00:00.000000'],
  ['epoch seconds', 1709251199, '2024-02-29T23', '2024-02-29 23:59:59.000000'],
  ['epoch seconds, float', 1709251199.75, '2024-02-29T23', '2024-02-29 23:59:59.750000'],
  ['epoch ms', 1709251199999, '2024-02-29T23', '2024-02-29 23:59:59.999000'],
  ['epoch as text', '1709251199', '2024-02-29T23', '2024-02-29 23:59:59.000000'],
] as const;

const UNREADABLE = [
  ...['yesterday', '', '29.02.2024 23:59', '2024-13-01 00:00:00', '2024-02-29 25:00:00'],
  ...[
    null,
    '2024',
    '20240229',
    '202402292359',
    0,
    -1,
    1.5,
    '1.2.3',
    'NaN',
    '2024-02-29T23:59:59+99:00',
  ],
];

const FUTURE = ['2999-01-01 00:00:00', '2999-01-01T00:00:00Z', 32472144000, 32472144000000, 1e18];

describe('the time that a Python backend writes', () => {
  it.each(READABLE)(
    '%s (%s) counts at once in its month, day and hour',
    async (_name, written, hour, stands) => {
      const { app, target } = await openTestLedger('sqlite');
      pythonDone(target.url, [
        { sql: INSERT, params: ['imperium', '2024-02', 70, 30, 100, written] },
      ]);
      for (const scope of [null, 'imperium']) {
        for (const start of [hour.slice(0, 7), hour.slice(0, 10), hour]) {
          expect(await windowOf(app, scope, start)).toEqual({
            ...{ used: 100, held: 0, requests: 1, failed: 0, tokensIn: 70, tokensOut: 30 },
          });
        }
      }
      const [row] = await query(target, 'SELECT created_at, time_flag FROM token_usage_logs');
      expect(row).toEqual({ created_at: stands, time_flag: null });
      await expectCountsAgree(app, target);
    },
  );

  it('is found by a range query over its hour, in whichever form it was written', async () => {
    const { target } = await openTestLedger('sqlite');
    const inHour = READABLE.filter(([, , hour]) => hour === '2024-02-29T23');
    pythonDone(target.url, [
      { sql: INSERT, many: READABLE.map(([, at]) => ['imperium', '2024-02', 1, 1, 2, at]) },
    ]);
    const found = await query(
      target,
      `SELECT created_at FROM token_usage_logs WHERE created_at >= '2024-02-29 23:00:00' AND created_at < '2024-03-01 00:00:00'`,
    );
    expect(found).toHaveLength(inHour.length);
    const between = await query(
      target,
      `SELECT count(*) AS n FROM token_usage_logs WHERE counted_at_ms BETWEEN 1709247600000 AND 1709251199999`,
    );
    expect(between).toEqual([{ n: inHour.length }]);
  });

  it('counts now, and is flagged, where it can not be read', async () => {
    const { app, target } = await openTestLedger('sqlite');
    const before = Date.now();
    pythonDone(target.url, [
      { sql: INSERT, many: UNREADABLE.map((at) => ['imperium', '2024-02', 1, 1, 2, at]) },
    ]);
    const rows = await query(
      target,
      'SELECT created_at, time_flag, counted_at_ms FROM token_usage_logs ORDER BY rowid',
    );
    expect(rows.map((row) => [row['created_at'], row['time_flag']])).toEqual(
      UNREADABLE.map((at) => [at === null ? null : String(at === 1.5 ? '1.5' : at), 'unreadable']),
    );
    for (const row of rows) {
      expect(row['counted_at_ms']).toBeGreaterThanOrEqual(before - 1);
      expect(row['counted_at_ms']).toBeLessThanOrEqual(Date.now() + 1);
    }
    await expectCountsAgree(app, target);
  });

  it('counts now, and is flagged, where it lies in the future', async () => {
    const { app, target } = await openTestLedger('sqlite');
    pythonDone(target.url, [
      { sql: INSERT, many: FUTURE.map((at) => ['imperium', '2999-01', 1, 1, 2, at]) },
    ]);
    const rows = await query(target, 'SELECT time_flag, counted_at_ms FROM token_usage_logs');
    expect(rows).toHaveLength(FUTURE.length);
    for (const row of rows) {
      expect(row['time_flag']).toBe('future');
      expect(row['counted_at_ms']).toBeLessThanOrEqual(Date.now() + 1);
    }
    await expectCountsAgree(app, target);
  });

  it('is now where it was left out, or is CURRENT_TIMESTAMP', async () => {
    const { app, target } = await openTestLedger('sqlite');
    const before = Math.floor(Date.now() / 1000) * 1000;
    pythonDone(target.url, [
      {
        sql: `INSERT INTO token_usage_logs (ai_type, month_year, tokens_in, tokens_out, total_tokens) VALUES ('imperium', '2024-02', 1, 1, 2)`,
      },
      {
        sql: `INSERT INTO token_usage_logs (ai_type, month_year, tokens_in, tokens_out, total_tokens, created_at) VALUES ('imperium', '2024-02', 1, 1, 2, CURRENT_TIMESTAMP)`,
      },
    ]);
    const rows = await query(target, 'SELECT time_flag, counted_at_ms FROM token_usage_logs');
    expect(rows.map((row) => row['time_flag'])).toEqual([null, null]);
    for (const row of rows) expect(row['counted_at_ms']).toBeGreaterThanOrEqual(before);
    await expectCountsAgree(app, target);
  });
});

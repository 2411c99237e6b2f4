import { Chalk } from 'chalk';
import { parse } from 'csv-parse/sync';
import { beforeEach, describe, expect, it } from 'vitest';
import { ASCII, type Screen } from '../../src/cli/output.ts';
import { usageCsv } from '../../src/cli/views/usage-csv.ts';
import { usageView } from '../../src/cli/views/usage.ts';
import type { UsageReport, UsageRow } from '../../src/ledger/usage.ts';
import { openBudget, sql, type Budget } from '../support/budget.ts';
import { temporaryCli, type Cli } from '../support/cli.ts';
import { DATABASES } from '../support/databases.ts';
import { grantAsDocumented } from '../support/privileges.ts';

let cli: Cli;
beforeEach(() => {
  cli = temporaryCli();
});

const HOSTILE = [
  '=HYPERLINK("http://x","a")',
  '+1',
  '-1',
  '@x',
  ' \t=1',
  'a,b',
  'two\nlines\u001b[2J\u202e',
];

async function log({ target }: Budget, used: number, model: string | null): Promise<void> {
  await sql(
    target,
    `INSERT INTO token_usage_logs (ai_type, tokens_in, tokens_out, total_tokens, model_used)
     VALUES ('guardian', ?, 0, ?, ?)`,
    [used, used, model],
  );
}

describe.each(DATABASES)('tokenctl usage on %s', (kind) => {
  it('prints a table, CSV and JSON of the same, and agrees with status', async () => {
    const budget = await openBudget(kind, { start: new Date().toISOString() });
    const run = (...args: string[]) => cli.run(['usage', '--database', budget.target.url, ...args]);
    expect((await run()).stdout).toMatch(
      /^Usage of \d{4}-\d\d \(UTC\)\n\nNothing was counted\.\n$/,
    );
    await log(budget, 12_000, 'claude');
    await log(budget, 500, null);
    const reset = {
      aiTypes: [],
      window: 'all',
      actor: null,
      reason: 'test',
      dryRun: false,
    } as const;
    await budget.app.reset(reset);
    await log(budget, 34, 'claude');
    const text = await run('--by', 'model');
    expect(text).toMatchObject({ code: 0, stderr: '' });
    const lines = text.stdout.trimEnd().split('\n');
    expect(lines[2]).toMatch(/^Model +Used +Share +Requests +Failed +Denied +In +Out$/);
    expect(lines[3]).toMatch(/^claude +12,034 +96.01 % +#+ +2 +0 +0 +12,034 +0$/);
    expect(lines[4]).toMatch(/^- +500 +3.98 % +#+ +1 /);
    expect(lines.slice(6).map((line) => line.split(/ {2,}/).slice(0, 3).join(' '))).toEqual([
      'usage 12,534 3',
      'adjustments -12,500 -2',
      'total 34 1',
    ]);
    const report = JSON.parse((await run('--by', 'model', '--json')).stdout) as UsageReport;
    const status = JSON.parse(
      (await cli.run(['status', '--json', '--database', budget.target.url])).stdout,
    ) as { windows: Record<string, unknown>[] };
    expect(status.windows.find(({ window }) => window === 'month')).toMatchObject({
      ...report.total,
    });
    const csv = await run('--by', 'ai-type,model', '--csv');
    expect(csv.stdout.split('\r\n')).toEqual([
      'record,ai_type,model,input_tokens,output_tokens,used,requests,failed,denied',
      'usage,guardian,claude,12034,0,12034,2,0,0',
      'usage,guardian,,500,0,500,1,0,0',
      'adjustments,guardian,,-12500,0,-12500,-2,0,0',
      '',
    ]);
  });
});

describe('tokenctl usage', () => {
  it('needs on PostgreSQL no more than a screen is granted', async () => {
    const budget = await openBudget('postgresql', { start: new Date().toISOString() });
    await log(budget, 77, null);
    const urlOf = await grantAsDocumented(budget.target);
    const { code, stderr, stdout } = await cli.run(['usage', '--database', urlOf('viewer')]);
    expect([code, stderr]).toEqual([0, '']);
    expect(stdout).toMatch(/\ntotal +77 /);
  });

  it.each([
    [['--by', 'year'], /^tokenctl: --by: "year" is none of its values\n {2}-> one of: ai-type, /],
    [['--by', 'day', 'hour'], /--by: day and hour are both times/],
    [['--since', '2000-01-01', '--by', 'hour'], /--by: the period has \d+ hours/],
    [['--since', 'yesterday'], /--since: "yesterday" is no time/],
    [['--since', '1h', '--until', '2h'], /--until: must be later than --since/],
    [['--month', '2025-01', '--since', '1h'], /--month <month>' cannot be used with .*--since/],
    [['--limit', '0'], /--limit: must be at least 1/],
    [['--csv', '--json'], /--csv: can not be used with --json/],
  ])('%j exits 2', async (args, problem) => {
    await cli.run(['status']);
    const { code, stdout, stderr } = await cli.run(['usage', ...args]);
    expect(code).toBe(2);
    if (args.includes('--json')) expect(stdout).toMatch(/"code": "invalid_input"/);
    else expect(stdout).toBe('');
    expect(stderr).toMatch(problem);
  });

  it('says which AI type may have been meant', async () => {
    const budget = await openBudget('sqlite', { start: new Date().toISOString() });
    await log(budget, 1, null);
    const args = ['usage', '--ai-type', 'gaurdian', '--database', budget.target.url];
    expect((await cli.run(args)).stderr).toMatch(/did you mean guardian\?/);
  });

  it('ends quietly when its reader goes', async () => {
    const budget = await openBudget('sqlite', { start: new Date().toISOString() });
    for (const model of HOSTILE) await log(budget, 5, model);
    const line = `tokenctl usage --by model --database '${budget.target.url}' | head -1`;
    expect(await cli.shell(line)).toMatchObject({ code: 0, stderr: '' });
  });
});

const NONE = { inputTokens: 0, outputTokens: 0, used: 0, requests: 0, failed: 0, denied: 0 };
const HOURS = { firstHour: '2025-06-15T11:00:00.000Z', lastHour: '2025-06-15T11:00:00.000Z' };

function reportOf(rows: readonly Partial<UsageRow>[], by: UsageReport['by']): UsageReport {
  return {
    time: '2025-06-15T12:30:00.000Z',
    since: '2025-06-15T00:00:00.000Z',
    until: '2025-06-15T13:00:00.000Z',
    by,
    filter: { aiType: null, model: null, requestType: null },
    rows: rows.map((row) => ({ ...NONE, ...HOURS, percent: 12.34, ...row })),
    other: { ...NONE, ...HOURS, rows: 1_234, percent: 1, used: 1_234_567 },
    usage: { ...NONE, used: 9_000_000_000 },
    adjustments: { ...NONE, used: -8_999_999_999 },
    adjustmentsByAiType: [{ ...NONE, aiType: 'a'.repeat(50), used: -8_999_999_999 }],
    total: { ...NONE, used: 1 },
  };
}

describe('the table', () => {
  const screen = (width: number): Screen => ({
    ...{ width, colors: new Chalk({ level: 0 }), symbols: ASCII },
  });
  const wide = HOSTILE.map((model) => ({
    ...{ model, aiType: 'a'.repeat(50), used: 8_765_432_109, requests: 1_234_567 },
    ...{ failed: 1_234_567, denied: 1_234_567, inputTokens: 7_765_432_109, outputTokens: 1e9 },
  }));

  it.each([60, 80, 120, 200])('keeps every number whole in %i columns', (width) => {
    const text = usageView(reportOf(wide, ['ai-type', 'model']), screen(width));
    const lines = text.split('\n');
    for (const line of lines) expect(line.length).toBeLessThanOrEqual(width);
    expect(lines[0]).toMatch(/^Usage from 2025-06-15 00:00 UTC to 2025-06-15 13:00 UTC/);
    expect(lines.filter((line) => line.includes(' 8,765,432,109'))).toHaveLength(HOSTILE.length);
    expect(text).toMatch(/\n1,234 others +1,234,567/);
    expect(text).toMatch(/\nadjustments +-8,999,999,999/);
    expect(text).not.toMatch(/[\u0000-\u0009\u000b-\u001f\u202e]/);
  });

  it('draws what is more than nothing', () => {
    const rows = [
      { hour: '2025-06-15T11', used: 4_000_000 },
      { hour: '2025-06-15T12', used: 1 },
    ];
    const text = usageView(reportOf(rows, ['hour']), screen(160));
    expect(text).toMatch(/\n2025-06-15 11:00 +4,000,000 +12\.34 % +#{30} /);
    expect(text).toMatch(/\n2025-06-15 12:00 +1 +12\.34 % +# {2}/);
  });
});

describe('CSV', () => {
  it('is read as it was written, and no name is a formula', () => {
    const rows = HOSTILE.map((model, index) => ({ model, used: index + 1 }));
    const report = { ...reportOf(rows, ['model']), adjustmentsByAiType: [] };
    const text = `${usageCsv(report)}\n`;
    const records = parse<Record<string, string>>(text, {
      columns: true,
      record_delimiter: '\r\n',
    });
    expect(records.map(({ record, model, used }) => [record, model, used])).toEqual([
      ['usage', `'=HYPERLINK("http://x","a")`, '1'],
      ['usage', "'+1", '2'],
      ['usage', "'-1", '3'],
      ['usage', "'@x", '4'],
      ['usage', "'=1", '5'],
      ['usage', 'a,b', '6'],
      ['usage', 'two lines?[2J?', '7'],
      ['other', '', '1234567'],
      ['adjustments', '', '-8999999999'],
    ]);
  });
});

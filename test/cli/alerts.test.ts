import { readFileSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { beforeEach, describe, expect, it } from 'vitest';
import type { DatabaseTarget } from '../../src/config/database.ts';
import { sql } from '../support/budget.ts';
import { temporaryCli, type Cli } from '../support/cli.ts';
import { DATABASES, migratedDatabase, MONTH_ALONE } from '../support/databases.ts';
import { grantAsDocumented } from '../support/privileges.ts';
import { startInPty } from '../support/pty.ts';
import { startCli } from '../support/running-cli.ts';

let cli: Cli;
beforeEach(() => {
  cli = temporaryCli();
});

const logIn = (home: string): string => join(home, 'data', 'tokenctl', 'token_usage_alerts.json');
const linesOf = (file: string): { level: string }[] =>
  readFileSync(file, 'utf8')
    .trimEnd()
    .split('\n')
    .map((line) => JSON.parse(line) as { level: string });

/** Of the 140,000 tokens of the month. */
function use(target: DatabaseTarget, tokens: number): Promise<unknown> {
  return sql(
    target,
    'INSERT INTO token_usage_logs (ai_type, tokens_in, total_tokens) VALUES (?, ?, ?)',
    ['imperium', tokens, tokens],
  );
}

describe.each(DATABASES)('alerts of the monitor on %s', (kind) => {
  it('are raised once, on the console and in the alert log, and again after a reset', async () => {
    const target = await migratedDatabase(kind, undefined, MONTH_ALONE);
    await use(target, 133_000);
    const check = () => cli.run(['monitor', '--once', '--json', '--database', target.url]);
    const first = await check();
    expect(first.code).toBe(0);
    expect(first.stderr).toMatch(/^tokenctl: CRITICAL 95\.00 % of the 140,000 tokens of .*\n$/);
    expect(JSON.parse(first.stdout)).toMatchObject({
      level: 'critical',
      alerts: [{ level: 'critical', state: 'raised' }],
    });
    expect((await check()).stderr).toBe('');
    const reset = ['reset', '--reason', 'test', '--yes', '--database', target.url];
    expect((await cli.run(reset)).code).toBe(0);
    const after = await check();
    expect(after.stderr).toMatch(/^tokenctl: resolved CRITICAL, which was: 95\.00 %/);
    expect(JSON.parse(after.stdout)).toMatchObject({ level: 'ok', alerts: [] });
    await use(target, 137_200);
    expect((await check()).stderr).toMatch(
      /^tokenctl: EMERGENCY 98\.00 % .*every request is denied until \d{4}-\d\d-01 00:00 UTC, or/,
    );
    expect(linesOf(logIn(cli.home)).map(({ level }) => level)).toEqual([
      ...['CRITICAL', 'RESOLVED', 'EMERGENCY'],
    ]);
  });

  it('are raised while it runs, a line a check', async () => {
    const target = await migratedDatabase(kind, undefined, MONTH_ALONE);
    const running = startCli(cli, ['monitor', '--interval', '1', '--database', target.url]);
    await running.prints('stdout', 'OK  0.00 %');
    await use(target, 112_000);
    await running.prints('stderr', 'WARNING 80.00 %');
    await running.prints('stdout', 'WARNING  80.00 %');
    running.child.kill('SIGTERM');
    expect((await running.done).code).toBe(0);
  });
});

it('an alert breaks between words on a terminal', async () => {
  const target = await migratedDatabase('sqlite', undefined, MONTH_ALONE);
  await use(target, 133_000);
  const args = ['monitor', '--once', '--database', target.url];
  const pty = startInPty(args, { home: cli.home, cols: 60, rows: 24 });
  expect(await pty.exited()).toBe(0);
  const [first, second] = pty.printed();
  expect(first).toMatch(/^tokenctl: CRITICAL 95\.00 % of the 140,000 tokens of \d{4}-\d\d$/);
  expect(second).toMatch(/^ {10}are used or held; /);
});

describe('the alert log', () => {
  it('is put elsewhere by the environment or the configuration', async () => {
    const target = await migratedDatabase('sqlite', undefined, MONTH_ALONE);
    await use(target, 112_000);
    const check = (args: string[], env: Record<string, string> = {}) =>
      cli.run(['monitor', '--once', '--database', target.url, ...args], { env });
    const named = join(cli.home, 'elsewhere', 'alerts.json');
    expect((await check([], { TOKENCTL_ALERTS_FILE: named })).code).toBe(0);
    expect(linesOf(named)).toHaveLength(1);
    await use(target, 21_000);
    const config = join(cli.home, 'config.json');
    writeFileSync(config, JSON.stringify({ alerts: { file: 'beside.json' } }));
    expect((await check(['--config', config])).code).toBe(0);
    expect(linesOf(join(cli.home, 'beside.json'))).toMatchObject([{ level: 'CRITICAL' }]);
  });

  it.each([
    [{ alerts: [] }, /alerts in .*config\.json: must be an object/],
    [
      { alerts: { path: 'x' } },
      /alerts in .*config\.json: has no key "path".*\n.*the keys are: file/,
    ],
    [{ alerts: { file: 3 } }, /alerts\.file in .*config\.json: must be text/],
  ])('is refused as %j', async (config, message) => {
    const file = join(cli.home, 'config.json');
    writeFileSync(file, JSON.stringify(config));
    const { code, stdout, stderr } = await cli.run(['monitor', '--once', '--config', file]);
    expect({ code, stdout }).toEqual({ code: 2, stdout: '' });
    expect(stderr).toMatch(message);
  });

  it('that can not be written is said, and tried again later', async () => {
    const target = await migratedDatabase('sqlite', undefined, MONTH_ALONE);
    await use(target, 112_000);
    const inTheWay = join(cli.home, 'file');
    writeFileSync(inTheWay, '');
    const env = { TOKENCTL_ALERTS_FILE: join(inTheWay, 'alerts.json') };
    const { code, stderr } = await cli.run(['monitor', '--once', '--database', target.url], {
      env,
    });
    expect(code).toBe(0);
    expect(stderr).toMatch(/WARNING 80\.00 %/);
    expect(stderr).toMatch(/an alert could not be told by the channel file: .*; it is tried again/);
  });
});

describe('the privileges of docs/database.md', () => {
  it('let a monitor raise alerts, and a screen look', async () => {
    const target = await migratedDatabase('postgresql', undefined, MONTH_ALONE);
    await use(target, 112_000);
    const urlOf = await grantAsDocumented(target);
    const run = (role: string, ...args: string[]) =>
      cli.run(['monitor', '--once', ...args, '--database', urlOf(role)]);
    expect(await run('viewer', '--no-alerts')).toMatchObject({ code: 0, stderr: '' });
    const refused = await run('viewer');
    expect(refused.code).toBe(4);
    expect(refused.stdout).toMatch(/LOST .*permission denied/);
    const raised = await run('monitor');
    expect(raised.code).toBe(0);
    expect(raised.stderr).toMatch(/WARNING 80\.00 %/);
  });
});

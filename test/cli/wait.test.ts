import { setTimeout as sleep } from 'node:timers/promises';
import { join } from 'node:path';
import { beforeEach, describe, expect, it } from 'vitest';
import { pauseMs } from '../../src/cli/commands/wait.ts';
import { idOf, openBudget, tokens } from '../support/budget.ts';
import { temporaryCli, type Cli } from '../support/cli.ts';
import { DATABASES } from '../support/databases.ts';
import { startProxy } from '../support/postgres-proxy.ts';
import { startInPty } from '../support/pty.ts';
import { startCli } from '../support/running-cli.ts';

let cli: Cli;
beforeEach(() => {
  cli = temporaryCli();
});

describe.each(DATABASES)('wait on %s', (kind) => {
  const budgetOfNow = (global: Record<string, number> = {}, aiTypes = {}) =>
    openBudget(kind, { start: new Date().toISOString(), global, aiTypes });

  it('returns at once when it would pass, and at once when it never can', async () => {
    const { target } = await budgetOfNow({ request: 500 });
    const run = (...args: string[]) =>
      cli.run(['wait', '--database', target.url, '--ai-type', 'imperium', ...args]);
    const passes = await run('--tokens', '500');
    expect(passes).toMatchObject({ code: 0, stderr: '' });
    expect(passes.stdout).toBe('a request of 500 tokens of imperium passes now\n');
    const never = await run('--tokens', '501');
    expect(never.code).toBe(2);
    expect(never.stderr).toMatch(/the limit of a request is 500\n.*limits set request=501/);
    const json = await run('--tokens', '501', '--json');
    expect(json.code).toBe(2);
    expect(JSON.parse(json.stdout)).toMatchObject({
      admitted: false,
      reasons: [{ code: 'request_too_large', canEverPass: false }],
    });
  });

  it('returns by itself when the time comes at which it may pass', async () => {
    const start = new Date(Date.now() - 54_000).toISOString();
    const { target, guard } = await openBudget(kind, { start, global: { requestsPerMinute: 1 } });
    idOf(await guard.reserve(tokens(10)));
    const args = ['wait', '--database', target.url, '--ai-type', 'imperium', '--tokens', '10'];
    const now = await cli.run([...args, '--timeout', '1s']);
    expect(now.code).toBe(3);
    expect(now.stdout).toMatch(
      /does not pass: rate: 1 requests \+ 1 are above 1.*; it may pass at /,
    );
    expect((await cli.run([...args, '--timeout', '20s'])).code).toBe(0);
  });

  it('returns when the limits change, and exits 3 when the time is over', async () => {
    const { target, guard } = await budgetOfNow({ monthly: 1_000, enforcedMonthly: 1_000 });
    await guard.settle(idOf(await guard.reserve(tokens(900))), {
      inputTokens: 900,
      outputTokens: 0,
    });
    const args = ['wait', '--database', target.url, '--ai-type', 'imperium', '--tokens', '200'];
    const late = await cli.run([...args, '--timeout', '1s', '--json']);
    expect(late.code).toBe(3);
    expect(late.stderr).toMatch(/waited 1 s/);
    expect(JSON.parse(late.stdout)).toMatchObject({
      admitted: false,
      reasons: [{ code: 'window_exceeded', window: 'month' }],
    });
    const waiting = startCli(cli, args);
    await sleep(1_500);
    expect(waiting.lines()).toEqual([]);
    const set = ['limits', 'set', 'monthly=2000', 'enforcedMonthly=2000'];
    expect((await cli.run([...set, '--database', target.url])).code).toBe(0);
    expect(await waiting.done).toMatchObject({ code: 0, stderr: '' });
  });

  it('waits for the month to be below a percentage: the global one, or the AI type’s own', async () => {
    const { target, guard } = await budgetOfNow({}, { imperium: { monthly: 1_000 } });
    await guard.settle(idOf(await guard.reserve(tokens(800))), {
      inputTokens: 800,
      outputTokens: 0,
    });
    const run = (...args: string[]) => cli.run(['wait', '--database', target.url, ...args]);
    expect(await run('--below', '1%')).toMatchObject({ code: 0, stderr: '' });
    expect((await run('--below', '1', '--ai-type', 'sandbox')).code).toBe(0);
    const own = ['--ai-type', 'imperium', '--timeout', '1s'];
    expect((await run('--below', '80.01%', ...own)).code).toBe(0);
    const above = await run('--below', '80%', ...own);
    expect(above.code).toBe(3);
    expect(above.stdout).toMatch(/imperium's month is at 80.00 % of 1,000 tokens, not below 80 %/);
    expect(JSON.parse((await run('--below', '80%', ...own, '--json')).stdout)).toMatchObject({
      schemaVersion: 1,
      level: 'ok',
    });
  });
});

describe('waiting', () => {
  it('waits for a lost database, and exits 4 when it stays lost', async () => {
    const none = join(cli.home, 'none.db');
    const args = ['wait', '--ai-type', 'imperium', '--tokens', '10'];
    const lost = await cli.run([...args, '--database', none, '--timeout', '1s']);
    expect(lost).toMatchObject({ code: 4, stdout: '' });
    expect(lost.stderr).toMatch(/there is no database/);

    const { target } = await openBudget('postgresql', { start: new Date().toISOString() });
    const proxy = await startProxy(target);
    proxy.mode = 'refuses';
    const waiting = startCli(cli, [...args, '--database', proxy.target.url]);
    await waiting.prints('stderr', 'waiting for it');
    proxy.mode = 'passes';
    const { code, stderr } = await waiting.done;
    expect(code).toBe(0);
    expect(stderr).toMatch(/the database answers again/);
  });

  it('ends with 130 on Ctrl-C', async () => {
    const none = join(cli.home, 'none.db');
    const waiting = startCli(cli, ['wait', '--below', '50%', '--database', none]);
    await waiting.prints('stderr', 'waiting for it');
    waiting.child.kill('SIGINT');
    expect((await waiting.done).code).toBe(130);
  });

  it('leaves no line of its progress in the terminal on Ctrl-C', async () => {
    await cli.run(['limits', 'set', 'hourly=900'], { env: { XDG_DATA_HOME: '' } });
    await cli.run(['import', '-', '--format', 'csv', '--ai-type', 'sandbox'], {
      input: `timestamp,input,output\n${new Date().toISOString()},900,0\n`,
      env: { XDG_DATA_HOME: '' },
    });
    const pty = startInPty(['wait', '--ai-type', 'x', '--tokens', '100'], { home: cli.home });
    await pty.waitFor('waiting: ');
    pty.type('\u0003');
    expect(await pty.exited()).toBe(130);
    expect(pty.text()).not.toContain('waiting: ');
  });

  it('looks every 5 to 60 seconds, and never later than it may pass', () => {
    expect(pauseMs(0, null)).toBe(5_000);
    expect(pauseMs(200_000, null)).toBe(20_000);
    expect(pauseMs(3_600_000, 1_000_000)).toBe(60_000);
    expect(pauseMs(0, 3_000)).toBe(3_000);
    expect(pauseMs(0, -5_000)).toBe(1_000);
  });

  it.each([
    [[], 'wait'],
    [['--tokens', '10'], '--ai-type'],
    [['--tokens', '0', '--ai-type', 'x'], '--tokens'],
    [['--tokens', '10', '--below', '80%', '--ai-type', 'x'], 'wait'],
    [['--below', '0%'], '--below'],
    [['--below', '101%'], '--below'],
    [['--below', 'half'], '--below'],
    [['--below', '80%', '--timeout', '32d'], '--timeout'],
    [['--below', '80%', '--timeout', '0s'], '--timeout'],
    [['--below', '80%', '--timeout', '5'], '--timeout'],
  ])('%j exits 2 and names %s', async (args, field) => {
    const { code, stdout, stderr } = await cli.run(['wait', ...args]);
    expect({ code, stdout }).toEqual({ code: 2, stdout: '' });
    expect(stderr).toContain(`${field}:`);
  });
});

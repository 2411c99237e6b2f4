import { setTimeout as sleep } from 'node:timers/promises';
import { Chalk } from 'chalk';
import { join } from 'node:path';
import { beforeEach, describe, expect, it } from 'vitest';
import { migrateDatabase } from '../../src/app.ts';
import { parseDatabase } from '../../src/config/database.ts';
import { ASCII, type Screen } from '../../src/cli/output.ts';
import { logHeader, logLayout, logLines } from '../../src/cli/views/log.ts';
import type { RequestDocument } from '../../src/ledger/request-document.ts';
import type { LogEntry } from '../../src/ledger/port.ts';
import { systemRuntime } from '../../src/platform/runtime.ts';
import { idOf, openBudget, sql, tokens, type Budget } from '../support/budget.ts';
import { temporaryCli, type Cli, type CliResult } from '../support/cli.ts';
import { DATABASES } from '../support/databases.ts';
import { startProxy } from '../support/postgres-proxy.ts';
import { startCli } from '../support/running-cli.ts';

let cli: Cli;
beforeEach(() => {
  cli = temporaryCli();
});

const requestsOf = ({ stdout }: CliResult): RequestDocument[] =>
  (JSON.parse(stdout) as { requests: RequestDocument[] }).requests;

/** A row of another program, made so many seconds ago. */
async function logged(
  { target }: Pick<Budget, 'target'>,
  requestId: string,
  secondsAgo = 0,
): Promise<void> {
  const at = new Date(Date.now() - secondsAgo * 1_000).toISOString();
  await sql(
    target,
    `INSERT INTO token_usage_logs (ai_type, month_year, tokens_in, tokens_out, total_tokens, created_at, request_id)
     VALUES ('guardian', ?, 7, 1, 8, ?, ?)`,
    [at.slice(0, 7), at.slice(0, 23).replace('T', ' '), requestId],
  );
}

describe.each(DATABASES)('the log on %s', (kind) => {
  const budgetOfNow = () =>
    openBudget(kind, {
      start: new Date(Date.now() - 1_000).toISOString(),
      global: { request: 500 },
    });

  it('shows what was asked, what it cost and why it failed, the newest last', async () => {
    const budget = await budgetOfNow();
    const run = (...args: string[]) => cli.run(['log', '--database', budget.target.url, ...args]);
    expect((await run()).stdout).toBe('No requests.\n');
    expect(requestsOf(await run('--json'))).toEqual([]);
    await logged(budget, 'old', 7_200);
    const request = { ...tokens(30, 10), model: 'claude', requestId: 'req-1' };
    await budget.guard.settle(idOf(await budget.guard.reserve(request)), {
      inputTokens: 30,
      outputTokens: 5,
    });
    budget.clock.advance(500);
    await budget.guard.reserve({ ...tokens(501), requestId: 'req-2' });
    const text = await run();
    expect(text).toMatchObject({ code: 0, stderr: '' });
    const [head, ...lines] = text.stdout.trimEnd().split('\n');
    expect(head).toMatch(/^Time \(UTC\) +AI type +State +In +Out +Total +Model +Request +Error$/);
    expect(lines).toHaveLength(3);
    expect(lines[0]).toMatch(/ guardian +settled +7 +1 +8 +- +old$/);
    expect(lines[1]).toMatch(/ imperium +settled +30 +5 +35 +claude +req-1$/);
    expect(lines[2]).toMatch(
      / imperium +denied +501 +0 +501 +- +req-2 +a request of 501 tokens can never pass/,
    );
    const all = requestsOf(await run('--json'));
    expect(all.map(({ requestId }) => requestId)).toEqual(['old', 'req-1', 'req-2']);
    expect(all[2]).toMatchObject({
      state: 'denied',
      totalTokens: 0,
      requestedTokens: 501,
      deniedCount: 1,
      model: null,
    });
    const names = async (...args: string[]) =>
      requestsOf(await run('--json', ...args)).map(({ requestId }) => requestId);
    expect(await names('--since', '1h', '--state', 'settled')).toEqual(['req-1']);
    expect(await names('--until', '1h')).toEqual(['old']);
    expect(await names('--ai-type', 'Guardian')).toEqual(['old']);
    expect(await names('--model', 'claude')).toEqual(['req-1']);
    expect(await names('--failed')).toEqual([]);
    expect(await names('--since', '2000-01-01', '--until', '2000-01-02T05:30Z')).toEqual([]);
    expect(await names('--limit', '1', '--state', 'denied')).toEqual(['req-2']);
  });

  it('says that there may be more where as many came as were asked for', async () => {
    const budget = await budgetOfNow();
    for (const name of ['first', 'second', 'third']) await logged(budget, name);
    const log = (...args: string[]) => cli.run(['log', '--database', budget.target.url, ...args]);
    const more = 'tokenctl: the newest 2; --limit N shows more\n';
    expect((await log('--limit', '2')).stderr).toBe(more);
    expect((await log('--limit', '2', '--quiet')).stderr).toBe('');
    expect((await log('--limit', '4')).stderr).toBe('');
  });

  it('follows: what another program logs, once each, also what comes late', async () => {
    const budget = await budgetOfNow();
    await logged(budget, 'first');
    const args = ['log', '-f', '--interval', '1', '--json', '--database', budget.target.url];
    const following = startCli(cli, args);
    await following.prints('stdout', 'first');
    await logged(budget, 'second');
    await following.prints('stdout', 'second');
    await logged(budget, 'late', 240);
    await logged(budget, 'third');
    await following.prints('stdout', 'third');
    following.child.kill('SIGTERM');
    expect(await following.done).toMatchObject({ code: 0, stderr: '' });
    const names = following.lines().map((line) => (JSON.parse(line) as RequestDocument).requestId);
    expect(names).toEqual(['first', 'second', 'late', 'third']);
  });

  it('writes other programs’ texts in one line, without what could move the cursor', async () => {
    const budget = await budgetOfNow();
    await logged(budget, 'two\nlines\u001b[2J and \u202e more');
    const { stdout } = await cli.run(['log', '--database', budget.target.url]);
    expect(stdout.trimEnd().split('\n')).toHaveLength(2);
    expect(stdout).toContain('two lines?[2J and ? more');
  });
});

describe('following', () => {
  it('ends with 130 on Ctrl-C, and when nobody reads any more', async () => {
    const interrupted = startCli(cli, ['log', '--follow', '--json']);
    await interrupted.prints('stderr', 'waiting for it');
    interrupted.child.kill('SIGINT');
    expect((await interrupted.done).code).toBe(130);

    await cli.run(['status']);
    const target = parseDatabase(cli.database, 'test', 'flag', '/');
    const head = startCli(cli, ['log', '-f', '--interval', '1']);
    await logged({ target }, 'first');
    await head.prints('stdout', 'first');
    head.child.stdout?.destroy();
    // It is noticed by writing.
    await logged({ target }, 'second');
    await sleep(1_500);
    await logged({ target }, 'third');
    const { code, stderr } = await head.done;
    expect({ code, stderr }).toEqual({ code: 0, stderr: '' });
  });

  it('waits for a database that is not there yet, and says so once', async () => {
    const file = join(cli.home, 'later.db');
    const target = parseDatabase(file, 'test', 'flag', '/');
    const following = startCli(cli, ['log', '-f', '--interval', '1', '--database', file]);
    await following.prints('stderr', 'waiting for it');
    await migrateDatabase({ target, runtime: systemRuntime, dryRun: false, firstSettings: null });
    await logged({ target }, 'first');
    await following.prints('stdout', 'first');
    following.child.kill('SIGTERM');
    const { code, stderr } = await following.done;
    expect(code).toBe(0);
    expect(stderr.match(/waiting for it/g)).toHaveLength(1);
    expect(stderr.match(/answers again/g)).toHaveLength(1);
  });

  it('survives a server that goes away: nothing is missed, nothing is shown twice', async () => {
    const budget = await openBudget('postgresql');
    const proxy = await startProxy(budget.target);
    await logged(budget, 'first');
    const args = ['log', '-f', '--interval', '1', '--json', '--database', proxy.target.url];
    const following = startCli(cli, args);
    await following.prints('stdout', 'first');
    proxy.mode = 'refuses';
    proxy.cut();
    await following.prints('stderr', 'waiting for it');
    await logged(budget, 'meanwhile');
    proxy.mode = 'passes';
    await following.prints('stdout', 'meanwhile');
    await logged(budget, 'after');
    await following.prints('stdout', 'after');
    following.child.kill('SIGTERM');
    const { code, stderr } = await following.done;
    expect(code).toBe(0);
    expect(stderr.match(/waiting for it/g)).toHaveLength(1);
    expect(stderr).not.toContain('    at ');
    const names = following.lines().map((line) => (JSON.parse(line) as RequestDocument).requestId);
    expect(names).toEqual(['first', 'meanwhile', 'after']);
  });
});

describe('the lines of the log', () => {
  const entry: LogEntry = {
    id: '01a20d6f-6ed8-7267-b720-02d83397161b',
    atMs: Date.parse('2026-11-24T12:02:16.403Z'),
    aiType: 'a-service-with-a-very-long-name-of-fifty-characters',
    state: 'failed',
    tokensIn: 1_234_567,
    tokensOut: 89,
    charged: 1_234_656,
    reservedTokens: 0,
    reservedInputTokens: 0,
    requestItems: 1,
    deniedCount: 1,
    model: 'claude-with-a-long-name',
    requestId: null,
    idempotencyKey: null,
    requestType: 'direct',
    error: 'HTTP 529: the provider is overloaded, and asks to try again in a while',
    stopReason: null,
    expiresAtMs: null,
    endedAtMs: null,
    verdict: null,
  };

  it.each([120, 80, 60, 45])('fit %i columns: nothing is lost, and no number is cut', (width) => {
    const screen: Screen = { width, colors: new Chalk({ level: 0 }), symbols: ASCII };
    const layout = logLayout([entry], width);
    const text = logLines(entry, layout, screen, width);
    for (const line of [logHeader(layout, screen, width), ...text.split('\n')]) {
      expect(line.length).toBeLessThanOrEqual(width);
    }
    expect(text).toContain('12:02:16');
    expect(text).toContain('1,234,656');
    expect(text).toContain(entry.id);
    expect(text.replaceAll(/\s+/g, ' ')).toContain(entry.error);
  });

  it('are one each where nobody looks at a terminal', () => {
    const screen: Screen = { width: 80, colors: new Chalk({ level: 0 }), symbols: ASCII };
    const text = logLines(entry, logLayout([entry], null), screen, null);
    expect(text).not.toContain('\n');
    expect(text).toMatch(/1,234,567 +89 +1,234,656 +claude-with-a-long-name +01a20d6f.* HTTP 529/);
  });
});

describe('bad input', () => {
  it.each([
    [['--limit', '0'], '--limit'],
    [['--limit', '10001'], '--limit'],
    [['--state', 'done'], '--state'],
    [['--since', '2h30'], '--since'],
    [['--since', '2026'], '--since'],
    [['--since', '2026-02-30'], '--since'],
    [['--since', '0s'], '--since'],
    [['--since', '1h', '--until', '2h'], '--until'],
    [['--until', '1h', '--follow'], '--until'],
    [['--interval', '5'], '--interval'],
    [['-f', '--interval', '61'], '--interval'],
    [['-f', '--interval', '0'], '--interval'],
    [['--ai-type', 'global'], '--ai-type'],
    [['--failed', '--state', 'denied'], '--failed'],
    [['more'], 'log'],
  ])('%j exits 2 and names %s', async (args, field) => {
    const { code, stdout, stderr } = await cli.run(['log', ...args]);
    expect({ code, stdout }).toEqual({ code: 2, stdout: '' });
    expect(stderr).toContain(field);
    expect(stderr).not.toContain('    at ');
  });
});

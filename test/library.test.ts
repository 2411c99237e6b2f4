import { execFile } from 'node:child_process';
import { existsSync, mkdirSync, readFileSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { promisify } from 'node:util';
import { beforeEach, describe, expect, it, onTestFinished } from 'vitest';
import { BudgetDeniedError, openTokenctl, type OpenOptions, type Tokenctl } from '../src/index.ts';
import { sql, tokens } from './support/budget.ts';
import { emptyDatabase, migratedDatabase } from './support/databases.ts';
import { temporaryDirectory } from './support/sqlite.ts';

const project = fileURLToPath(new URL('..', import.meta.url));
const execute = promisify(execFile);

/** Runs a script in a process of its own, on the built library, with these variables and no others. */
async function script(body: string, environment: Record<string, string>): Promise<unknown> {
  const text = `import { openTokenctl } from 'tokenctl'; ${body}`;
  const { stdout } = await execute(process.execPath, ['--input-type=module', '-e', text], {
    cwd: project,
    env: { PATH: process.env['PATH'], HOME: '/nonexistent', ...environment },
  });
  return JSON.parse(stdout);
}
const SHOW_DATABASE = `const t = await openTokenctl(); console.log(JSON.stringify((await t.status()).database)); await t.close();`;

async function open(options: OpenOptions): Promise<Tokenctl> {
  const tokenctl = await openTokenctl(options);
  onTestFinished(() => tokenctl.close());
  return tokenctl;
}

let directory: string;
let path: string;
beforeEach(() => {
  directory = temporaryDirectory();
  path = join(directory, 'budget.db');
});

describe('opening a budget', () => {
  it('that is named and missing is refused, and creates nothing', async () => {
    await expect(open({ databaseUrl: `file:${path}` })).rejects.toMatchObject({
      code: 'database_missing',
      fix: expect.stringContaining('tokenctl db migrate') as string,
    });
    expect(existsSync(path)).toBe(false);
  });

  it('with create makes a named SQLite file, in directories that it makes too', async () => {
    const nested = join(directory, 'a', 'b', 'budget.db');
    const first = await open({ databaseUrl: nested, create: true });
    expect((await first.reserve(tokens(194))).admitted).toBe(true);
    const again = await open({ databaseUrl: `file:${nested}` });
    const status = await again.status();
    expect(status).toMatchObject({ largestAdmissible: 0, database: { location: nested } });
  });

  it('with create finds a file that other processes create at the same moment', async () => {
    const body = `const t = await openTokenctl({ databaseUrl: ${JSON.stringify(path)}, create: true });
      const { admitted } = await t.reserve({ aiType: 'a', estimate: { input: 10, output: 0 } });
      console.log(JSON.stringify(admitted)); await t.close();`;
    const answers = await Promise.all(Array.from({ length: 8 }, () => script(body, {})));
    expect(answers).toEqual(Array(8).fill(true));
    const status = await (await open({ databaseUrl: path })).status();
    expect(status).toMatchObject({ limitsRevision: 1, windows: [{ held: 80 }, {}, {}] });
  });

  it('on what is no SQLite file is refused, and leaves it as it is', async () => {
    writeFileSync(path, 'these are my notes, and they are longer than a header');
    await expect(open({ databaseUrl: path, create: true })).rejects.toMatchObject({
      code: 'database_unusable',
    });
    expect(readFileSync(path, 'utf8')).toMatch(/^these are my notes/);
  });

  it('never migrates PostgreSQL', async () => {
    const target = await emptyDatabase('postgresql');
    for (const create of [false, true]) {
      await expect(open({ databaseUrl: target.url, create })).rejects.toMatchObject({
        code: 'database_not_migrated',
        fix: expect.stringContaining('tokenctl db migrate') as string,
      });
    }
    expect(
      await sql(target, `SELECT tablename FROM pg_tables WHERE schemaname = 'public'`),
    ).toEqual([]);
  });

  it('on a database of PostgreSQL that is missing or away is refused, without its password', async () => {
    const { url } = await migratedDatabase('postgresql');
    const missing = new URL(url);
    missing.pathname = '/no_such_database';
    const away = new URL(url);
    away.port = '1';
    const cases = [
      [missing.href, 'database_missing'],
      [away.href, 'ledger_unavailable'],
    ] as const;
    for (const [databaseUrl, code] of cases) {
      const error: unknown = await open({ databaseUrl, config: { timeoutMs: 500 } }).catch(
        (e: unknown) => e,
      );
      expect(error).toMatchObject({ code });
      expect((error as Error).message).not.toMatch(/secret|%2F/);
    }
  });

  it.each([
    ['databaseUrl', { databaseUrl: 'mysql://host/db' }],
    ['databaseUrl', { databaseUrl: ':memory:' }],
    ['databaseUrl', { databaseUrl: '' }],
    ['config.timeoutMs', { config: { timeoutMs: 9 } }],
    ['config.timeoutMs', { config: { timeoutMs: 60_001 } }],
    ['config.cacheReadPercent', { config: { cacheReadPercent: 101 } }],
    ['config.cacheReadPercent', { config: { cacheReadPercent: -1 } }],
    ['config.estimator', { config: { estimator: 'guess' } }],
  ])('with a wrong %s is refused by name (%j)', async (field, wrong) => {
    const options = { databaseUrl: path, create: true, ...wrong } as OpenOptions;
    await expect(open(options)).rejects.toMatchObject({ code: 'invalid_input', field });
    expect(existsSync(path)).toBe(false);
  });
});

describe('which budget is opened', () => {
  it("is the file in the user's data directory, which is created, when nothing names another", async () => {
    const data = join(directory, 'data');
    const location = join(data, 'tokenctl', 'tokenctl.db');
    expect(await script(SHOW_DATABASE, { XDG_DATA_HOME: data })).toMatchObject({
      kind: 'sqlite',
      location,
    });
    expect(existsSync(location)).toBe(true);
    expect(await script(SHOW_DATABASE, { XDG_DATA_HOME: data })).toMatchObject({ location });
  });

  it('is what TOKENCTL_DATABASE_URL says before DATABASE_URL, before the configuration file', async () => {
    const names = ['own', 'usual', 'config'];
    for (const name of names) {
      await (await open({ databaseUrl: join(directory, name), create: true })).close();
    }
    mkdirSync(join(directory, 'tokenctl'));
    writeFileSync(
      join(directory, 'tokenctl', 'config.json'),
      JSON.stringify({ database: join(directory, 'config') }),
    );
    const variables: Record<string, string> = {
      XDG_CONFIG_HOME: directory,
      DATABASE_URL: join(directory, 'usual'),
      TOKENCTL_DATABASE_URL: join(directory, 'own'),
    };
    for (const name of names) {
      expect(await script(SHOW_DATABASE, variables)).toMatchObject({
        location: join(directory, name),
      });
      Reflect.deleteProperty(variables, name === 'own' ? 'TOKENCTL_DATABASE_URL' : 'DATABASE_URL');
    }
  });

  it('has the limits that the environment names, when it is created', async () => {
    const body = `const t = await openTokenctl({ databaseUrl: ${JSON.stringify(path)}, create: true });
      console.log(JSON.stringify((await t.status()).windows[0].limit)); await t.close();`;
    expect(await script(body, { GLOBAL_MONTHLY_LIMIT: '1_000_000' })).toBe(700_000);
    expect(await script(body, { GLOBAL_MONTHLY_LIMIT: '2_000_000' })).toBe(700_000);
  });
});

describe('the library', () => {
  it('estimates as it is configured', async () => {
    const estimate = { prompt: 'κόσμε', maxTokens: 1 };
    const totals = await Promise.all(
      (['words', 'bytes'] as const).map(async (estimator) => {
        const databaseUrl = join(directory, estimator);
        const tokenctl = await open({ databaseUrl, create: true, config: { estimator } });
        return (await tokenctl.check({ aiType: 'a', estimate })).estimate.input;
      }),
    );
    expect(totals[0]).toBe(2);
    expect(totals[1]).toBeGreaterThanOrEqual(10);
  });

  it('weighs tokens of the cache as it is configured', async () => {
    const config = { cacheReadPercent: 10 };
    const tokenctl = await open({ databaseUrl: path, create: true, config });
    const { reservation } = await tokenctl.reserve(tokens(100));
    const usage = { inputTokens: 1, outputTokens: 2, cacheReadInputTokens: 50 };
    expect(await tokenctl.settle(reservation!.id, usage)).toMatchObject({ charged: 8 });
  });

  it('runs a call within the budget, and throws the verdict above it', async () => {
    const tokenctl = await open({ databaseUrl: path, create: true });
    const usage = { inputTokens: 120, outputTokens: 0 };
    expect(await tokenctl.run(tokens(150), async () => ({ value: 5, usage }))).toBe(5);
    const denied = tokenctl.run(tokens(150), async () => ({ value: 6, usage }));
    await expect(denied).rejects.toBeInstanceOf(BudgetDeniedError);
    await expect(denied).rejects.toMatchObject({ verdict: { largestAdmissible: 74 } });
  });

  it('denies, and refuses to settle, after it was closed', async () => {
    const tokenctl = await open({ databaseUrl: path, create: true });
    const { reservation } = await tokenctl.reserve(tokens(10));
    await tokenctl.close();
    expect((await tokenctl.reserve(tokens(10))).reasons[0]?.code).toBe('ledger_unavailable');
    expect((await tokenctl.check(tokens(10))).reasons[0]?.code).toBe('ledger_unavailable');
    const late = tokenctl.settle(reservation!.id, { unknown: true });
    await expect(late).rejects.toMatchObject({ code: 'ledger_unavailable' });
    await expect(tokenctl.status()).rejects.toMatchObject({ code: 'ledger_unavailable' });
    await tokenctl.close();
  });
});

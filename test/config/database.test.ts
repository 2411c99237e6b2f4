import { describe, expect, it } from 'vitest';
import { TokenctlError } from '../../src/budget/errors.ts';
import { resolveDatabase, type DatabaseInputs } from '../../src/config/database.ts';

const INPUTS: DatabaseInputs = {
  environment: {},
  directory: '/work',
  dataDirectory: '/home/u/data',
  readSecret: () => null,
};

function resolve(inputs: Partial<DatabaseInputs>): string {
  const { kind, url, source } = resolveDatabase({ ...INPUTS, ...inputs });
  return `${source} ${kind} ${url}`;
}

function refusal(inputs: Partial<DatabaseInputs>): TokenctlError {
  try {
    resolve(inputs);
  } catch (error) {
    if (error instanceof TokenctlError) return error;
  }
  throw new Error('it was not refused');
}

describe('which database it is', () => {
  const all = {
    flag: 'file:flag.db',
    environment: { TOKENCTL_DATABASE_URL: 'file:own.db', DATABASE_URL: 'file:usual.db' },
    config: { database: 'file:config.db', file: '/etc/tokenctl/config.json' },
  };

  it('goes by flag, own variable, usual variable, configuration, default', () => {
    expect(resolve(all)).toBe('flag sqlite /work/flag.db');
    const { flag: _flag, ...unflagged } = all;
    expect(resolve(unflagged)).toBe('TOKENCTL_DATABASE_URL sqlite /work/own.db');
    const usual = { ...unflagged, environment: { DATABASE_URL: 'file:usual.db' } };
    expect(resolve(usual)).toBe('DATABASE_URL sqlite /work/usual.db');
    expect(resolve({ config: all.config })).toBe('config sqlite /etc/tokenctl/config.db');
    expect(resolve({})).toBe('default sqlite /home/u/data/tokenctl.db');
  });

  it('takes an empty variable for none', () => {
    expect(resolve({ environment: { DATABASE_URL: ' ' } })).toMatch(/^default/);
  });

  it('reads a secret from the file that a variable or systemd names', () => {
    const readSecret = (path: string): string | null =>
      ({ '/run/db': 'file:/a.db\n', '/creds/database-url': 'file:/b.db' })[path] ?? null;
    const named = { TOKENCTL_DATABASE_URL_FILE: '/run/db', CREDENTIALS_DIRECTORY: '/creds' };
    expect(resolve({ environment: named, readSecret })).toMatch(/sqlite \/a.db$/);
    const systemd = { CREDENTIALS_DIRECTORY: '/creds', DATABASE_URL: 'file:/c.db' };
    expect(resolve({ environment: systemd, readSecret })).toMatch(/sqlite \/b.db$/);
    const missing = { TOKENCTL_DATABASE_URL_FILE: '/none' };
    expect(refusal({ environment: missing, readSecret }).field).toBe('TOKENCTL_DATABASE_URL_FILE');
  });

  it.each([
    ['file:a.db', '/work/a.db'],
    ['file:./a.db?connection_limit=1', '/work/a.db'],
    ['file:///a%20b.db', '/a b.db'],
    ['sqlite:a.db', '/work/a.db'],
    ['sqlite:///a.db', '/work/a.db'],
    ['sqlite:////a.db', '/a.db'],
    ['/a.db', '/a.db'],
    ['budgets/a.db', '/work/budgets/a.db'],
  ])('reads %s as the file %s', (flag, path) => {
    expect(resolve({ flag })).toBe(`flag sqlite ${path}`);
  });

  it('says where PostgreSQL is without its password', () => {
    const url = 'postgres://bob:s3cret@db:5432/ai?schema=budget&password=s3cret';
    const target = resolveDatabase({ ...INPUTS, flag: url });
    expect(target.url).toBe(url);
    expect(target.location).toBe('postgres://bob@db:5432/ai?schema=budget');
  });

  it.each([
    ['mysql://bob:s3cret@db/ai', /"mysql:"/],
    ['postgresql://bob:s3cret@db:port/ai', /no URL/],
    ['postgresql://bob:s3cret@db', /names no database/],
    ['', /names no database/],
    [':memory:', /memory/],
  ])('refuses %s, naming where it came from and never the password', (value, problem) => {
    const error = refusal({ flag: value });
    expect(error).toMatchObject({ code: 'invalid_input', field: '--database' });
    expect(error.message).toMatch(problem);
    expect(`${error.message} ${error.fix ?? ''}`).not.toContain('s3cret');
  });
});

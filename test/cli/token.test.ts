import { beforeEach, describe, expect, it } from 'vitest';
import type { CreatedTokenDocument, TokenListDocument } from '../../src/cli/views/token.ts';
import { sql } from '../support/budget.ts';
import { temporaryCli, type Cli, type CliResult } from '../support/cli.ts';
import { DATABASES, migratedDatabase } from '../support/databases.ts';
import { startInPty } from '../support/pty.ts';

let cli: Cli;
beforeEach(() => {
  cli = temporaryCli();
});

const DAY_MS = 86_400_000;

async function created(...args: string[]): Promise<CreatedTokenDocument> {
  const { stdout, code } = await cli.run(['token', 'create', '--json', ...args]);
  expect(code).toBe(0);
  return JSON.parse(stdout) as CreatedTokenDocument;
}

async function listed(...args: string[]): Promise<TokenListDocument['tokens']> {
  const { stdout } = await cli.run(['token', 'list', '--json', ...args]);
  return (JSON.parse(stdout) as TokenListDocument).tokens;
}

describe.each(DATABASES)('token on %s', (kind) => {
  it('is made, listed and revoked', async () => {
    const target = await migratedDatabase(kind);
    const { url } = target;
    const run = (...args: string[]): Promise<CliResult> =>
      cli.run(['token', ...args, '--database', url]);

    const made = await run('create', '--name', 'python backend', '--ai-type', 'Imperium');
    expect(made.code).toBe(0);
    expect(made.stdout).toMatch(/^tkc_[A-Za-z0-9_-]{48}\n$/);
    const secret = made.stdout.trim();
    const prefix = secret.slice(0, 12);
    expect(made.stderr).toMatch(
      /^tokenctl: created "python backend" \(tkc_.{8}\): reserve for imperium, until \d{4}-\d\d-\d\d \d\d:\d\d UTC\ntokenctl: keep it now: .*\n$/,
    );
    const quiet = await run('create', '--name', 'ci', '--expires', 'never', '--quiet');
    expect([quiet.stderr, quiet.stdout.length]).toEqual(['', 53]);

    const [ci, backend] = await listed('--database', url);
    expect(backend).toEqual({
      id: expect.stringMatching(/^[0-9a-f-]{36}$/) as string,
      ...{ name: 'python backend', prefix, state: 'active' },
      ...{ scopes: ['reserve'], aiTypes: ['imperium'] },
      createdAt: expect.stringMatching(/^\d{4}-.*Z$/) as string,
      createdBy: expect.stringContaining('@') as string,
      expiresAt: expect.stringMatching(/^\d{4}-.*Z$/) as string,
      ...{ lastUsedAt: null, revokedAt: null },
    });
    expect(Date.parse(backend!.expiresAt!) - Date.parse(backend!.createdAt)).toBeGreaterThan(
      364.9 * DAY_MS,
    );
    expect(ci).toMatchObject({ name: 'ci', aiTypes: null, expiresAt: null });
    await sql(
      target,
      `UPDATE access_tokens SET expires_at_ms = 1, last_used_at_ms = created_at_ms - 120000 WHERE name = 'ci'`,
    );
    expect((await run('list')).stdout).toMatch(
      /^Name +Prefix +State +Scopes +Expires +Last used\nci +tkc_.{8} +expired +reserve +1970-01-01 +2 min ago\npython backend +tkc_.{8} +active +reserve \(imperium\) +\d{4}-\d\d-\d\d +never\n$/,
    );

    const dry = await run('revoke', 'python backend', '--dry-run', '--json');
    expect(JSON.parse(dry.stdout)).toEqual({ dryRun: true, ...backend });
    const revoked = await run('revoke', 'python backend', '--yes', '--json');
    expect([revoked.code, JSON.parse(revoked.stdout)]).toEqual([
      0,
      {
        ...{ dryRun: false, ...backend, state: 'revoked' },
        revokedAt: expect.stringMatching(/^\d{4}-.*Z$/) as string,
      },
    ]);
    // The whole token may be named too, as it stands in a log; it is not printed again.
    for (const named of ['python backend', prefix, backend!.id, secret]) {
      const again = await run('revoke', named, '--yes', '--json');
      expect([again.code, JSON.parse(again.stdout)]).toMatchObject([
        1,
        { error: { code: 'token_revoked' } },
      ]);
      expect(again.stdout + again.stderr).not.toContain(secret);
    }
    const pasted = await run('revoke', `Bearer ${secret}`, '--yes');
    expect([pasted.code, pasted.stdout]).toEqual([1, '']);
    expect(pasted.stderr).toContain(`there is no token "Bearer ${prefix}…"`);
    expect(pasted.stderr).not.toContain(secret);
    const mistyped = secret.slice(0, -1) + (secret.endsWith('x') ? 'y' : 'x');
    const unknown = await run('revoke', mistyped, '--yes', '--json');
    expect([unknown.code, JSON.parse(unknown.stdout)]).toMatchObject([
      1,
      { error: { code: 'token_not_found', message: `there is no token "${prefix}…"` } },
    ]);
    expect((await run('list')).stdout).not.toContain(secret.slice(12));
  });
});

describe('token revoke', () => {
  it('refuses a name that several have, and takes one by its prefix, then the name', async () => {
    const first = await created('--name', 'backend');
    const second = await created('--name', 'backend');
    const both = await cli.run(['token', 'revoke', 'backend', '--yes']);
    expect([both.code, both.stdout]).toEqual([2, '']);
    expect(both.stderr).toMatch(
      /^tokenctl: TOKEN: 2 tokens are named "backend"\n.*by its prefix: tkc_/,
    );
    expect(both.stderr).toContain(first.prefix);
    expect(both.stderr).toContain(second.prefix);
    expect((await listed()).map(({ state }) => state)).toEqual(['active', 'active']);
    expect((await cli.run(['token', 'revoke', first.prefix, '--yes'])).stdout).toMatch(
      /^Revoked "backend" \(tkc_.{8}\): reserve for any AI type, until .* UTC\.\n/,
    );
    expect((await cli.run(['token', 'revoke', 'backend', '--yes'])).code).toBe(0);
    expect((await listed()).map(({ state }) => state)).toEqual(['revoked', 'revoked']);
  });

  it('needs a confirmation', async () => {
    const { name } = await created('--name', 'backend');
    const unconfirmed = await cli.run(['token', 'revoke', name]);
    expect([unconfirmed.code, unconfirmed.stdout]).toEqual([5, '']);
    expect(unconfirmed.stderr).toMatch(/needs --yes/);
    expect((await listed())[0]?.state).toBe('active');
  });

  it('asks a person for the name', async () => {
    await created('--name', 'python backend');
    const env = { XDG_DATA_HOME: `${cli.home}/data` };
    for (const [keys, code, state] of [
      ['python\r', 5, 'active'],
      ['\u0003', 130, 'active'],
      ['python backend\r', 0, 'revoked'],
    ] as const) {
      const pty = startInPty(['token', 'revoke', 'python backend'], { home: cli.home, env });
      await pty.waitFor('Type python backend to confirm:');
      pty.type(keys);
      expect(await pty.exited()).toBe(code);
      expect((await listed())[0]?.state).toBe(state);
    }
  });
});

describe('token list', () => {
  it('is whole in narrow terminals', async () => {
    await created(
      ...['--name', 'the python backend of the eastern region', '--scope', 'read', 'reserve'],
      ...['--ai-type', 'imperium', 'guardian', 'sandbox'],
    );
    const env = { XDG_DATA_HOME: `${cli.home}/data` };
    for (const cols of [80, 60, 40]) {
      const pty = startInPty(['token', 'list'], { home: cli.home, env, cols });
      expect(await pty.exited()).toBe(0);
      const text = pty.text();
      expect(text).toMatch(/tkc_\S{8}\s/);
      expect(text.replaceAll(/\s+/g, ' ')).toContain('guardian');
      // Too narrow for columns, each token has lines of its own.
      if (cols < 60) continue;
      expect(pty.colorOf('active').foreground).toBe(2);
      expect(Math.max(...text.split('\n').map(({ length }) => length))).toBeLessThanOrEqual(cols);
    }
  });

  it('says how to make the first', async () => {
    await cli.run(['status']);
    expect((await cli.run(['token', 'list'])).stdout).toMatch(/tokenctl token create --name/);
    expect(await listed()).toEqual([]);
  });
});

describe('wrong usage exits 2 and makes no token', () => {
  beforeEach(async () => {
    await cli.run(['status']);
  });

  it.each([
    [['create'], /--name/],
    [['create', '--name', ' '], /--name: is empty/],
    [['create', '--name', 'x'.repeat(101)], /--name: has 101 characters/],
    [['create', '--name', 'tkc_secret'], /--name: may not begin with tkc_/],
    [
      ['create', '--name', 'x', '--scope', 'write'],
      /--scope: "write" is no scope\n.*read, reserve, admin/,
    ],
    [['create', '--name', 'x', '--scope', 'read,admin'], /--scope: "read,admin" is no scope/],
    [['create', '--name', 'x', '--ai-type', 'global'], /--ai-type: "global" is reserved/],
    [['create', '--name', 'x', '--expires', 'soon'], /--expires: "soon" is no time\n.*never/],
    [['create', '--name', 'x', '--expires', '0d'], /--expires: must be longer than 0/],
    [['create', '--name', 'x', '--expires', '3651d'], /--expires: must be at most 3650d/],
    [['create', '--name', 'x', '--expires', '2020-01-01'], /--expires: 2020-01-01 is over already/],
    [['create', '--name', 'x', '--expires', '2999-02-30'], /--expires: "2999-02-30" is no time/],
    [['revoke'], /missing required argument 'token'/],
  ])('%j', async (args, problem) => {
    const { code, stdout, stderr } = await cli.run(['token', ...args]);
    expect([code, stdout]).toEqual([2, '']);
    expect(stderr).toMatch(/^tokenctl: /);
    expect(stderr).toMatch(problem);
    expect(await listed()).toEqual([]);
  });

  it.each([
    ['90d', 90],
    ['12h', 0.5],
    ['Never', null],
  ])('but %s is an end', async (text, days) => {
    const { createdAt, expiresAt } = await created('--name', 'x', '--expires', text);
    if (days === null) expect(expiresAt).toBe(null);
    else expect((Date.parse(expiresAt!) - Date.parse(createdAt)) / DAY_MS).toBeCloseTo(days, 2);
  });

  it('and so is a date, which begins in UTC', async () => {
    const { expiresAt } = await created('--name', 'x', '--expires', '2999-01-31');
    expect(expiresAt).toBe('2999-01-31T00:00:00.000Z');
  });
});

import { describe, expect, it } from 'vitest';
import type { Guard } from '../../src/guard/guard.ts';
import {
  counts,
  everywhere,
  guardOn,
  idOf,
  openBudget,
  sql,
  tokens,
  type Budget,
} from '../support/budget.ts';
import { foreignClient, roleWith } from '../support/foreign-client.ts';
import { until } from '../support/processes.ts';
import { timed } from '../support/timed.ts';

const TIMEOUT_MS = 400;

interface AsRole {
  readonly budget: Budget;
  /** A guard that logs in as a role of its own, which is no superuser. */
  readonly guard: Guard;
  readonly role: string;
  readonly url: string;
}

async function openAsRole(): Promise<AsRole> {
  const budget = await openBudget('postgresql');
  const url = await roleWith(budget.target, 'ALL ON ALL TABLES IN SCHEMA public');
  const role = new URL(url).username;
  const { guard } = await guardOn({ ...budget.target, url }, budget.clock, TIMEOUT_MS);
  idOf(await guard.reserve(tokens(1)));
  return { budget, guard, role, url };
}

/** Ends the role's sessions, so that the guard must connect again. */
async function disconnect({ budget, role }: AsRole): Promise<void> {
  const sessions = `FROM pg_stat_activity WHERE usename = '${role}'`;
  await sql(budget.target, `SELECT pg_terminate_backend(pid) ${sessions}`);
  await until(async () => (await sql(budget.target, `SELECT pid ${sessions}`)).length === 0);
}

/** Denied in time, for this reason, and no password in what it says. */
async function expectDenied(guard: Guard, why: RegExp): Promise<void> {
  const [denied, tookMs] = await timed(guard.reserve(tokens(100)));
  expect(denied).toMatchObject({ admitted: false, reasons: [{ code: 'ledger_unavailable' }] });
  expect(denied.reasons[0]!.message).toMatch(why);
  expect(JSON.stringify(denied)).not.toContain('secret');
  // Four times its time-out, and the rest for a slow machine.
  expect(tookMs).toBeLessThan(4 * TIMEOUT_MS + 1_000);
}

describe('a PostgreSQL server that refuses the guard', () => {
  it('as the database has become read-only: denies, and works again in the same process', async () => {
    const opened = await openAsRole();
    const { budget, guard } = opened;
    const database = new URL(budget.target.url).pathname.slice(1);
    await sql(budget.target, `ALTER DATABASE ${database} SET default_transaction_read_only = on`);
    await disconnect(opened);
    await expectDenied(guard, /cannot execute .* in a read-only transaction/);
    expect((await guard.check(tokens(1))).admitted).toBe(true);
    const writable = {
      ...budget.target,
      url: `${budget.target.url}?options=-c%20default_transaction_read_only=off`,
    };
    await sql(writable, `ALTER DATABASE ${database} RESET default_transaction_read_only`);
    await until(async () => (await guard.reserve(tokens(2))).admitted);
    expect(await counts(budget.app)).toEqual(everywhere(0, 3));
  });

  it('as it has no connection left: denies, and works again when one is free', async () => {
    const opened = await openAsRole();
    const { budget, guard, role, url } = opened;
    await sql(budget.target, `ALTER ROLE ${role} CONNECTION LIMIT 1`);
    await disconnect(opened);
    const other = await foreignClient(budget.target, url);
    await expectDenied(guard, /could not be reached for 400 ms: too many connections/);
    await other.end();
    await until(async () => (await guard.reserve(tokens(2))).admitted);
    expect(await counts(budget.app)).toEqual(everywhere(0, 3));
  });

  it('as the password was changed: goes on while connected, then denies, and works again with the old one', async () => {
    const opened = await openAsRole();
    const { budget, guard, role } = opened;
    await sql(budget.target, `ALTER ROLE ${role} PASSWORD 'another'`);
    idOf(await guard.reserve(tokens(4)));
    await disconnect(opened);
    await expectDenied(guard, /the login was refused: check user and password in the URL/);
    await sql(budget.target, `ALTER ROLE ${role} PASSWORD 'secret'`);
    idOf(await guard.reserve(tokens(2)));
    expect(await counts(budget.app)).toEqual(everywhere(0, 7));
  });

  it('as a privilege was taken away: denies, saying which, and works again when it is back', async () => {
    const { budget, guard, role } = await openAsRole();
    await sql(budget.target, `REVOKE INSERT ON token_usage_logs FROM ${role}`);
    await expectDenied(guard, /permission denied for table token_usage_logs: grant it/);
    await sql(budget.target, `GRANT INSERT ON token_usage_logs TO ${role}`);
    idOf(await guard.reserve(tokens(2)));
    expect(await counts(budget.app)).toEqual(everywhere(0, 3));
  });
});

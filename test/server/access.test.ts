import Sqlite from 'better-sqlite3';
import { describe, expect, it, onTestFinished } from 'vitest';
import type { App, TokenRequest } from '../../src/app.ts';
import type { Scope } from '../../src/budget/access-token.ts';
import { Ledger } from '../../src/ledger/ledger.ts';
import type { Operations } from '../../src/ledger/port.ts';
import { step, type Step } from '../../src/ledger/steps.ts';
import { systemRuntime, type Runtime } from '../../src/platform/runtime.ts';
import { newToken } from '../../src/platform/secret.ts';
import { AccessTokens } from '../../src/server/access.ts';
import { NEWCOMERS } from '../../src/server/token-lookup.ts';
import { openBudget, sql, type Budget } from '../support/budget.ts';
import { DATABASES, openTestApp, type DatabaseName } from '../support/databases.ts';
import { grantAsDocumented } from '../support/privileges.ts';

/** A ledger that counts what it is asked. */
class CountingLedger extends Ledger {
  reads = 0;
  writes = 0;

  override read<T>(work: (ops: Operations) => Step<T>): Promise<T> {
    this.reads += 1;
    return super.read(work);
  }

  override write<T>(work: (ops: Operations) => Step<T>): Promise<T> {
    this.writes += 1;
    return super.write(work);
  }
}

interface Gate extends Budget {
  readonly ledger: CountingLedger;
  readonly access: AccessTokens;
  /** Lets time pass on both clocks of the gate. */
  readonly pass: (ms: number) => void;
  readonly create: (request?: Partial<TokenRequest>) => Promise<{ secret: string; id: string }>;
  /** What a check grants or refuses, in one word. */
  readonly ask: (secret: string, scope?: Scope) => Promise<string>;
}

/** A gate whose clocks stand still until the test lets time pass. */
async function openGate(kind: DatabaseName): Promise<Gate> {
  const budget = await openBudget(kind);
  const { app, clock } = budget;
  const ledger = new CountingLedger({ connection: app.ledger.connection, runtime: clock });
  let monotonicMs = 1_000;
  const runtime: Runtime = { ...clock, monotonicMs: () => monotonicMs };
  const access = new AccessTokens(ledger, runtime);
  return {
    ...{ ...budget, ledger, access },
    pass(ms) {
      monotonicMs += ms;
      clock.advance(ms);
    },
    create: (request) => create(app, request),
    async ask(secret, scope = 'reserve') {
      const answer = await access.check(secret, scope);
      return answer.granted ? 'granted' : answer.reason;
    },
  };
}

async function create(app: App, request: Partial<TokenRequest> = {}) {
  const { secret, token } = await app.createToken({
    ...{ name: 'test', scopes: ['reserve'], aiTypes: null, expiresAtMs: null, actor: 'ann@host' },
    ...request,
  });
  return { secret, id: token.id };
}

async function lastUse({ app }: Budget): Promise<string | null> {
  const [token] = await app.tokens();
  const atMs = token?.lastUsedAtMs ?? null;
  return atMs === null ? null : new Date(atMs).toISOString();
}

describe.each(DATABASES)('access tokens on %s', (kind) => {
  it('say who calls, and what for', async () => {
    const { access, create } = await openGate(kind);
    const { secret, id } = await create({
      name: 'python backend',
      scopes: ['read', 'reserve'],
      aiTypes: ['imperium', 'guardian'],
    });
    expect(await access.check(secret, 'reserve')).toEqual({
      granted: true,
      caller: {
        id,
        name: 'python backend',
        scopes: ['read', 'reserve'],
        aiTypes: ['imperium', 'guardian'],
      },
    });
    expect(await access.check(secret, 'admin')).toEqual({ granted: false, reason: 'scope' });
  });

  it('are kept as hashes: no table holds one', async () => {
    const { create, target } = await openGate(kind);
    const { secret } = await create();
    const [row] = await sql(target, 'SELECT * FROM access_tokens');
    expect(row).toMatchObject({ prefix: secret.slice(0, 12), created_by: 'ann@host' });
    expect(row?.['token_hash']).toMatch(/^[0-9a-f]{64}$/);
    expect(JSON.stringify(row, (_, value: unknown) => String(value))).not.toContain(secret);
    expect(JSON.stringify(Object.values(row ?? {}).map(String))).not.toContain(secret.slice(13));
  });

  it('refuse what is none, without asking the database', async () => {
    const { ask, create, ledger } = await openGate(kind);
    const { secret } = await create();
    const last = secret.endsWith('A') ? 'B' : 'A';
    for (const text of ['', 'x', 'sk-ant-api03-x', secret.slice(0, -1), ` ${secret}`]) {
      expect(await ask(text)).toBe('unknown');
    }
    expect(await ask(secret.slice(0, -1) + last)).toBe('unknown');
    expect(ledger.reads).toBe(0);
  });

  it('end at their very instant, also while they are remembered', async () => {
    const { ask, create, clock, pass, ledger } = await openGate(kind);
    const { secret } = await create({ expiresAtMs: clock.nowMs() + 1_000 });
    pass(999);
    expect(await ask(secret)).toBe('granted');
    pass(1);
    expect(await ask(secret)).toBe('expired');
    expect(ledger.reads).toBe(1);
  });

  it('are refused everywhere 5 seconds after they were revoked elsewhere', async () => {
    const gate = await openGate(kind);
    const { ask, create, pass } = gate;
    const { secret, id } = await create();
    expect(await ask(secret)).toBe('granted');
    const elsewhere = await gate.another();
    await elsewhere.app.revokeToken(id, { dryRun: false });
    pass(4_999);
    expect(await ask(secret)).toBe('granted');
    pass(1);
    expect(await ask(secret)).toBe('revoked');
  });

  it('are asked for once in 5 seconds, and once by many callers at a time', async () => {
    const { ask, create, pass, ledger } = await openGate(kind);
    const { secret } = await create();
    const all = async (): Promise<Set<string>> =>
      new Set(await Promise.all(Array.from({ length: 200 }, () => ask(secret))));
    expect(await all()).toEqual(new Set(['granted']));
    pass(4_999);
    expect(await all()).toEqual(new Set(['granted']));
    expect(ledger.reads).toBe(1);
    pass(1);
    expect(await all()).toEqual(new Set(['granted']));
    expect(ledger.reads).toBe(2);
  });

  it('that nobody has are remembered for a second', async () => {
    const { ask, pass, ledger } = await openGate(kind);
    const secret = newToken();
    for (const [ms, reads] of [
      [0, 1],
      [999, 1],
      [1, 2],
    ] as const) {
      pass(ms);
      expect(await ask(secret)).toBe('unknown');
      expect(ledger.reads).toBe(reads);
    }
  });

  it('work at once when they are new, whatever was asked before', async () => {
    const { ask, create } = await openGate(kind);
    expect(await ask(newToken())).toBe('unknown');
    const { secret } = await create();
    expect(await ask(secret)).toBe('granted');
  });

  it('that are good pass through a flood of wrong ones, which asks the database seldom', async () => {
    const { ask, create, pass, ledger } = await openGate(kind);
    const { secret } = await create();
    expect(await ask(secret)).toBe('granted');
    pass(5_000);
    const flood = Promise.all(Array.from({ length: 3 * NEWCOMERS }, () => ask(newToken())));
    // What is remembered no longer is asked for before all of them.
    expect(await ask(secret)).toBe('granted');
    expect(ledger.reads).toBeLessThanOrEqual(3);
    const answers = await flood;
    expect(answers.filter((answer) => answer === 'unknown')).toHaveLength(NEWCOMERS);
    expect(answers.filter((answer) => answer === 'unavailable')).toHaveLength(2 * NEWCOMERS);
    expect(ledger.reads).toBeLessThanOrEqual(1 + 1 + Math.ceil((NEWCOMERS + 1) / 32));
  });

  it('note their use once a minute', async () => {
    const gate = await openGate(kind);
    const { ask, access, create, clock, pass, ledger } = gate;
    clock.set('2025-06-15T12:30:20.500Z');
    const { secret } = await create();
    expect(await lastUse(gate)).toBe(null);
    const use = async (): Promise<void> => {
      for (let call = 0; call < 20; call += 1) expect(await ask(secret)).toBe('granted');
      await access.close();
    };
    await use();
    expect(await lastUse(gate)).toBe('2025-06-15T12:30:00.000Z');
    pass(39_499);
    await use();
    expect(ledger.writes).toBe(1);
    pass(1);
    await use();
    expect(await lastUse(gate)).toBe('2025-06-15T12:31:00.000Z');
    expect(ledger.writes).toBe(2);
    // A refused one was not used.
    pass(60_000);
    expect(await ask(secret, 'admin')).toBe('scope');
    await access.close();
    expect(ledger.writes).toBe(2);
  });

  it('keep nobody waiting while their use can not be noted', async () => {
    const gate = await openGate(kind);
    const { ask, access, create, app } = gate;
    const { secret } = await create();
    const letGo = await holdLock(gate);
    expect(await ask(secret)).toBe('granted');
    expect(await ask(secret)).toBe('granted');
    expect((await app.tokens())[0]?.lastUsedAtMs).toBe(null);
    await letGo();
    await access.close();
    expect(await lastUse(gate)).not.toBe(null);
  });

  it('let nobody pass while the ledger does not answer, and heal with it', async () => {
    const { ask, access, create, pass, target } = await openGate(kind);
    const { secret } = await create();
    expect(await ask(secret)).toBe('granted');
    await access.close();
    await sql(target, 'ALTER TABLE access_tokens RENAME TO away');
    pass(4_999);
    expect(await ask(secret)).toBe('granted');
    pass(1);
    expect(await ask(secret)).toBe('unavailable');
    expect(await ask(newToken())).toBe('unavailable');
    await sql(target, 'ALTER TABLE away RENAME TO access_tokens');
    expect(await ask(secret)).toBe('granted');
  });

  it('let nobody pass whose ledger was closed', async () => {
    const { ask, create, ledger } = await openGate(kind);
    const { secret } = await create();
    await ledger.close();
    expect(await ask(secret)).toBe('unavailable');
  });
});

describe('the privileges of docs/database.md', () => {
  it('let an operator make tokens, and the gateway check them and note their use', async () => {
    const budget = await openBudget('postgresql');
    const urlOf = await grantAsDocumented(budget.target);
    const as = async (role: string): Promise<App> => {
      const app = await openTestApp({ ...budget.target, url: urlOf(role) });
      onTestFinished(() => app.close());
      return app;
    };
    const [operator, gateway, guard] = [
      await as('operator'),
      await as('gateway'),
      await as('guard'),
    ];
    const { secret } = await create(operator);
    const access = new AccessTokens(gateway.ledger, systemRuntime);
    expect(await access.check(secret, 'reserve')).toMatchObject({ granted: true });
    await access.close();
    expect(await lastUse(budget)).not.toBe(null);
    await expect(create(gateway)).rejects.toThrow(/permission denied/);
    await expect(guard.tokens()).rejects.toThrow(/permission denied/);
    const refusing = new AccessTokens(guard.ledger, systemRuntime);
    expect(await refusing.check(secret, 'reserve')).toMatchObject({ reason: 'unavailable' });
    expect((await operator.revokeToken('test', { dryRun: false })).revokedAtMs).not.toBe(null);
  });
});

/** Holds the ledger's lock as another process would; ends with what it returns. */
async function holdLock(gate: Budget): Promise<() => Promise<void>> {
  if (gate.target.kind === 'sqlite') {
    // A transaction of tokenctl's own runs in one go there.
    const database = new Sqlite(gate.target.url);
    database.exec('BEGIN IMMEDIATE');
    return async () => {
      database.exec('ROLLBACK');
      database.close();
    };
  }
  const { app } = await gate.another();
  const [locked, letGo] = [deferred(), deferred()];
  const holding = app.ledger.write(function* () {
    locked.resolve();
    yield* step(letGo.promise);
  });
  await locked.promise;
  return () => {
    letGo.resolve();
    return holding;
  };
}

function deferred() {
  let resolve!: () => void;
  const promise = new Promise<void>((done) => {
    resolve = done;
  });
  return { promise, resolve };
}

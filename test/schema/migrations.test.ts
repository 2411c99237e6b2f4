import { type ChildProcess, spawn } from 'node:child_process';
import { once } from 'node:events';
import { existsSync, mkdirSync, readdirSync, readFileSync, writeFileSync } from 'node:fs';
import { dirname, join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { describe, expect, it } from 'vitest';
import {
  applyMigrations,
  databaseToDatamodel,
  diagnoseMigrationHistory,
  migrationsDirectory,
} from '../../scripts/schema-engine.ts';
import { databaseInfo, migrateDatabase, openApp } from '../../src/app.ts';
import { parseDatabase, type DatabaseTarget } from '../../src/config/database.ts';
import { migrationNames } from '../../src/platform/package-files.ts';
import { systemRuntime as runtime } from '../../src/platform/runtime.ts';
import { expectCountsAgree, query, windowOf } from '../support/counts.ts';
import { DATABASES, emptyDatabase } from '../support/databases.ts';
import { foreignClient, roleWith } from '../support/foreign-client.ts';
import { openLedgerOn } from '../support/ledgers.ts';
import { temporaryDirectory } from '../support/sqlite.ts';

const migrate = (target: DatabaseTarget, dryRun = false) =>
  migrateDatabase({ target, runtime, dryRun, firstSettings: null });
const targetOf = (url: string): DatabaseTarget => parseDatabase(url, 'test', 'flag', '/');
const LOG =
  "INSERT INTO token_usage_logs (ai_type, total_tokens, created_at) VALUES ('imperium', 5, '2025-05-10 12:00:00')";

/** A process that migrates; `go` lets it begin, and answers its last word. */
async function migrator(target: DatabaseTarget): Promise<{ go: () => Promise<string> }> {
  const program = fileURLToPath(new URL('../support/migrate-process.ts', import.meta.url));
  const child: ChildProcess = spawn(process.execPath, ['--import', 'tsx', program, target.url], {
    stdio: ['pipe', 'pipe', 'inherit'],
  });
  let said = '';
  child.stdout!.on('data', (data: Buffer) => (said += data.toString()));
  const ended = once(child, 'exit');
  await once(child.stdout!, 'data');
  return {
    async go() {
      child.stdin!.end('go');
      await ended;
      return said.trim().split('\n').at(-1)!;
    },
  };
}

describe.each(DATABASES)('migrations on %s', (kind) => {
  const live = (target: DatabaseTarget) => ({
    database: kind,
    url: kind === 'sqlite' ? `file:${target.url}` : target.url,
  });

  it('create a ledger, and a second run finds nothing to do', async () => {
    const target = await emptyDatabase(kind);
    const report = await migrate(target);
    expect(report).toMatchObject({ applied: migrationNames(kind), adopted: null, upToDate: false });
    expect(await migrate(target)).toMatchObject({ applied: [], adopted: null, upToDate: true });
    expect(await query(target, 'SELECT revision, source FROM limit_revisions')).toEqual([
      { revision: 1, source: 'defaults' },
    ]);
    expect(await databaseInfo(target)).toMatchObject({
      ...{ state: 'current', logRows: 0, limitsRevision: 1 },
      migrations: { applied: migrationNames(kind), pending: [], unknown: [] },
    });
  });

  it('keep rows and limits when they are run again', async () => {
    const target = await emptyDatabase(kind);
    await migrate(target);
    await query(target, LOG);
    await migrateDatabase({
      target,
      runtime,
      dryRun: false,
      firstSettings: { global: { monthly: 1 }, aiTypes: {} },
    });
    const { app } = await openLedgerOn(target);
    expect((await windowOf(app, 'imperium', '2025-05')).used).toBe(5);
    expect((await app.limits()).limits.monthly).toBe(200_000);
    await expectCountsAgree(app, target);
  });

  it("agree with Prisma's own engine, before it and after it", async () => {
    const target = await emptyDatabase(kind);
    const directory = migrationsDirectory(kind);
    await migrate(target);
    expect(await diagnoseMigrationHistory(live(target), directory)).toMatchObject({
      ...{
        history: null,
        editedMigrationNames: [],
        failedMigrationNames: [],
        hasMigrationsTable: true,
      },
    });
    expect(await applyMigrations(live(target), directory)).toEqual([]);
    expect(await databaseToDatamodel(live(target))).toBe('');

    const theirs = await emptyDatabase(kind);
    expect(await applyMigrations(live(theirs), directory)).toEqual(migrationNames(kind));
    expect(await migrate(theirs)).toMatchObject({ upToDate: true, applied: [] });
    const { app } = await openLedgerOn(theirs);
    await query(theirs, LOG);
    expect((await windowOf(app, 'imperium', '2025-05-10T12')).used).toBe(5);
    await expectCountsAgree(app, theirs);
  });

  it('are refused where a newer tokenctl has migrated, and nothing is changed', async () => {
    const target = await emptyDatabase(kind);
    await migrate(target);
    await query(
      target,
      "INSERT INTO _prisma_migrations (id, checksum, migration_name, finished_at, applied_steps_count) VALUES ('x', 'x', '20991231000000_later', CURRENT_TIMESTAMP, 1)",
    );
    const newer = { code: 'database_newer' };
    await expect(migrate(target)).rejects.toMatchObject(newer);
    await expect(migrate(target, true)).rejects.toMatchObject(newer);
    const status = async () => {
      const app = await openApp({ target, runtime, create: true });
      try {
        return await app.status();
      } finally {
        await app.close();
      }
    };
    await expect(status()).rejects.toMatchObject(newer);
    expect(await databaseInfo(target)).toMatchObject({
      ...{ state: 'newer', migrations: { unknown: ['20991231000000_later'] } },
    });
    expect(await query(target, 'SELECT count(*) AS n FROM _prisma_migrations')).toHaveLength(1);
  });

  it('run at once by three processes are done once', async () => {
    const target = await emptyDatabase(kind);
    const processes = await Promise.all([migrator(target), migrator(target), migrator(target)]);
    const said = await Promise.all(processes.map(({ go }) => go()));
    expect(said.toSorted()).toEqual(['migrated', 'up to date', 'up to date']);
    const { app } = await openLedgerOn(target);
    await expectCountsAgree(app, target);
  });
});

describe('migrations of an SQLite file', () => {
  it('make the directories that it lies in', async () => {
    const target = targetOf(join(temporaryDirectory(), 'a', 'b', 'budget.db'));
    expect(await migrate(target)).toMatchObject({ created: true });
  });

  it('leave nothing behind in a dry run', async () => {
    const directory = temporaryDirectory();
    for (const name of ['budget.db', join('a', 'b', 'budget.db')]) {
      const plan = await migrate(targetOf(join(directory, name)), true);
      expect(plan).toMatchObject({
        created: true,
        dryRun: true,
        applied: migrationNames('sqlite'),
      });
    }
    expect(readdirSync(directory)).toEqual([]);
  });

  it('refuse what is no database, and leave it as it is', async () => {
    const path = join(temporaryDirectory(), 'notes.txt');
    const text =
      'These are notes, and they are longer than the header of a database file is.\n'.repeat(20);
    writeFileSync(path, text);
    const refusal = {
      code: 'database_unusable',
      message: expect.stringContaining('is no SQLite database') as string,
    };
    for (const dryRun of [true, false]) {
      await expect(migrate(targetOf(path), dryRun)).rejects.toMatchObject(refusal);
    }
    await expect(openApp({ target: targetOf(path), runtime, create: true })).rejects.toMatchObject(
      refusal,
    );
    expect(readFileSync(path, 'utf8')).toBe(text);
    expect(readdirSync(dirname(path))).toEqual(['notes.txt']);
  });

  it('refuse a directory, a path below a file, and a directory that is missing', async () => {
    const directory = temporaryDirectory();
    mkdirSync(join(directory, 'folder.db'));
    writeFileSync(join(directory, 'file'), '');
    for (const name of ['folder.db', join('file', 'budget.db')]) {
      const target = targetOf(join(directory, name));
      await expect(migrate(target), name).rejects.toMatchObject({ code: 'database_unusable' });
      await expect(openApp({ target, runtime, create: true }), name).rejects.toMatchObject({
        code: 'database_unusable',
      });
    }
    const missing = targetOf(join(directory, 'none', 'budget.db'));
    await expect(openApp({ target: missing, runtime })).rejects.toMatchObject({
      code: 'database_missing',
    });
    expect(existsSync(join(directory, 'none'))).toBe(false);
  });

  it('take an empty file for a new database', async () => {
    const path = join(temporaryDirectory(), 'budget.db');
    writeFileSync(path, '');
    expect(await migrate(targetOf(path))).toMatchObject({
      created: false,
      applied: migrationNames('sqlite'),
    });
    expect(await query(targetOf(path), 'PRAGMA journal_mode')).toEqual([{ journal_mode: 'wal' }]);
  });
});

describe('migrations of a PostgreSQL database', () => {
  it('create the database where it is missing, but not in a dry run', async () => {
    const target = await emptyDatabase('postgresql');
    const url = new URL(target.url);
    url.pathname += '_"new"';
    const missing = targetOf(url.href);
    expect(await migrate(missing, true)).toMatchObject({ created: true, dryRun: true });
    expect(await databaseInfo(missing)).toMatchObject({ state: 'missing' });
    expect(await migrate(missing)).toMatchObject({
      created: true,
      applied: migrationNames('postgresql'),
    });
    expect(await databaseInfo(missing)).toMatchObject({ state: 'current' });
  });

  it('stay in the schema that the URL names, and two schemas are two ledgers', async () => {
    const target = await emptyDatabase('postgresql');
    const inSchema = (name: string): DatabaseTarget =>
      targetOf(`${target.url}?schema=${encodeURIComponent(name)}`);
    const [one, two] = [inSchema('one'), inSchema('The "other"')];
    await migrate(one);
    await migrate(two);
    expect(await databaseInfo(target)).toMatchObject({ state: 'empty' });
    const client = await foreignClient(target);
    await client.query(LOG.replace('token_usage_logs', 'one.token_usage_logs'));
    const [first, second] = [await openLedgerOn(one), await openLedgerOn(two)];
    expect((await windowOf(first.app, 'imperium', '2025-05')).used).toBe(5);
    expect((await windowOf(second.app, 'imperium', '2025-05')).used).toBe(0);
    const { reservation } = await second.guard.reserve({
      aiType: 'guardian',
      estimate: { input: 1, output: 1 },
    });
    await second.guard.release(reservation!.id);
    for (const { app } of [first, second]) expect(await app.verify({ repair: false })).toEqual([]);
    expect((await first.app.status()).aiTypes.map(({ aiType }) => aiType)).not.toContain(
      'guardian',
    );
  });

  it('and the ledger need no superuser, nor a right to create schemas where theirs exists', async () => {
    const target = await emptyDatabase('postgresql');
    const owned = targetOf(await roleWith(target, 'CREATE, USAGE ON SCHEMA public'));
    expect(await migrate(owned)).toMatchObject({ applied: migrationNames('postgresql') });
    const { app, guard } = await openLedgerOn(owned);
    const { reservation } = await guard.reserve({
      aiType: 'imperium',
      estimate: { input: 1, output: 1 },
    });
    await guard.settle(reservation!.id, { inputTokens: 1, outputTokens: 1 });
    await query(owned, LOG);
    await query(owned, 'UPDATE token_usage SET total_tokens = 99');
    await expectCountsAgree(app, owned);
    await app.close();
  });

  it('say what is missing where they may not', async () => {
    const target = await emptyDatabase('postgresql');
    const url = await roleWith(target, 'USAGE ON SCHEMA public');
    await expect(migrate(targetOf(url))).rejects.toMatchObject({
      ...{ code: 'database_unusable', fix: expect.stringContaining('owner') as string },
    });
    expect(await databaseInfo(target)).toMatchObject({ state: 'empty' });
  });
});

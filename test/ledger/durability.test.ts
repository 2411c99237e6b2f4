import Sqlite from 'better-sqlite3';
import { join } from 'node:path';
import { describe, expect, it, onTestFinished } from 'vitest';
import { connectPostgres } from '../../src/ledger/postgres.ts';
import { postgresTarget } from '../../src/ledger/postgres-url.ts';
import { openSqliteFile } from '../../src/ledger/sqlite.ts';
import { createPostgresDatabase } from '../support/postgres.ts';
import { foreignClient } from '../support/foreign-client.ts';
import { parseDatabase } from '../../src/config/database.ts';
import { temporaryDirectory } from '../support/sqlite.ts';

/** SQLite's number for synchronous=FULL: each commit is on the disk before it is answered. */
const FULL = 2;

describe('a commit is on the disk before it is answered', () => {
  it.each(['delete', 'wal'])('in an SQLite file whose journal mode was %s', (mode) => {
    const path = join(temporaryDirectory(), 'budget.db');
    const other = new Sqlite(path);
    other.pragma(`journal_mode = ${mode}`);
    other.exec('CREATE TABLE t (x)');
    other.close();
    const database = openSqliteFile(path);
    onTestFinished(() => {
      database.close();
    });
    expect(database.pragma('journal_mode', { simple: true })).toBe('wal');
    expect(database.pragma('synchronous', { simple: true })).toBe(FULL);
  });

  it('or SQLite is refused, where it has no write-ahead log', () => {
    expect(() => openSqliteFile(':memory:')).toThrow(/WAL/);
  });

  it('in PostgreSQL, also where the database says that commits need not wait', async () => {
    const database = await createPostgresDatabase();
    onTestFinished(() => database.drop());
    const { url } = database;
    const target = parseDatabase(url, 'test', 'flag', '/');
    const client = await foreignClient(target);
    await client.query(
      `DO $$ BEGIN EXECUTE format('ALTER DATABASE %I SET synchronous_commit = off', current_database()); END $$`,
    );
    const session = await connectPostgres(postgresTarget(url), 5_000);
    onTestFinished(() => session.end());
    expect((await session.query('SHOW synchronous_commit')).rows).toEqual([
      { synchronous_commit: 'on' },
    ]);
  });
});

import { existsSync } from 'node:fs';
import { join } from 'node:path';
import Sqlite from 'better-sqlite3';
import pg from 'pg';
import { beforeEach, describe, expect, it, onTestFinished } from 'vitest';
import { createPostgresDatabase } from './postgres.ts';
import { temporaryDirectory } from './sqlite.ts';

describe('the PostgreSQL of the tests', () => {
  it('answers, durably, in a session that is not in UTC by itself', async () => {
    const database = await createPostgresDatabase();
    const client = new pg.Client({ connectionString: database.url });
    await client.connect();
    onTestFinished(async () => {
      await client.end();
      await database.drop();
    });
    expect((await client.query('SELECT 1 AS one')).rows).toEqual([{ one: 1 }]);
    const { rows } = await client.query(
      `SELECT name, setting FROM pg_settings
       WHERE name IN ('fsync', 'synchronous_commit', 'full_page_writes', 'max_connections', 'TimeZone')
       ORDER BY lower(name)`,
    );
    expect(rows).toEqual([
      { name: 'fsync', setting: 'on' },
      { name: 'full_page_writes', setting: 'on' },
      { name: 'max_connections', setting: '200' },
      { name: 'synchronous_commit', setting: 'on' },
      { name: 'TimeZone', setting: 'Asia/Kolkata' },
    ]);
  });

  it('drops a database that is still in use', async () => {
    const database = await createPostgresDatabase();
    const client = new pg.Client({ connectionString: database.url });
    client.on('error', () => undefined);
    await client.connect();
    await database.drop();
    const second = new pg.Client({ connectionString: database.url });
    await expect(second.connect()).rejects.toThrow('does not exist');
  });
});

describe('temporaryDirectory', () => {
  let before = '';
  let directory = '';
  beforeEach(() => {
    before = directory;
    directory = temporaryDirectory();
  });

  it('holds an SQLite file', () => {
    const database = new Sqlite(join(directory, 'a.db'));
    expect(database.pragma('journal_mode = wal', { simple: true })).toBe('wal');
    database.close();
  });

  it('is gone when the test before has ended', () => {
    expect(existsSync(directory)).toBe(true);
    expect(existsSync(before)).toBe(false);
  });
});

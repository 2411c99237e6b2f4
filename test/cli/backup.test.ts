import { execFileSync } from 'node:child_process';
import { randomUUID } from 'node:crypto';
import {
  chmodSync,
  existsSync,
  mkdirSync,
  readdirSync,
  readFileSync,
  statSync,
  truncateSync,
  utimesSync,
  writeFileSync,
} from 'node:fs';
import { join } from 'node:path';
import Sqlite from 'better-sqlite3';
import { beforeEach, describe, expect, it } from 'vitest';
import { openBudget, sql } from '../support/budget.ts';
import { finished, temporaryCli, type Cli } from '../support/cli.ts';
import { migratedDatabase } from '../support/databases.ts';
import { startBackends, until } from '../support/processes.ts';

let cli: Cli;
beforeEach(() => {
  cli = temporaryCli();
});

const list = (): string[] => readdirSync(cli.home).filter((name) => name !== 'data');

interface Churned {
  readonly reserved: readonly string[];
}

describe('db backup of an SQLite file', () => {
  it('removes what a killed backup to the same name left a day ago, and nothing else', async () => {
    await cli.run(['status']);
    const old = new Date(Date.now() - 25 * 3_600_000);
    const part = `part-${randomUUID()}`;
    const [stale, journal] = [`copy.db.${part}`, `copy.db.${part}-journal`];
    const young = `copy.db.part-${randomUUID()}`;
    const kept = [young, 'copy.db.part-list', `other.db.${part}`];
    for (const name of [stale, journal, ...kept]) {
      const path = join(cli.home, name);
      writeFileSync(path, '');
      // Another backup may be writing it.
      if (name !== young) utimesSync(path, old, old);
    }
    const { code, stderr } = await cli.run(['db', 'backup', 'copy.db']);
    expect({ code, stderr }).toEqual({ code: 0, stderr: '' });
    expect(list().toSorted()).toEqual(['copy.db', ...kept].toSorted());
  });

  it('is whole and consistent while four processes keep reserving', async () => {
    const { target } = await openBudget('sqlite');
    const backends = await startBackends(4, target);
    const churns = backends.map((backend) =>
      backend.ask<Churned>({ do: 'churn', tokens: 1, callers: 4 }),
    );
    const rows = async (): Promise<number> =>
      Number((await sql(target, 'SELECT count(*) AS n FROM token_usage_logs'))[0]?.['n']);
    await until(async () => (await rows()) > 200);
    for (const name of ['first.db', 'second.db']) {
      const [before, copied, after] = [
        await rows(),
        await cli.run(['db', 'backup', name, '--json', '--database', target.url]),
        await rows(),
      ];
      expect([copied.code, copied.stderr]).toEqual([0, '']);
      const file = join(cli.home, name);
      expect(JSON.parse(copied.stdout)).toMatchObject({
        file,
        kind: 'sqlite',
        location: target.location,
        sizeBytes: statSync(file).size,
      });
      const copy = new Sqlite(file, { readonly: true });
      const held = copy.prepare('SELECT count(*) FROM token_usage_logs').pluck().get() as number;
      copy.close();
      expect(held).toBeGreaterThanOrEqual(before);
      expect(held).toBeLessThanOrEqual(after);
      expect(after).toBeGreaterThan(before);
      const verified = await cli.run(['db', 'verify', '--database', file]);
      expect([verified.code, verified.stderr]).toEqual([0, '']);
    }
    for (const backend of backends) backend.signal('SIGUSR2');
    await Promise.all(churns);
    expect(list().filter((name) => name.includes('part'))).toEqual([]);
  });

  it('takes one too that is not migrated, and leaves its mode and permissions as they are', async () => {
    const plain = join(cli.home, 'plain.db');
    const database = new Sqlite(plain);
    database.exec('CREATE TABLE other (a); INSERT INTO other VALUES (1)');
    database.close();
    chmodSync(plain, 0o600);
    const before = readFileSync(plain);
    expect((await cli.run(['db', 'backup', 'copy.db', '--database', plain])).code).toBe(0);
    expect(readFileSync(plain).equals(before)).toBe(true);
    expect(statSync(join(cli.home, 'copy.db')).mode & 0o777).toBe(0o600);
    expect(list().toSorted()).toEqual(['copy.db', 'plain.db']);
  });

  it('overwrites a file only with --force, and never a database in use', async () => {
    await cli.run(['status']);
    const file = join(cli.home, 'copy.db');
    writeFileSync(file, 'precious');
    const refused = await cli.run(['db', 'backup', 'copy.db']);
    expect([refused.code, readFileSync(file, 'utf8')]).toEqual([2, 'precious']);
    expect(refused.stderr).toMatch(/copy\.db exists already\n.*--force/);
    expect((await cli.run(['db', 'backup', 'copy.db', '--force'])).code).toBe(0);
    expect((await cli.run(['status', '--database', file])).code).toBe(0);

    const itself = await cli.run(['db', 'backup', cli.database, '--force']);
    expect([itself.code, itself.stderr]).toEqual([2, expect.stringMatching(/the database itself/)]);
    writeFileSync(`${file}-wal`, 'of another');
    const used = await cli.run(['db', 'backup', 'copy.db', '--force']);
    expect([used.code, used.stderr]).toEqual([2, expect.stringMatching(/copy\.db-wal belongs to/)]);
  });

  it('leaves nothing behind when it fails', async () => {
    const missing = await cli.run(['db', 'backup', 'copy.db']);
    expect([missing.code, missing.stderr]).toEqual([4, expect.stringMatching(/no database at/)]);
    await cli.run(['status']);
    const nowhere = await cli.run(['db', 'backup', 'no/such/copy.db']);
    expect([nowhere.code, nowhere.stderr]).toEqual([2, expect.stringMatching(/no such directory/)]);
    truncateSync(cli.database, Math.floor(statSync(cli.database).size / 2 / 4_096) * 4_096);
    const damaged = await cli.run(['db', 'backup', 'copy.db']);
    expect([damaged.code, damaged.stderr]).toEqual([1, expect.stringMatching(/is damaged/)]);
    expect(damaged.stderr).not.toMatch(/\n\s+at /);
    expect(list()).toEqual([]);
  });

  it('leaves no half file when it is interrupted', async () => {
    const { target } = await openBudget('sqlite');
    const big = `INSERT INTO token_usage_logs (ai_type, error_message)
      WITH RECURSIVE n(i) AS (SELECT 1 UNION ALL SELECT i + 1 FROM n WHERE i < 3000)
      SELECT 'x', hex(zeroblob(20000)) FROM n`;
    await sql(target, big);
    for (const signal of ['SIGINT', 'SIGTERM'] as const) {
      const child = cli.start(['db', 'backup', 'copy.db', '--database', target.url]);
      const done = finished(child);
      await until(() => list().some((name) => name.includes('.part-')));
      child.kill(signal);
      const { code, stderr } = await done;
      expect([code, stderr]).toEqual([130, expect.stringMatching(/interrupted; no backup/)]);
      expect(list()).toEqual([]);
    }
  });
});

/** The directory of a pg_dump that is not older than this server, if the machine has one. */
function debianDump(): string | null {
  const directory = '/usr/lib/postgresql';
  if (!existsSync(directory)) return null;
  const versions = readdirSync(directory).filter((name) =>
    existsSync(join(directory, name, 'bin', 'pg_dump')),
  );
  const newest = versions.toSorted((a, b) => Number(a) - Number(b)).at(-1);
  return newest === undefined ? null : join(directory, newest, 'bin');
}

describe('db backup of PostgreSQL', () => {
  it('says what to do where there is no pg_dump, without the password', async () => {
    const { url } = await migratedDatabase('postgresql');
    const { code, stdout, stderr } = await cli.run(['db', 'backup', 'a.dump', '--database', url], {
      env: { PATH: '' },
    });
    expect([code, stdout]).toEqual([1, '']);
    expect(stderr).toMatch(/pg_dump is not on the PATH/);
    expect(stderr).toMatch(
      /pg_dump --format=custom --file=FILE --dbname='postgresql:\/\/postgres@/,
    );
    expect(stderr).not.toContain('secret');
    expect(list()).toEqual([]);
  });

  it('says that the pg_dump on the PATH is older than the server', async () => {
    const { url } = await migratedDatabase('postgresql');
    const bin = debianDump();
    if (bin === null) {
      // No PostgreSQL programs on this machine: what the older one says, from a program of that name.
      fakeDump('echo "pg_dump: error: aborting because of server version mismatch" >&2; exit 1');
    }
    const { code, stderr } = await cli.run(['db', 'backup', 'a.dump', '--database', url], {
      env: { PATH: bin ?? join(cli.home, 'bin') },
    });
    expect(code).toBe(1);
    expect(stderr).toMatch(
      /older than the server, which is PostgreSQL 18.*\n.*pg_dump of PostgreSQL 18/,
    );
    expect(stderr).not.toContain('secret');
    expect(existsSync(join(cli.home, 'a.dump'))).toBe(false);
  });

  it('gives the password to pg_dump by its environment alone, and keeps what it wrote', async () => {
    const { url } = await migratedDatabase('postgresql');
    fakeDump(`
      for word in "$@"; do case $word in --file=*) file=\${word#--file=};; esac; done
      echo "$* / $PGPASSWORD" > "$file"`);
    const env = { PATH: `${join(cli.home, 'bin')}:/usr/bin:/bin` };
    const named = `${url}?schema=public&connection_limit=5&sslmode=disable`;
    const done = await cli.run(['db', 'backup', 'a.dump', '--database', named], { env });
    expect([done.code, done.stderr]).toEqual([0, '']);
    expect(done.stdout).not.toContain('secret');
    const [args, password] = readFileSync(join(cli.home, 'a.dump'), 'utf8').trim().split(' / ');
    expect(password).toBe('not/secret:at all');
    expect(args).toMatch(
      /^--format=custom --no-password --file=\S+ --dbname=postgresql:\/\/postgres@\S+\?sslmode=disable$/,
    );
    expect(statSync(join(cli.home, 'a.dump')).mode & 0o777).toBe(0o600);
  });

  it('leaves no half file when it is interrupted', async () => {
    const { url } = await migratedDatabase('postgresql');
    fakeDump(`touch "${join(cli.home, 'started')}"; exec sleep 60`);
    const env = { PATH: `${join(cli.home, 'bin')}:/usr/bin:/bin` };
    const child = cli.start(['db', 'backup', 'a.dump', '--database', url], { env });
    const done = finished(child);
    await until(() => existsSync(join(cli.home, 'started')));
    child.kill('SIGINT');
    expect((await done).code).toBe(130);
    expect(list().toSorted()).toEqual(['bin', 'started']);
  });

  it('exits 4 where the database is missing or the login is refused', async () => {
    const { url } = await migratedDatabase('postgresql');
    const none = new URL(url);
    none.pathname = '/none_such';
    const missing = await cli.run(['db', 'backup', 'a.dump', '--database', none.href]);
    expect([missing.code, missing.stderr]).toEqual([4, expect.stringMatching(/no database at/)]);
    const other = new URL(url);
    other.password = 'wrong-s3cret';
    const login = await cli.run(['db', 'backup', 'a.dump', '--database', other.href]);
    expect([login.code, login.stderr]).toEqual([4, expect.stringMatching(/login was refused/)]);
    expect(login.stderr).not.toContain('s3cret');
  });
});

/** Puts a program named pg_dump into the home's bin. */
function fakeDump(script: string): void {
  const bin = join(cli.home, 'bin');
  mkdirSync(bin);
  writeFileSync(join(bin, 'pg_dump'), `#!/bin/sh\n${script}\n`, { mode: 0o755 });
  execFileSync('/bin/sh', ['-n', join(bin, 'pg_dump')]);
}

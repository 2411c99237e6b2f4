import {
  chmodSync,
  closeSync,
  openSync,
  readFileSync,
  rmSync,
  statSync,
  truncateSync,
  writeFileSync,
  writeSync,
} from 'node:fs';
import { dirname, join } from 'node:path';
import { describe, expect, it, onTestFinished } from 'vitest';
import { systemRuntime } from '../../src/platform/runtime.ts';
import { counts, guardOn, idOf, openBudget, sql, tokens, type Budget } from '../support/budget.ts';
import { temporaryCli } from '../support/cli.ts';
import { migratedDatabase, openTestApp } from '../support/databases.ts';
import { startBackend, until } from '../support/processes.ts';
import { temporaryDirectory } from '../support/sqlite.ts';

const CHECK = ['check', '--ai-type', 'imperium', '--tokens', '1', '--json'];

/** Takes or gives write access to the file and to its directory. */
function setMode({ target }: Budget, [file, directory]: readonly [number, number]): void {
  chmodSync(target.url, file);
  chmodSync(dirname(target.url), directory);
}

describe('an SQLite file that may not be written', () => {
  it.each([
    ['with its directory', [0o444, 0o555]],
    ['in a directory that may', [0o444, 0o755]],
  ] as const)(
    '%s: each command says so and exits 4, and leaves nothing behind that bars a writer',
    async (_, modes) => {
      const budget = await openBudget('sqlite');
      await budget.app.close();
      const cli = temporaryCli({ boundByModes: true });
      const named = ['--database', `file:${budget.target.url}`];
      setMode(budget, modes);
      for (const command of [
        ['status'],
        CHECK,
        ['limits', 'set', 'request=900'],
        ['db', 'verify'],
      ]) {
        const { code, stderr } = await cli.run([...command, ...named]);
        expect([command[0], code]).toEqual([command[0], 4]);
        expect(stderr).toMatch(/budget\.db can't be written\n.*give this user write access/);
      }
      setMode(budget, [0o644, 0o755]);
      for (const command of [CHECK, ['limits', 'set', 'request=900']]) {
        expect(await cli.run([...command, ...named])).toMatchObject({ code: 0 });
      }
      const { guard } = await budget.another();
      idOf(await guard.reserve(tokens(1)));
    },
  );

  it('any more while it is open: who has it open goes on, who comes is told', async () => {
    const budget = await openBudget('sqlite');
    idOf(await budget.guard.reserve(tokens(1)));
    setMode(budget, [0o444, 0o555]);
    const cli = temporaryCli({ boundByModes: true });
    const { code, stderr } = await cli.run(['status', '--database', `file:${budget.target.url}`]);
    expect([code, stderr]).toEqual([4, expect.stringContaining("can't be written") as string]);
    idOf(await budget.guard.reserve(tokens(2)));
    setMode(budget, [0o644, 0o755]);
    expect((await counts(budget.app))['hour']).toEqual([0, 3]);
  });
});

interface Left {
  readonly budget: Budget;
  /** Ids of acknowledged reservations, in their order. */
  readonly acknowledged: readonly string[];
}

/** A file as a process leaves it that is killed while it reserves. */
async function killedWriter(): Promise<Left> {
  const budget = await openBudget('sqlite', { start: new Date().toISOString() });
  await budget.app.close();
  const journal = join(temporaryDirectory(), 'journal');
  const backend = await startBackend(budget.target);
  // One caller: each reservation is a commit of its own, in the order of the journal.
  backend.ask({ do: 'journal', tokens: 10, callers: 1, journal }).catch(() => undefined);
  writeFileSync(journal, '');
  await until(() => readFileSync(journal, 'utf8').split('\n').length > 40);
  await backend.kill();
  const lines = readFileSync(journal, 'utf8').split('\n').slice(0, -1);
  return { budget, acknowledged: lines.map((line) => line.replace('reserved ', '')) };
}

/** Opens it again: the counts are those of its rows, and it works on. */
async function expectWorks({ target }: Budget): Promise<string[]> {
  const app = await openTestApp(target);
  onTestFinished(() => app.close());
  const ids = (await sql(target, 'SELECT id FROM token_usage_logs ORDER BY rowid')).map((row) =>
    String(row['id']),
  );
  expect(await app.verify({ repair: false })).toEqual([]);
  expect((await counts(app))['month']).toEqual([0, ids.length * 10]);
  const backend = await startBackend(target);
  const spent = await backend.ask<{ ids: string[] }>({
    do: 'spend',
    tokens: 10,
    callers: 2,
    most: 3,
  });
  expect(spent.ids).toHaveLength(6);
  expect((await counts(app))['month']).toEqual([0, (ids.length + 6) * 10]);
  expect(await app.verify({ repair: false })).toEqual([]);
  return ids;
}

const PAGE = 4_096;
const FRAME = PAGE + 24;
/** About so many bytes of a WAL, of whose last frame only the beginning is there. */
const torn = (bytes: number) => 32 + Math.floor(bytes / FRAME) * FRAME + 1_000;

describe('the files beside an SQLite file whose writer was killed', () => {
  // What is left of a WAL of so many bytes, and how many of n commits that may keep, at least and at most.
  it.each([
    ['nothing', () => 0, () => [0, 0]],
    ['half of its header', () => 16, () => [0, 0]],
    ['all but half of its last frame', (size) => size - FRAME / 2, (n) => [n - 1, n + 1]],
    ['a half, ending in a torn frame', (size) => torn(size / 2), (n) => [n / 4, (n * 3) / 4]],
    ['any length', (size) => Math.floor(Math.random() * size), (n) => [0, n + 1]],
    ['any other length', (size) => Math.floor(Math.random() * size), (n) => [0, n + 1]],
  ] satisfies [string, (size: number) => number, (n: number) => number[]][])(
    'a WAL of which is left %s: the first commits are whole, and it works on',
    async (_, left, kept) => {
      const { budget, acknowledged } = await killedWriter();
      const wal = `${budget.target.url}-wal`;
      const length = left(statSync(wal).size);
      truncateSync(wal, length);
      const ids = await expectWorks(budget);
      // A prefix: no commit is there without all before it, and none by halves.
      const [least, most] = kept(acknowledged.length);
      expect(ids.slice(0, acknowledged.length)).toEqual(acknowledged.slice(0, ids.length));
      expect(ids.length).toBeGreaterThanOrEqual(least!);
      expect(ids.length).toBeLessThanOrEqual(most!);
    },
  );

  it('a -shm that is gone is made again: nothing is lost', async () => {
    const { budget, acknowledged } = await killedWriter();
    rmSync(`${budget.target.url}-shm`);
    expect(await expectWorks(budget)).toEqual(expect.arrayContaining([...acknowledged]));
  });

  it('a -shm full of rubbish is made again: nothing is lost', async () => {
    const { budget, acknowledged } = await killedWriter();
    writeFileSync(`${budget.target.url}-shm`, Buffer.alloc(32_768, 0xa5));
    expect(await expectWorks(budget)).toEqual(expect.arrayContaining([...acknowledged]));
  });
});

/** Overwrites bytes of a file. */
function damage(path: string, from: number, bytes: number): void {
  const file = openSync(path, 'r+');
  writeSync(file, Buffer.alloc(bytes, 0x5a), 0, bytes, from);
  closeSync(file);
}

describe('a damaged SQLite file', () => {
  it.each([
    ['its header', 0, 'is no SQLite database'],
    ['the page that names its tables', 100, 'is damaged'],
  ])('in %s: every command says so and exits 4, and changes nothing', async (_, from, message) => {
    const { url } = await migratedDatabase('sqlite');
    damage(url, from, 2_000);
    const before = readFileSync(url);
    const cli = temporaryCli();
    for (const command of [
      ['status'],
      CHECK,
      ['db', 'info'],
      ['db', 'verify'],
      ['db', 'migrate'],
    ]) {
      const { code, stderr } = await cli.run([...command, '--database', `file:${url}`]);
      expect([command, code]).toEqual([command, 4]);
      expect(stderr).toContain(message);
    }
    expect(readFileSync(url).equals(before)).toBe(true);
  });

  it('in the log: denies, saying so, and the process lives', async () => {
    const target = await migratedDatabase('sqlite');
    const [page] = await sql(
      target,
      `SELECT rootpage FROM sqlite_master WHERE name = 'token_usage_logs'`,
    );
    damage(target.url, (Number(page!['rootpage']) - 1) * PAGE, PAGE);
    const { guard, app } = await guardOn(target, systemRuntime, 5_000);
    for (const denied of await Promise.all([1, 2, 3].map(() => guard.reserve(tokens(1))))) {
      expect(denied).toMatchObject({ admitted: false, reasons: [{ code: 'ledger_unavailable' }] });
      expect(denied.reasons[0]!.message).toContain('is damaged');
    }
    await expect(app.verify({ repair: false })).rejects.toMatchObject({
      code: 'ledger_unavailable',
      message: expect.stringContaining('is damaged') as string,
    });
  });
});
